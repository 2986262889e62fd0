//! The sequence of events: nothing is missing from it, and nothing comes into it behind a reader's back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::events::{self, Bounds, Found};
use compute_db::{Database, DbError, HISTORY, hosts, purge, servers};
use compute_model::event::{EventKind, ServerEvent};
use compute_model::host::NodeFacts;
use compute_model::{Server, TaskState, VmState};
use futures::future::join_all;
use sql::sea_orm::ConnectionTrait;

/// How many write at once, and how often each.
const CROWD: usize = 8;
const CHANGES: usize = 10;

async fn add(db: &Database, id: &str, project: &str) {
    let row = Server {
        project_id: project.to_owned(),
        ..compute_model::testing::server(id)
    };
    let tx = db.begin().await.expect("begin");
    servers::insert(&tx, &row).await.expect("inserted");
    tx.commit().await.expect("committed");
}

async fn change(db: &Database, id: &str, change: impl FnOnce(&mut Server)) {
    let tx = db.begin().await.expect("begin");
    let mut server = servers::lock(&tx, id).await.expect("the server");
    change(&mut server);
    servers::save(&tx, &mut server).await.expect("saved");
    tx.commit().await.expect("committed");
}

/// What follows a number, of all projects.
async fn read(db: &Database, after: i64) -> Vec<ServerEvent> {
    match events::after(db.read(), after, None, 1000).await {
        Ok(Found::Events { events, .. }) => events,
        other => panic!("{other:?}"),
    }
}

fn numbers(events: &[ServerEvent]) -> Vec<i64> {
    events.iter().map(|event| event.number).collect()
}

#[tokio::test]
async fn each_change_of_a_row_is_an_event_with_the_states_before_and_after() {
    for db in super::databases().await {
        add(&db, "s1", "p").await;
        change(&db, "s1", |server| {
            server.task_state = Some(TaskState::PoweringOff);
            server.host = Some("h1".to_owned());
        })
        .await;
        change(&db, "s1", |server| {
            server.task_state = None;
            server.vm_state = VmState::Stopped;
        })
        .await;
        change(&db, "s1", |server| {
            server.deleted_at = Some(sql::micros(Utc::now()));
        })
        .await;
        assert!(read(&db, 0).await.is_empty(), "none has a number yet");
        assert_eq!(events::publish(&db).await.expect("published"), 4);
        assert_eq!(events::publish(&db).await.expect("published"), 0);
        let all = read(&db, 0).await;
        assert_eq!(numbers(&all), [1, 2, 3, 4], "{:?}", db.engine());
        let shown: Vec<_> = all
            .iter()
            .map(|event| (event.kind, event.old_status(), event.status()))
            .collect();
        assert_eq!(
            shown,
            [
                (EventKind::Create, None, "ACTIVE"),
                (EventKind::Update, Some("ACTIVE"), "ACTIVE"),
                (EventKind::Update, Some("ACTIVE"), "SHUTOFF"),
                (EventKind::Delete, Some("SHUTOFF"), "DELETED"),
            ]
        );
        let before = all[2].before.expect("states before");
        assert_eq!(before.task_state, Some(TaskState::PoweringOff));
        assert_eq!(all[2].after.task_state, None);
        let hosts: Vec<_> = all.iter().map(|event| event.host.as_deref()).collect();
        assert_eq!(hosts, [None, Some("h1"), Some("h1"), Some("h1")]);
        let kept = servers::find_any(db.read(), "s1").await.expect("the row");
        assert_eq!(all[3].at, kept.updated_at);
        assert_eq!(
            (all[3].project_id.as_str(), all[3].user_id.as_str()),
            ("p", "u")
        );
    }
}

#[tokio::test]
async fn what_was_rolled_back_is_no_event() {
    for db in super::databases().await {
        add(&db, "s1", "p").await;
        let tx = db.begin().await.expect("begin");
        let mut server = servers::lock(&tx, "s1").await.expect("the server");
        server.vm_state = VmState::Error;
        servers::save(&tx, &mut server).await.expect("saved");
        tx.rollback().await.expect("rolled back");
        assert_eq!(events::publish(&db).await.expect("published"), 1);
        assert_eq!(read(&db, 0).await[0].kind, EventKind::Create);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_have_no_gaps_and_appear_in_order_whoever_gives_them() {
    for (db, other) in pairs().await {
        let names: Vec<String> = (0..CROWD).map(|number| format!("s{number}")).collect();
        let total = i64::try_from(CROWD * (CHANGES + 1)).expect("small");
        let write = names.iter().map(|id| {
            let db = db.clone();
            async move {
                add(&db, id, "p").await;
                for number in 0..CHANGES {
                    change(&db, id, |server| server.name = format!("n{number}")).await;
                }
            }
        });
        let number = async |db: &Database| {
            while events::last(db.read()).await.expect("the position") < total {
                events::publish(db).await.expect("published");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let watch = async {
            let mut seen: Vec<ServerEvent> = Vec::new();
            while seen.len() < usize::try_from(total).expect("small") {
                let after = seen.last().map_or(0, |event| event.number);
                seen.extend(read(&other, after).await);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        let all = async {
            tokio::join!(
                join_all(write),
                number(&db),
                number(&other),
                number(&db),
                watch
            )
        };
        let ended = tokio::time::timeout(Duration::from_secs(120), all).await;
        let (_, (), (), (), seen) = ended.expect("all come to an end");
        let wanted: Vec<i64> = (1..=total).collect();
        assert_eq!(numbers(&seen), wanted, "{:?}", db.engine());
        for id in &names {
            // Of one server in the order of its changes: each begins as the one before ended.
            let own: Vec<_> = seen.iter().filter(|event| event.server_id == *id).collect();
            assert_eq!(own.len(), CHANGES + 1);
            assert_eq!(own[0].kind, EventKind::Create);
            for two in own.windows(2) {
                assert_eq!(two[1].before, Some(two[0].after));
                assert!(two[0].at <= two[1].at, "{two:?}");
            }
        }
    }
}

async fn pairs() -> Vec<(Database, Database)> {
    let all = sql::testing::pairs().await;
    for (db, _) in &all {
        db.apply(&HISTORY).await.expect("migrate");
    }
    all
}

#[tokio::test]
async fn a_start_goes_on_where_the_life_before_ended() {
    for url in sql::testing::urls().await {
        let first = Database::open(&url).await.expect("opened");
        first.apply(&HISTORY).await.expect("migrate");
        add(&first, "s1", "p").await;
        events::publish(&first).await.expect("published");
        add(&first, "s2", "p").await;
        first.close().await.expect("closed");
        let second = Database::open(&url).await.expect("opened");
        second.apply(&HISTORY).await.expect("nothing to do");
        add(&second, "s3", "p").await;
        events::publish(&second).await.expect("published");
        let all = read(&second, 0).await;
        let ids: Vec<_> = all.iter().map(|event| event.server_id.as_str()).collect();
        assert_eq!(
            (numbers(&all), ids),
            (vec![1, 2, 3], vec!["s1", "s2", "s3"])
        );
    }
}

#[tokio::test]
async fn a_project_reads_its_own_events_in_slices_and_knows_where_to_read_on() {
    for db in super::databases().await {
        for (id, project) in [
            ("a1", "a"),
            ("b1", "b"),
            ("a2", "a"),
            ("a3", "a"),
            ("b2", "b"),
        ] {
            add(&db, id, project).await;
        }
        events::publish(&db).await.expect("published");
        let mut after = 0;
        let mut slices = Vec::new();
        loop {
            let found = events::after(db.read(), after, Some("a"), 2).await;
            let Ok(Found::Events { events, upto }) = found else {
                panic!("{found:?}");
            };
            after = upto;
            slices.push((numbers(&events), upto));
            if events.len() < 2 {
                break;
            }
        }
        // The rest has nothing of this project; it need not be looked at again.
        assert_eq!(slices, [(vec![1, 3], 3), (vec![4], 5)], "{:?}", db.engine());
        let nothing = events::after(db.read(), 0, Some("c"), 2).await;
        let upto = 5;
        let events = Vec::new();
        assert_eq!(nothing.expect("read"), Found::Events { events, upto });
    }
}

#[tokio::test]
async fn events_are_forgotten_from_the_beginning_and_readers_are_told() {
    for db in super::databases().await {
        for id in ["s1", "s2", "s3", "s4"] {
            add(&db, id, "p").await;
        }
        events::publish(&db).await.expect("published");
        // The clocks of processes differ: the third is older than the second.
        aged(&db, 1, 10).await;
        aged(&db, 2, 5).await;
        aged(&db, 3, 10).await;
        aged(&db, 4, 1).await;
        let ago = |days| sql::micros(Utc::now() - TimeDelta::days(days));
        assert_eq!(purge::events(&db, ago(20)).await.expect("purged"), 0);
        assert_eq!(purge::events(&db, ago(7)).await.expect("purged"), 1);
        assert_eq!(numbers(&read(&db, 1).await), [2, 3, 4], "{:?}", db.engine());
        let outside = |first| Found::Outside(Bounds { first, last: 4 });
        let behind = async |after| {
            events::after(db.read(), after, None, 9)
                .await
                .expect("read")
        };
        assert_eq!(behind(0).await, outside(2));
        assert_eq!(behind(-1).await, outside(2));
        assert_eq!(behind(5).await, outside(2), "never reached");
        assert_eq!(behind(i64::MAX).await, outside(2));
        assert_eq!(purge::events(&db, ago(3)).await.expect("purged"), 2);
        assert_eq!(purge::events(&db, ago(0)).await.expect("purged"), 1);
        let bounds = events::bounds(db.read()).await.expect("bounds");
        assert_eq!(bounds, Bounds { first: 5, last: 4 });
        assert_eq!(behind(3).await, outside(5));
        assert!(read(&db, 4).await.is_empty());
        add(&db, "s5", "p").await;
        events::publish(&db).await.expect("published");
        assert_eq!(numbers(&read(&db, 4).await), [5], "numbers go on");
    }
}

/// Events are stamped by the process that changes: this one came so many days ago.
async fn aged(db: &Database, number: i64, days: i64) {
    stamped(db, "server_events", &format!("number = {number}"), days).await;
}

async fn stamped(db: &Database, table: &str, which: &str, days: i64) {
    let at: DateTime<Utc> = Utc::now() - TimeDelta::days(days);
    let stamp = at.format("%Y-%m-%d %H:%M:%S%.6f");
    let zone = match db.engine() {
        sql::Engine::MariaDb => "",
        sql::Engine::Sqlite | sql::Engine::Postgres => "+00:00",
    };
    let column = match db.engine() {
        sql::Engine::MariaDb => "`at`",
        sql::Engine::Sqlite | sql::Engine::Postgres => "\"at\"",
    };
    let text = format!("UPDATE {table} SET {column} = '{stamp}{zone}' WHERE {which}");
    let done = db.write().execute_unprepared(&text).await;
    done.expect("stamped");
}

/// A host `old` with the node `node-1`.
async fn old_host(db: &Database) {
    let facts = NodeFacts {
        vcpus: 4,
        cpu_ratio: 1.0,
        ram_ratio: 1.0,
        disk_ratio: 1.0,
        ..Default::default()
    };
    let tx = db.begin().await.expect("begin");
    hosts::note_service(&tx, "old", hosts::COMPUTE)
        .await
        .expect("seen");
    hosts::report(&tx, "old", "n1", "node-1", &facts, sql::micros(Utc::now()))
        .await
        .expect("reported");
    tx.commit().await.expect("committed");
}

/// On that host.
fn placed(server: &mut Server) {
    server.host = Some("old".to_owned());
    server.node_id = Some("node-1".to_owned());
}

#[tokio::test]
async fn servers_of_a_host_that_is_renamed_say_so() {
    for db in super::databases().await {
        old_host(&db).await;
        for id in ["here", "gone", "elsewhere"] {
            add(&db, id, "p").await;
        }
        change(&db, "here", placed).await;
        change(&db, "gone", |server| {
            placed(server);
            server.deleted_at = Some(sql::micros(Utc::now()));
        })
        .await;
        events::publish(&db).await.expect("published");
        let before = events::last(db.read()).await.expect("the position");
        let tx = db.begin().await.expect("begin");
        hosts::rename(&tx, "node-1", "new").await.expect("renamed");
        tx.commit().await.expect("committed");
        events::publish(&db).await.expect("published");
        let told = read(&db, before).await;
        assert_eq!(told.len(), 1, "{:?}: {told:?}", db.engine());
        let one = &told[0];
        assert_eq!(
            (one.server_id.as_str(), one.host.as_deref()),
            ("here", Some("new"))
        );
        assert_eq!(one.before, Some(one.after));
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_left_out_and_holds_up_nobody() {
    for db in super::databases().await {
        for id in ["s1", "s2", "s3"] {
            add(&db, id, "p").await;
        }
        events::publish(&db).await.expect("published");
        let newer = "UPDATE server_events SET vm_state = 'teleported' WHERE number = 2";
        let done = db.write().execute_unprepared(newer).await;
        done.expect("of a newer release");
        assert_eq!(numbers(&read(&db, 0).await), [1, 3], "{:?}", db.engine());
        let alone = events::after(db.read(), 1, None, 1).await.expect("read");
        let (events, upto) = (Vec::new(), 2);
        assert_eq!(alone, Found::Events { events, upto });
    }
}

#[tokio::test]
async fn a_host_is_renamed_behind_the_changes_that_are_under_way() {
    for (db, other) in pairs().await {
        old_host(&db).await;
        add(&db, "here", "p").await;
        change(&db, "here", placed).await;
        let tx = db.begin().await.expect("begin");
        let mut server = servers::lock(&tx, "here").await.expect("the server");
        server.vm_state = VmState::Stopped;
        servers::save(&tx, &mut server).await.expect("saved");
        let rename = sql::retry(|| async {
            let tx = other.begin().await?;
            hosts::rename(&tx, "node-1", "new").await?;
            tx.commit().await?;
            Ok::<(), DbError>(())
        });
        // Time for the other to come as far as it can.
        let commit = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            tx.commit().await.expect("committed");
        };
        let (renamed, ()) = tokio::join!(rename, commit);
        renamed.expect("renamed");
        events::publish(&db).await.expect("published");
        let all = read(&db, 2).await;
        assert_eq!(numbers(&all), [3, 4], "{:?}", db.engine());
        assert_eq!(all[0].after.vm_state, VmState::Stopped);
        assert_eq!(all[1].host.as_deref(), Some("new"));
        assert_eq!(all[1].before, Some(all[0].after), "{:?}", db.engine());
        assert_eq!(all[1].after, all[0].after);
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_keeps_nothing_from_being_forgotten() {
    for db in super::databases().await {
        add(&db, "s1", "p").await;
        stamped(&db, "event_outbox", "server_id = 's1'", -1000).await;
        add(&db, "s2", "p").await;
        events::publish(&db).await.expect("published");
        let soon = sql::micros(Utc::now() + TimeDelta::hours(2));
        let all = read(&db, 0).await;
        assert!(all.iter().all(|event| event.at < soon), "{all:?}");
        assert_eq!(purge::events(&db, soon).await.expect("purged"), 2);
    }
}
