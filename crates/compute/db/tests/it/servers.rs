//! Servers: what is saved reads back; lists filter, sort and page.

use std::collections::BTreeMap;

use chrono::Utc;
use compute_db::{Database, DbError, servers};
use compute_model::image::ServerImage;
use compute_model::listing::{Direction, Paging, Searched, ServerFilter, SortKey};
use compute_model::server::{DiskConfig, Lock, LockOwner};
use compute_model::{Flavor, PowerState, Server, TaskState, VmState};

fn server(id: &str, name: &str) -> Server {
    let now = sql::micros(Utc::now());
    Server {
        name: name.into(),
        hostname: name.into(),
        vm_state: VmState::Building,
        task_state: Some(TaskState::Scheduling),
        power_state: PowerState::NoState,
        flavor: Flavor {
            vcpus: 2,
            ..compute_model::testing::flavor("1")
        },
        metadata: BTreeMap::from([("a".into(), "b".into())]),
        tags: vec!["x_1".into()],
        user_data: Some("aGk=".into()),
        security_groups: vec!["default".into()],
        created_at: now,
        updated_at: now,
        launched_at: None,
        ..compute_model::testing::server(id)
    }
}

async fn add(db: &Database, server: &Server) -> Server {
    let tx = db.begin().await.expect("begin");
    let added = servers::insert(&tx, server).await.expect("insert");
    tx.commit().await.expect("commit");
    added
}

#[tokio::test]
async fn what_is_saved_reads_back() {
    for db in super::databases().await {
        let added = add(&db, &server("s1", "one")).await;
        assert!(added.seq > 0);
        assert_eq!(servers::find(db.read(), "s1").await.expect("find"), added);
        let tx = db.begin().await.expect("begin");
        let mut changed = servers::lock(&tx, "s1").await.expect("lock");
        changed.vm_state = VmState::Active;
        changed.task_state = None;
        changed.tags.push("two".into());
        servers::save(&tx, &mut changed).await.expect("save");
        tx.commit().await.expect("commit");
        assert_eq!(servers::find(db.read(), "s1").await.expect("find"), changed);
    }
}

#[tokio::test]
async fn what_is_fixed_at_birth_is_not_written_again_and_an_end_is() {
    for db in super::databases().await {
        let born = add(&db, &server("s1", "one")).await;
        let tx = db.begin().await.expect("begin");
        let mut changed = servers::lock(&tx, "s1").await.expect("lock");
        changed.project_id = "another".into();
        changed.created_at += chrono::TimeDelta::days(1);
        changed.name = "two".into();
        changed.deleted_at = Some(born.created_at);
        servers::save(&tx, &mut changed).await.expect("save");
        tx.commit().await.expect("commit");
        let found = servers::find_any(db.read(), "s1").await.expect("find");
        assert_eq!(found.project_id, born.project_id);
        assert_eq!(found.created_at, born.created_at);
        assert_eq!(
            (found.name.as_str(), found.deleted_at),
            ("two", changed.deleted_at)
        );
    }
}

#[tokio::test]
async fn a_deleted_server_is_found_only_by_who_asks_for_it() {
    for db in super::databases().await {
        let mut gone = server("s1", "one");
        gone.deleted_at = Some(gone.created_at);
        add(&db, &gone).await;
        let found = servers::find(db.read(), "s1").await;
        assert!(matches!(found, Err(DbError::NotFound(_))));
        assert!(servers::find_any(db.read(), "s1").await.is_ok());
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip() {
    for db in super::databases().await {
        for n in 0..7 {
            // Equal names: the tie must be broken.
            add(&db, &server(&format!("s{n}"), ["a", "b"][n % 2])).await;
        }
        let mut paging = Paging {
            sort: vec![
                (SortKey::Name, Direction::Ascending),
                (SortKey::TaskState, Direction::Descending),
            ],
            limit: 3,
            marker: None,
        };
        let mut seen = Vec::new();
        loop {
            let page = servers::list(db.read(), &ServerFilter::default(), &paging)
                .await
                .expect("list");
            let Some(last) = page.last() else { break };
            paging.marker = Some(last.id.clone());
            seen.extend(page.into_iter().map(|server| server.id));
        }
        assert_eq!(
            seen,
            ["s6", "s4", "s2", "s0", "s5", "s3", "s1"],
            "{:?}",
            db.engine()
        );
        paging.marker = Some("nobody".into());
        let lost = servers::list(db.read(), &ServerFilter::default(), &paging).await;
        assert!(matches!(lost, Err(DbError::Marker(_))));
    }
}

#[tokio::test]
async fn filters_use_regular_expressions_and_whole_tags() {
    for db in super::databases().await {
        add(&db, &server("s1", "web-1")).await;
        let mut other = server("s2", "db-1");
        other.tags = vec!["x11".into()];
        add(&db, &other).await;
        let paging = Paging {
            sort: vec![],
            limit: 10,
            marker: None,
        };
        let ids = async |filter: ServerFilter| {
            let found = servers::list(db.read(), &filter, &paging)
                .await
                .expect("list");
            found
                .into_iter()
                .map(|server| server.id)
                .collect::<Vec<_>>()
        };
        let name = |pattern: &str| ServerFilter {
            matches: vec![(Searched::Name, pattern.into())],
            ..Default::default()
        };
        assert_eq!(ids(name("^WEB")).await, ["s1"], "{:?}", db.engine());
        assert_eq!(ids(name("-1$")).await, ["s2", "s1"]);
        // An underscore in a tag is no wildcard.
        let tagged = ServerFilter {
            tags: vec!["x_1".into()],
            ..Default::default()
        };
        assert_eq!(ids(tagged).await, ["s1"]);
        let without = ServerFilter {
            not_tags_any: vec!["x_1".into()],
            ..Default::default()
        };
        assert_eq!(ids(without).await, ["s2"]);
        let broken = servers::list(db.read(), &name("("), &paging).await;
        assert!(matches!(broken, Err(DbError::Pattern(_))));
    }
}

#[tokio::test]
async fn times_locks_and_documents_are_searched_as_text() {
    for db in super::databases().await {
        let moment = |text: &str| text.parse().expect("a time");
        // It boots from a volume, whose image has a ramdisk.
        let mut plain = server("s1", "plain");
        plain.volume_image = Some(ServerImage {
            properties: BTreeMap::from([("ramdisk_id".into(), "r-1".into())]),
            ..ServerImage::default()
        });
        add(&db, &plain).await;
        let mut other = server("s2", "other");
        other.created_at = moment("2020-02-03T04:05:06.789Z");
        other.launched_at = Some(moment("2020-02-03T04:05:07Z"));
        other.terminated_at = Some(moment("2021-02-03T04:05:07Z"));
        other.disk_config = DiskConfig::Auto;
        other.lock = Some(Lock {
            by: LockOwner::Owner,
            reason: None,
        });
        other.image = Some(ServerImage {
            properties: BTreeMap::from([("kernel_id".into(), "k-1".into())]),
            ..ServerImage::default()
        });
        add(&db, &other).await;
        let paging = Paging {
            sort: vec![],
            limit: 10,
            marker: None,
        };
        let both: &[&str] = &["s2", "s1"];
        let cases: [(Searched, &str, &[&str]); 13] = [
            (Searched::CreatedAt, "^2020-02-03 04:05:06$", &["s2"]),
            (Searched::CreatedAt, "", both),
            (Searched::LaunchedAt, "2020", &["s2"]),
            // What is absent matches nothing, not even the empty pattern.
            (Searched::LaunchedAt, "", &["s2"]),
            (Searched::TerminatedAt, "^2021", &["s2"]),
            (Searched::LockedBy, "owner|admin", &["s2"]),
            (Searched::LockedBy, "^admin$", &[]),
            (Searched::DiskConfig, "1", &["s2"]),
            (Searched::DiskConfig, "0", &["s1"]),
            (Searched::KernelId, "k", &["s2"]),
            // Without one it is empty.
            (Searched::KernelId, "^$", &["s1"]),
            (Searched::RamdiskId, ".*", both),
            (Searched::RamdiskId, ".", &["s1"]),
        ];
        for (what, pattern, wanted) in cases {
            let filter = ServerFilter {
                matches: vec![(what, pattern.into())],
                ..Default::default()
            };
            let found = servers::list(db.read(), &filter, &paging).await;
            let found = found.expect("listed");
            let ids: Vec<&str> = found.iter().map(|server| server.id.as_str()).collect();
            assert_eq!(ids, wanted, "{what:?} {pattern} {:?}", db.engine());
        }
    }
}

#[tokio::test]
async fn no_pattern_keeps_the_database_busy() {
    for db in super::databases().await {
        let name = format!("{}!", "a".repeat(250));
        for number in 0..5 {
            add(&db, &server(&format!("s{number}"), &name)).await;
        }
        let paging = |limit| Paging {
            sort: vec![],
            limit,
            marker: None,
        };
        let list = async |pattern: &str, limit| {
            let filter = ServerFilter {
                matches: vec![(Searched::Name, pattern.into())],
                ..Default::default()
            };
            servers::list(db.read(), &filter, &paging(limit)).await
        };
        for pattern in [
            "^(a+)+$",
            "^(a|aa)+$",
            "^(a*)*$",
            "a*a*a*a*a*a*a*a*a*b",
            "(.*)*x",
        ] {
            let started = std::time::Instant::now();
            assert!(list(pattern, 10).await.expect("listed").is_empty());
            let took = started.elapsed();
            let engine = db.engine();
            assert!(took.as_secs() < 5, "{pattern} took {took:?} on {engine:?}");
        }
        for pattern in ["(a{999}){999}", r"(a+)\1$", &"a".repeat(256)] {
            let refused = list(pattern, 10).await;
            assert!(matches!(refused, Err(DbError::Pattern(_))), "{pattern}");
        }
        let first: Vec<_> = list("(a+)+!$", 2).await.expect("listed");
        let ids: Vec<_> = first.iter().map(|server| server.id.as_str()).collect();
        assert_eq!(ids, ["s4", "s3"], "in the order of the list");
        let ip = ServerFilter {
            ip4: Some("(1+)+$".into()),
            ..Default::default()
        };
        let found = servers::list(db.read(), &ip, &paging(10)).await;
        assert!(found.expect("listed").is_empty());
    }
}

#[tokio::test]
async fn usage_counts_what_lives() {
    for db in super::databases().await {
        add(&db, &server("s1", "one")).await;
        let mut gone = server("s2", "two");
        gone.deleted_at = Some(gone.created_at);
        add(&db, &gone).await;
        let usage = servers::usage(db.read(), "p", None).await.expect("usage");
        assert_eq!((usage.instances, usage.cores, usage.ram), (1, 2, 64));
        let nobody = servers::usage(db.read(), "q", None).await.expect("usage");
        assert_eq!(nobody.instances, 0);
    }
}
