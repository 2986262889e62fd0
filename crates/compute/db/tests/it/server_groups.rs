//! Server groups: members come and go, and places are given one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use compute_db::{Database, DbError, hosts, server_groups, servers};
use compute_model::server_group::{GroupPlacement, GroupPolicy, ServerGroup};
use compute_model::testing;
use compute_model::{Server, TaskState, VmState};

fn group(id: &str) -> ServerGroup {
    ServerGroup {
        id: id.into(),
        project_id: "p".into(),
        user_id: "u".into(),
        name: "apart".into(),
        policy: GroupPolicy::AntiAffinity,
        max_server_per_host: Some(2),
        members: Vec::new(),
        created_at: sql::micros(Utc::now()),
    }
}

async fn add(db: &Database, group: &ServerGroup) {
    let tx = db.begin().await.expect("begin");
    server_groups::insert(&tx, group).await.expect("insert");
    tx.commit().await.expect("commit");
}

async fn add_member(db: &Database, group: &str, server: Server) {
    let tx = db.begin().await.expect("begin");
    server_groups::lock(&tx, group).await.expect("lock");
    servers::insert(&tx, &server).await.expect("insert");
    server_groups::join(&tx, group, &server.id)
        .await
        .expect("join");
    tx.commit().await.expect("commit");
}

fn on(id: &str, host: Option<&str>) -> Server {
    Server {
        host: host.map(str::to_owned),
        ..testing::server(id)
    }
}

#[tokio::test]
async fn a_group_knows_its_members_in_order_and_where_they_are() {
    for db in super::databases().await {
        let made = group("g");
        add(&db, &made).await;
        for (id, host) in [("s2", Some("a")), ("s1", Some("a")), ("s3", None)] {
            add_member(&db, "g", on(id, host)).await;
        }
        let found = server_groups::find(db.read(), "g").await.expect("found");
        let members: Vec<String> = ["s2", "s1", "s3"].map(str::to_owned).to_vec();
        assert_eq!(found, ServerGroup { members, ..made });
        let hosts = async |except: &str| {
            server_groups::hosts(db.read(), "g", except)
                .await
                .expect("hosts")
        };
        assert_eq!(hosts("s3").await, BTreeMap::from([("a".to_owned(), 2)]));
        assert_eq!(hosts("s1").await, BTreeMap::from([("a".to_owned(), 1)]));
        let counted = server_groups::members_of_user(db.read(), "g", "u").await;
        assert_eq!(counted.expect("counted"), 3, "{:?}", db.engine());
        let of = server_groups::of_server(db.read(), "s1").await;
        assert_eq!(of.expect("read").as_deref(), Some("g"));

        let tx = db.begin().await.expect("begin");
        let twice = server_groups::join(&tx, "other", "s1").await;
        assert!(matches!(twice, Err(DbError::Duplicate(_))), "{twice:?}");
        tx.rollback().await.expect("rollback");
        let tx = db.begin().await.expect("begin");
        server_groups::leave(&tx, "s1").await.expect("leave");
        server_groups::leave(&tx, "s1").await.expect("again");
        server_groups::delete(&tx, "g").await.expect("delete");
        tx.commit().await.expect("commit");
        let of = server_groups::of_server(db.read(), "s2").await;
        assert_eq!(of.expect("read"), None);
        let gone = server_groups::find(db.read(), "g").await;
        assert!(matches!(gone, Err(DbError::NotFound(_))));
    }
}

#[tokio::test]
async fn groups_are_listed_by_project_from_an_offset() {
    for db in super::databases().await {
        for n in 0..4 {
            let mut one = group(&format!("g{n}"));
            one.project_id = ["p", "q"][n % 2].into();
            add(&db, &one).await;
        }
        add_member(&db, "g2", on("s", None)).await;
        let ids = async |project: Option<&str>, offset, limit| {
            let found = server_groups::list(db.read(), project, offset, limit).await;
            let found = found.expect("list").into_iter();
            found
                .map(|group| (group.id, group.members.len()))
                .collect::<Vec<_>>()
        };
        let row = |id: &str, members| (id.to_owned(), members);
        assert_eq!(ids(Some("p"), 0, 10).await, [row("g0", 0), row("g2", 1)]);
        assert_eq!(ids(None, 1, 2).await, [row("g1", 0), row("g2", 1)]);
        let count = server_groups::count(db.read(), "p", Some("u")).await;
        assert_eq!(count.expect("count"), 2);
        let count = server_groups::count(db.read(), "p", Some("x")).await;
        assert_eq!(count.expect("count"), 0);
    }
}

/// Gives a member a place on `host` as the conductor does: under the lock of the group.
async fn place(db: &Database, id: &str, host: &str) -> Result<bool, DbError> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        let mut server = servers::lock(&tx, id).await?;
        let group = server_groups::lock(&tx, "g").await?;
        let hosts = server_groups::hosts(&tx, "g", id).await?;
        if GroupPlacement::new(&group, hosts).admits(host).is_err() {
            return Ok(false);
        }
        // Long enough for the others to be in the same place.
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.host = Some(host.to_owned());
        servers::save(&tx, &mut server).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

#[tokio::test]
async fn of_many_members_placed_at_once_on_a_host_no_more_than_allowed_get_there() {
    for db in super::databases().await {
        add(&db, &group("g")).await;
        for n in 0..8 {
            add_member(&db, "g", on(&format!("s{n}"), None)).await;
        }
        let mut tasks = Vec::new();
        for n in 0..8 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                place(&db, &format!("s{n}"), "a").await.expect("decided")
            }));
        }
        let mut placed = 0;
        for task in tasks {
            placed += usize::from(task.await.expect("task"));
        }
        assert_eq!(placed, 2, "{:?}", db.engine());
    }
}

#[tokio::test]
async fn work_under_way_is_counted_by_host() {
    for db in super::databases().await {
        let server = |id: &str, vm_state, task_state| Server {
            vm_state,
            task_state,
            ..on(id, Some("a"))
        };
        let tx = db.begin().await.expect("begin");
        for server in [
            server("s1", VmState::Building, Some(TaskState::Spawning)),
            server("s2", VmState::Active, Some(TaskState::Rebuilding)),
            server("s3", VmState::Active, Some(TaskState::PoweringOff)),
            server("s4", VmState::Active, None),
        ] {
            servers::insert(&tx, &server).await.expect("insert");
        }
        let mut named = testing::server("s5");
        named.host = Some("b".into());
        named.image = Some(compute_model::image::ServerImage {
            id: "i".into(),
            name: "i".into(),
            disk_format: "raw".into(),
            container_format: "bare".into(),
            min_ram: 0,
            min_disk: 0,
            size: 1,
            virtual_size: None,
            properties: BTreeMap::from([("os_distro".into(), "debian".into())]),
        });
        servers::insert(&tx, &named).await.expect("insert");
        tx.commit().await.expect("commit");
        let busy = servers::io_operations(db.read()).await.expect("counted");
        assert_eq!(busy.get("a"), Some(&2), "{:?}", db.engine());
        assert_eq!(busy.get("b"), None);
        let found = servers::hosts_of(db.read(), &["s4", "nobody"]).await;
        let expected = BTreeMap::from([("s4".to_owned(), "a".to_owned())]);
        assert_eq!(found.expect("found"), expected);
        for hosts in [None, Some(&["b"][..])] {
            let images = servers::image_properties(db.read(), hosts).await;
            let images = images.expect("counted");
            let debian = ("os_distro".to_owned(), "debian".to_owned());
            assert_eq!(images["b"].get(&debian), Some(&1));
        }
    }
}

#[tokio::test]
async fn failed_builds_of_a_node_count_up_until_one_goes_well() {
    for db in super::databases().await {
        let now = sql::micros(Utc::now());
        let facts = compute_model::host::NodeFacts::default();
        let tx = db.begin().await.expect("begin");
        hosts::note_service(&tx, "h", hosts::COMPUTE)
            .await
            .expect("seen");
        hosts::report(&tx, "h", "n", "node", &facts, now)
            .await
            .expect("report");
        for _ in 0..2 {
            hosts::build_failed(&tx, "node").await.expect("counted");
        }
        tx.commit().await.expect("commit");
        let failed = async |since| {
            let nodes = hosts::nodes(db.read(), since).await.expect("nodes");
            nodes.first().map(|node| (node.failed_builds, node.change))
        };
        let (count, change) = failed(None).await.expect("a node");
        assert_eq!(count, 2, "{:?}", db.engine());
        let some = hosts::has_failed_builds(db.read(), "node").await;
        assert!(some.expect("read"));
        let tx = db.begin().await.expect("begin");
        hosts::build_succeeded(&tx, "node")
            .await
            .expect("forgotten");
        tx.commit().await.expect("commit");
        // Schedulers hear of it.
        assert_eq!(failed(Some(change)).await.map(|(count, _)| count), Some(0));
    }
}
