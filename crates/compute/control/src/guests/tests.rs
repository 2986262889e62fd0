//! On every engine that this environment offers.

use chrono::TimeDelta;
use compute_db::{HISTORY, hosts};
use compute_model::host::NodeFacts;

use super::*;

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const HERE: &str = "11111111-1111-4111-8111-111111111111";
const THERE: &str = "22222222-2222-4222-8222-222222222222";

const RULES: Rules<'_> = Rules {
    default_zone: "nova",
    down_time: TimeDelta::seconds(60),
};

fn named(host: Option<&str>) -> Named<'_> {
    Named {
        server_id: SERVER,
        host,
    }
}

/// Hosts `here` and `there`, and a guest of [`SERVER`] in quarantine here.
async fn site(db: &Database, memory_mb: u64) {
    db.apply(&HISTORY).await.expect("migrate");
    let facts = NodeFacts {
        vcpus: 4,
        memory_mb,
        disk_gb: 100,
        cpu_ratio: 1.0,
        ram_ratio: 1.0,
        disk_ratio: 1.0,
        ..NodeFacts::default()
    };
    let tx = db.begin().await.expect("begin");
    let now = compute_db::now(&tx).await.expect("a moment");
    for (host, node) in [("here", HERE), ("there", THERE)] {
        hosts::note_service(&tx, host, hosts::COMPUTE)
            .await
            .expect("seen");
        hosts::report(&tx, host, host, node, &facts, now)
            .await
            .expect("reported");
    }
    let guest = Quarantined {
        server_id: SERVER.to_owned(),
        host: "here".to_owned(),
        node_id: HERE.to_owned(),
        epoch: 7,
        power_state: PowerState::Running,
        why: "a reason".to_owned(),
        first_seen: now,
        last_seen: now,
    };
    quarantine::note(&tx, &guest).await.expect("noted");
    tx.commit().await.expect("commit");
}

/// The server's row, as `change` makes it.
async fn row(db: &Database, change: impl FnOnce(&mut Server)) {
    let mut server = compute_model::testing::server(SERVER);
    server.flavor = compute_model::testing::flavor("tiny");
    server.epoch = 3;
    (server.host, server.node, server.node_id) = (None, None, None);
    change(&mut server);
    let tx = db.begin().await.expect("begin");
    servers::insert(&tx, &server).await.expect("inserted");
    tx.commit().await.expect("commit");
}

fn on_there(server: &mut Server) {
    server.host = Some("there".to_owned());
    server.node_id = Some(THERE.to_owned());
}

#[tokio::test]
async fn an_adopted_guest_is_the_servers_own() {
    for db in sql::testing::engines().await {
        site(&db, 8192).await;
        row(&db, |server| {
            on_there(server);
            server.power_state = PowerState::NoState;
            server.vm_state = VmState::Error;
        })
        .await;
        let server = adopt(&db, named(None), RULES).await.expect("adopted");
        assert_eq!(server.host.as_deref(), Some("here"));
        assert_eq!(server.node_id.as_deref(), Some(HERE));
        assert_eq!(server.availability_zone.as_deref(), Some("nova"));
        assert_eq!((server.vm_state, server.epoch), (VmState::Active, 8));
        let kept = servers::find(db.read(), SERVER).await.expect("a row");
        assert_eq!(kept.host, server.host);
        let held = claims::of_consumer(db.read(), SERVER)
            .await
            .expect("claims");
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0].0, HERE);
        assert_eq!(quarantine::count(db.read()).await.expect("none"), 0);
        // The host that the row named is to lose nothing.
        let words = letting_go::of_node(db.read(), THERE).await.expect("none");
        assert!(words.is_empty());
        let again = adopt(&db, named(None), RULES).await;
        assert!(matches!(again, Err(Refused::NoSuchGuest(_))), "{again:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_adopted_says_why_and_stays_as_it_is() {
    for db in sql::testing::engines().await {
        site(&db, 8192).await;
        let missing = adopt(&db, named(None), RULES).await;
        assert!(matches!(missing, Err(Refused::NoServer(_))), "{missing:?}");
        row(&db, |server| {
            on_there(server);
            server.power_state = PowerState::Running;
        })
        .await;
        let both = adopt(&db, named(None), RULES).await;
        assert!(
            matches!(both, Err(Refused::AlsoElsewhere { .. })),
            "{both:?}"
        );
        let tx = db.begin().await.expect("begin");
        let mut busy = servers::lock(&tx, SERVER).await.expect("a row");
        busy.task_state = Some(compute_model::TaskState::PoweringOff);
        servers::save(&tx, &mut busy).await.expect("saved");
        tx.commit().await.expect("commit");
        for refused in [
            adopt(&db, named(None), RULES).await.map(|_| ()),
            remove(&db, named(None)).await.map(|_| ()),
        ] {
            assert!(matches!(refused, Err(Refused::Busy { .. })), "{refused:?}");
        }
        let elsewhere = remove(&db, named(Some("there"))).await;
        assert!(
            matches!(elsewhere, Err(Refused::NoSuchGuest(_))),
            "{elsewhere:?}"
        );
        assert_eq!(quarantine::count(db.read()).await.expect("one"), 1);
        assert_eq!(
            claims::consumers(db.read()).await.expect("none"),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn a_host_without_room_adopts_nothing() {
    for db in sql::testing::engines().await {
        site(&db, 1).await;
        row(&db, |_| {}).await;
        let refused = adopt(&db, named(None), RULES).await.expect_err("no room");
        assert!(refused.to_string().contains("MEMORY_MB"), "{refused}");
        let kept = servers::find(db.read(), SERVER).await.expect("a row");
        assert_eq!(kept.host, None);
    }
}

#[tokio::test]
async fn removing_is_a_word_to_the_host_about_this_life_of_the_guest() {
    for db in sql::testing::engines().await {
        site(&db, 8192).await;
        let tx = db.begin().await.expect("begin");
        let guest = quarantine::list(&tx).await.expect("one").remove(0);
        let twin = Quarantined {
            host: "there".to_owned(),
            node_id: THERE.to_owned(),
            ..guest
        };
        quarantine::note(&tx, &twin).await.expect("noted");
        tx.commit().await.expect("commit");
        let which = remove(&db, named(None)).await.expect_err("two");
        assert!(which.to_string().contains("here, there"), "{which}");
        remove(&db, named(Some("here"))).await.expect("one of them");
        let words = letting_go::of_node(db.read(), HERE).await.expect("one");
        assert_eq!(words, [(SERVER.to_owned(), 7)].into());
        let words = letting_go::of_node(db.read(), THERE).await.expect("none");
        assert!(words.is_empty());
    }
}
