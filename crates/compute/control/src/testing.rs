//! A place to try use cases in: a fresh SQLite database, a bus in memory, and companions as routers.

use std::sync::Arc;

use axum::Router;
use bus::Bus;
use chrono::Utc;
use clients::{Login, Service, Session};
use compute_db::{HISTORY, flavors, hosts, passwords, servers};
use compute_model::host::NodeFacts;
use compute_model::{Flavor, Server};
use web::policy::Guard;
use web::{Caller, RequestId};

use crate::{Context, Control, Settings, policy};

/// A control over these companions.
pub async fn control(identity: Router, image: Router, network: Router) -> Control {
    control_on(sql::testing::sqlite().await, identity, image, network).await
}

/// [`control`] over a fresh database.
pub async fn control_on(
    db: sql::Database,
    identity: Router,
    image: Router,
    network: Router,
) -> Control {
    db.apply(&HISTORY).await.expect("the tables are made");
    let identity = Service::in_process("identity", identity);
    let login = Login {
        user: "nova".into(),
        password: "secret".to_owned().into(),
        project: "service".into(),
        domain: "Default".into(),
    };
    let events = crate::events::Hub::new(db.clone(), crate::events::Limits::default());
    Control {
        db,
        events,
        bus: Bus::memory(),
        session: Session::new(identity.clone(), login),
        identity,
        image: Service::in_process("image", image),
        network: Service::in_process("network", network),
        volume: Service::in_process("volume", Router::new()),
        policy: Arc::new(policy::load(None).expect("the defaults compile")),
        generators: crate::keypairs::Generators::default(),
        settings: Settings::default(),
    }
}

/// The request of a member of the project `project`, for a call with this rule.
#[must_use]
pub fn request(rule: &'static str) -> Context {
    let caller = Caller {
        user_id: "member".to_owned(),
        user_name: "member".to_owned(),
        user_domain_id: "default".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_id: Some("project".to_owned()),
        project_name: Some("project".to_owned()),
        project_domain_id: Some("default".to_owned()),
        project_domain_name: Some("Default".to_owned()),
        domain_id: None,
        system: false,
        roles: vec!["member".to_owned(), "reader".to_owned()],
        service_roles: Vec::new(),
        expires_at: Utc::now() + chrono::TimeDelta::hours(1),
        token: "token".to_owned().into(),
    };
    Context {
        caller: Arc::new(caller),
        request_id: RequestId {
            local: "req-1".to_owned(),
            global: None,
        },
        guard: Guard::new(Some(rule)),
    }
}

/// A host of this name that reported just now: 4 processors, 8 GiB, 100 GiB.
pub async fn host(control: &Control, name: &str) {
    let facts = NodeFacts {
        hypervisor_type: "fake".into(),
        hypervisor_version: 1_000,
        host_ip: "192.0.2.1".into(),
        vcpus: 4,
        memory_mb: 8192,
        disk_gb: 100,
        reserved_memory_mb: 512,
        cpu_ratio: 4.0,
        ram_ratio: 1.0,
        disk_ratio: 1.0,
        cpu_info: serde_json::json!({"arch": "x86_64"}),
        booted_at: Some(Utc::now() - chrono::TimeDelta::hours(25)),
        ..Default::default()
    };
    let now = sql::micros(Utc::now());
    let id = uuid::Uuid::new_v4().to_string();
    let tx = control.db.begin().await.expect("begin");
    hosts::note_service(&tx, name, hosts::COMPUTE)
        .await
        .expect("seen");
    hosts::report(&tx, name, name, &id, &facts, now)
        .await
        .expect("reported");
    tx.commit().await.expect("commit");
}

/// An active server of this project on this host, with 2 processors and 64 MiB.
pub async fn server(control: &Control, project: &str, host: &str) -> Server {
    let now = sql::micros(Utc::now());
    let server = Server {
        project_id: project.into(),
        user_id: "member".into(),
        name: "server".into(),
        hostname: "server".into(),
        flavor: Flavor {
            vcpus: 2,
            ..compute_model::testing::flavor("tiny")
        },
        host: Some(host.into()),
        node: Some(host.into()),
        created_at: now,
        updated_at: now,
        launched_at: Some(now),
        ..compute_model::testing::server(&uuid::Uuid::new_v4().to_string())
    };
    let tx = control.db.begin().await.expect("begin");
    let kept = servers::insert(&tx, &server).await.expect("inserted");
    tx.commit().await.expect("commit");
    kept
}

/// Adds a flavor of 1 vCPU and 1 GiB of disk.
pub async fn flavor(control: &Control, id: &str, ram: u32) {
    let flavor = Flavor {
        name: format!("flavor-{id}"),
        ram,
        extra_specs: [("hw:cpu_policy".to_owned(), "shared".to_owned())].into(),
        ..compute_model::testing::flavor(id)
    };
    let tx = control.db.begin().await.expect("a transaction");
    flavors::insert(&tx, &flavor).await.expect("a new flavor");
    tx.commit().await.expect("committed");
}

/// Changes a server's row as a conductor would.
pub async fn change(control: &Control, id: &str, change: impl FnOnce(&mut Server)) {
    let tx = control.db.begin().await.expect("a transaction");
    let mut server = servers::lock(&tx, id).await.expect("the server is there");
    change(&mut server);
    servers::save(&tx, &mut server).await.expect("saved");
    tx.commit().await.expect("committed");
}

/// Forgets all events that have a number, as if they were old.
pub async fn forget_events(control: &Control) {
    let later = Utc::now() + chrono::TimeDelta::days(1);
    while compute_db::purge::events(&control.db, later)
        .await
        .expect("forgotten")
        > 0
    {}
}

/// Keeps a password as if the guest had posted it.
pub async fn guest_password(control: &Control, id: &str, password: &str) {
    let now = sql::micros(Utc::now());
    passwords::insert(control.db.write(), id, password, now)
        .await
        .expect("the first");
}

/// What the journal has to do about a server, by kind.
pub async fn journal(control: &Control, id: &str) -> Vec<(String, serde_json::Value)> {
    let rows = workflow::find(control.db.read(), id)
        .await
        .expect("readable");
    rows.into_iter().map(|row| (row.kind, row.state)).collect()
}

/// An action on a server in the journal, as if a user had asked for it: its id.
pub async fn operation(control: &Control, server_id: &str) -> String {
    let state = serde_json::json!({
        "server_id": server_id, "asked": {"request_id": "req-1"}, "plan": {"admin_password": "canary"},
    });
    let kind = (
        compute_rpc::workflows::ACT,
        compute_rpc::workflows::ACT_VERSION,
    );
    let id = workflow::insert(control.db.write(), kind, server_id, &state).await;
    id.expect("a row").to_string()
}

/// An operation gets stuck.
pub async fn get_stuck(control: &Control, id: &str) {
    use sql::sea_orm::ConnectionTrait;
    let text =
        format!("UPDATE workflow SET status = 'stuck', error = '\"no way\"' WHERE id = '{id}'");
    let done = control.db.write().execute_unprepared(&text).await;
    done.expect("the journal is there");
}
