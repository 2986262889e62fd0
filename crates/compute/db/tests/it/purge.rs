//! What is old enough is forgotten, in slices; what proves that a guest may go is not.

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::{Database, actions, hosts, letting_go, purge, quarantine, servers};
use compute_model::action::{ActionEvent, ActionRecord};
use compute_model::quarantine::Quarantined;
use compute_model::{PowerState, Server};
use sql::sea_orm::ConnectionTrait;

fn days_ago(days: i64) -> DateTime<Utc> {
    sql::micros(Utc::now() - TimeDelta::days(days))
}

/// A server with an action and an event.
async fn server(db: &Database, id: &str, host: Option<&str>, deleted_at: Option<DateTime<Utc>>) {
    let then = deleted_at.unwrap_or_else(|| days_ago(400));
    let row = Server {
        host: host.map(str::to_owned),
        deleted_at,
        ..compute_model::testing::server(id)
    };
    let record = ActionRecord {
        server_id: id.to_owned(),
        action: "create".to_owned(),
        request_id: format!("req-{id}"),
        user_id: None,
        project_id: None,
        start_time: then,
        updated_at: None,
        message: None,
    };
    let event = ActionEvent {
        event: "compute_build".to_owned(),
        start_time: then,
        finish_time: Some(then),
        result: Some("Success".to_owned()),
        traceback: None,
        host: None,
        details: None,
    };
    let tx = db.begin().await.expect("begin");
    servers::insert(&tx, &row).await.expect("a server");
    actions::start(&tx, &record).await.expect("an action");
    actions::end_event(&tx, id, &record.request_id, &event)
        .await
        .expect("an event");
    tx.commit().await.expect("commit");
}

async fn seen(db: &Database, host: &str, at: DateTime<Utc>) {
    let tx = db.begin().await.expect("begin");
    hosts::note_service(&tx, host, hosts::COMPUTE)
        .await
        .expect("seen");
    // Reports are stamped by the database: this one came at another time.
    let stamp = at.format("%Y-%m-%d %H:%M:%S%.6f");
    let zone = match db.engine() {
        sql::Engine::MariaDb => "",
        sql::Engine::Sqlite | sql::Engine::Postgres => "+00:00",
    };
    let then = format!("UPDATE services SET last_seen = '{stamp}{zone}' WHERE host = '{host}'");
    tx.execute_unprepared(&then).await.expect("stamped");
    tx.commit().await.expect("commit");
}

async fn has_actions(db: &Database, id: &str) -> bool {
    let found = actions::list(db.read(), id, &actions::Page::default()).await;
    !found.expect("a list").is_empty()
}

#[tokio::test]
async fn deleted_servers_go_when_they_are_old_and_no_host_can_still_have_them() {
    for db in super::databases().await {
        let id = |number: u32| format!("00000000-0000-0000-0000-{number:012}");
        seen(&db, "alive", sql::micros(Utc::now())).await;
        seen(&db, "silent", days_ago(50)).await;
        server(&db, &id(1), Some("alive"), Some(days_ago(40))).await;
        server(&db, &id(2), None, Some(days_ago(40))).await;
        server(&db, &id(3), Some("forgotten"), Some(days_ago(40))).await;
        // Its host has not been heard of since: the guest may be there.
        server(&db, &id(4), Some("silent"), Some(days_ago(40))).await;
        server(&db, &id(5), Some("alive"), Some(days_ago(20))).await;
        server(&db, &id(6), Some("alive"), None).await;
        // A host was told to let it go and has not said that it did; another one has a guest that is doubtful.
        server(&db, &id(7), Some("alive"), Some(days_ago(40))).await;
        server(&db, &id(8), Some("alive"), Some(days_ago(40))).await;
        let tx = db.begin().await.expect("begin");
        letting_go::note_for(&tx, &id(7), "other", "node-o", 2)
            .await
            .expect("noted");
        let doubtful = Quarantined {
            server_id: id(8),
            host: "other".to_owned(),
            node_id: "node-o".to_owned(),
            epoch: 9,
            power_state: PowerState::Running,
            why: "a test".to_owned(),
            first_seen: days_ago(40),
            last_seen: days_ago(1),
        };
        quarantine::note(&tx, &doubtful).await.expect("noted");
        tx.commit().await.expect("commit");
        let gone = purge::deleted_servers(&db, days_ago(30))
            .await
            .expect("purged");
        assert_eq!(gone, 3, "{:?}", db.engine());
        for (number, left) in [
            (1, false),
            (2, false),
            (3, false),
            (4, true),
            (5, true),
            (6, true),
            (7, true),
            (8, true),
        ] {
            let found = servers::find_any(db.read(), &id(number)).await.is_ok();
            let actions = has_actions(&db, &id(number)).await;
            assert_eq!((found, actions), (left, left), "{:?} {number}", db.engine());
        }
        assert_eq!(
            purge::deleted_servers(&db, days_ago(30))
                .await
                .expect("again"),
            0
        );
        // It returned, and was told.
        seen(&db, "silent", sql::micros(Utc::now())).await;
        assert_eq!(
            purge::deleted_servers(&db, days_ago(30))
                .await
                .expect("again"),
            1
        );
    }
}

#[tokio::test]
async fn actions_of_living_servers_go_by_their_age() {
    for db in super::databases().await {
        let id = "00000000-0000-0000-0000-000000000001";
        server(&db, id, None, None).await;
        assert_eq!(purge::actions(&db, days_ago(500)).await.expect("purged"), 0);
        assert!(has_actions(&db, id).await);
        assert_eq!(purge::actions(&db, days_ago(300)).await.expect("purged"), 1);
        assert!(!has_actions(&db, id).await);
        let events = actions::find(db.read(), id, &format!("req-{id}")).await;
        assert!(events.is_err(), "{:?}", db.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_at_a_time_has_the_turn() {
    for db in super::databases().await {
        for _ in 0..3 {
            let asked =
                (0..6).map(|_| purge::take_turn(&db, "purge", TimeDelta::milliseconds(300)));
            let taken = futures::future::join_all(asked).await;
            let won = taken
                .into_iter()
                .filter(|taken| *taken.as_ref().expect("asked"));
            assert_eq!(won.count(), 1, "{:?}", db.engine());
            tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        }
    }
}
