use std::sync::atomic::{AtomicUsize, Ordering};

use sql::Connection;
use sql::sea_orm::prelude::async_trait::async_trait;
use sql::sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, QueryTrait, Statement,
};
use web::Caller;
use web::policy::Guard;

use super::*;
use crate::core::Cx;
use crate::db::store::{self, Reader};
use crate::list::Paging;
use crate::resources::{self, PORT};
use crate::service::Networks;
use crate::settings::Settings;
use crate::tables::{allocations, ports};
use crate::words::{Status, VifType, VnicType};

/// A connection that counts the rows that are read by it.
pub struct Counting<'a>(&'a Connection, AtomicUsize);

#[async_trait]
impl ConnectionTrait for Counting<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self.0.query_all_raw(statement).await?;
        self.1.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }
}

fn caller(project: &str, roles: &[&str]) -> Caller {
    Caller {
        user_id: "u".to_owned(),
        user_name: "u".to_owned(),
        user_domain_id: "default".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_id: Some(project.to_owned()),
        project_name: Some(project.to_owned()),
        project_domain_id: Some("default".to_owned()),
        project_domain_name: Some("Default".to_owned()),
        domain_id: None,
        system: false,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        service_roles: Vec::new(),
        expires_at: Utc::now() + Duration::hours(1),
        token: "t".to_owned().into(),
    }
}

fn port(n: u32, project: &str) -> ports::Model {
    let now = store::now();
    ports::Model {
        id: format!("{n:08x}-0000-4000-8000-000000000000"),
        project_id: project.to_owned(),
        network_id: "n".to_owned(),
        name: format!("port {}", n % 7),
        description: String::new(),
        mac_address: format!("fa:16:3e:00:{:02x}:{:02x}", n / 256, n % 256),
        admin_state_up: true,
        status: Status::Down,
        device_id: format!("d-{n}"),
        device_owner: String::new(),
        port_security_enabled: true,
        dns_name: String::new(),
        dns_domain: String::new(),
        allowed_address_pairs: "[]".to_owned(),
        extra_dhcp_opts: "[]".to_owned(),
        host: String::new(),
        vnic_type: VnicType::Normal,
        vif_type: VifType::Unbound,
        vif_details: "{}".to_owned(),
        profile: "{}".to_owned(),
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    }
}

const PORTS: u32 = 600;

/// A service with many ports, each with an address.
async fn crowded(db: sql::Database) -> Networks {
    let networks = Networks::open(db, Settings::default())
        .await
        .expect("opens");
    let tx = networks.core.db.begin().await.expect("begin");
    for n in 0..PORTS {
        let row = port(n, if n % 2 == 0 { "even" } else { "odd" });
        let address = allocations::Model {
            subnet_id: "s".to_owned(),
            ip_address: format!("10.0.{}.{}", n / 250, n % 250),
            port_id: row.id.clone(),
            network_id: "n".to_owned(),
            position: 0,
        };
        store::insert(&tx, row).await.expect("a port");
        store::insert(&tx, address).await.expect("an address");
    }
    tx.commit().await.expect("commit");
    networks
}

#[tokio::test]
async fn a_page_reads_a_page_and_not_the_table() {
    for db in sql::testing::engines().await {
        let networks = crowded(db).await;
        let core = &*networks.core;
        let guard = Guard::new(Some("get_port"));
        let members = caller("even", &["member", "reader"]);
        let admins = caller("p", &["admin"]);
        for (caller, query, found) in [
            (&admins, "limit=20", 20),
            (&members, "limit=20", 20),
            (&admins, "limit=20&sort_key=name&sort_dir=desc", 20),
            (
                &members,
                "limit=20&marker=00000100-0000-4000-8000-000000000000",
                20,
            ),
            (
                &admins,
                "limit=20&page_reverse=True&sort_key=mac_address",
                20,
            ),
            (&members, "device_id=d-8", 1),
            (&members, "device_id=d-9", 0),
            (&admins, "fixed_ips=ip_address=10.0.1.7", 1),
        ] {
            let cx = Cx {
                core,
                caller,
                guard: &guard,
            };
            let counting = Counting(core.db.read(), AtomicUsize::new(0));
            let query = Query::parse(query);
            let paging = Paging::read(&query, 0).expect("a limit");
            let page =
                resources::page(&cx, Reader::Counted(&counting), &PORT, &query, &paging).await;
            assert_eq!(page.expect("a page").len(), found, "{query:?}");
            // Each port and its address, and the same of a marker.
            let read = counting.1.into_inner();
            assert!(read <= 2 * found + 2, "{query:?} read {read} rows");
        }
    }
}

#[tokio::test]
async fn pages_are_read_by_an_index() {
    let networks = crowded(sql::testing::sqlite().await).await;
    let core = &*networks.core;
    let (caller, guard) = (caller("p", &["admin"]), Guard::new(None));
    let cx = Cx {
        core,
        caller: &caller,
        guard: &guard,
    };
    for (query, index) in [
        ("", "sqlite_autoindex_net_ports_1"),
        ("device_id=d-8", "net_ports_device_id"),
        (
            "fixed_ips=ip_address=10.0.1.7",
            "net_allocations_ip_address",
        ),
        ("id=x", "sqlite_autoindex_net_ports_1"),
        ("mac_address=x", "net_ports_mac_address"),
        ("name=port%201", "net_ports_name"),
        ("network_id=n", "net_ports_network_id_id"),
        ("project_id=even", "net_ports_project_id_id"),
        ("security_groups=x", "net_port_security_groups_group_id"),
    ] {
        let wanted = Selection::read(cx.project(), PORT.listing(), &Query::parse(query), &|_| {
            false
        });
        let cut = Cut {
            after: Some("00000100-0000-4000-8000-000000000000"),
            limit: Some(20),
            backwards: false,
        };
        let select = wanted
            .expect("a selection")
            .select::<ports::Entity>(crate::ports::scope(&cx), cut);
        let mut statement = select.build(DbBackend::Sqlite);
        statement.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let rows = core.db.read().query_all_raw(statement).await;
        let steps = rows.expect("a plan").into_iter();
        let steps = steps.map(|row| row.try_get::<String>("", "detail").expect("a step"));
        let plan = steps.collect::<Vec<_>>().join("; ");
        assert!(plan.contains(index), "{query}: {plan}");
        assert!(!plan.contains("SCAN"), "{query}: {plan}");
    }
}
