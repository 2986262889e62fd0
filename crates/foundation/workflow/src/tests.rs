//! A workflow about a small world of rooms and keys, on every engine.

mod fenced;
mod forward;
mod hands;
mod leases;
mod patience;
mod signals;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sql::Database;
use sql::schema::History;

use crate::testing::{Plan, Stop, World, torture, until, wait};
use crate::{
    Direction, Filter, Kind, Next, Options, Outcome, Runner, Status, Step, StepContext, StepError,
    Workflow, WorkflowId,
};

const MINUTE: Duration = Duration::from_secs(60);

const HISTORY: History = History {
    table: "hotel_migrations",
    migrations: &[crate::MIGRATION, crate::SIGNALS_MIGRATION, fenced::LEDGER],
};

/// A hotel: what exists in it is what a workflow left there.
struct Hotel {
    things: Mutex<BTreeSet<String>>,
    full: Mutex<BTreeSet<String>>,
    told: Mutex<Vec<Value>>,
    epochs: Mutex<Vec<u64>>,
    /// Guests wait in the lobby until this is set.
    open: tokio::sync::watch::Sender<bool>,
    /// How often `forget` fails.
    stubborn: Mutex<u32>,
    /// How long carrying the luggage may take.
    luggage: Duration,
}

impl Default for Hotel {
    fn default() -> Self {
        Hotel {
            things: Mutex::default(),
            full: Mutex::default(),
            told: Mutex::default(),
            epochs: Mutex::default(),
            open: tokio::sync::watch::Sender::default(),
            stubborn: Mutex::default(),
            luggage: MINUTE,
        }
    }
}

impl Hotel {
    fn put(&self, thing: &str) {
        self.things.lock().expect("lock").insert(thing.to_owned());
    }
    fn take(&self, thing: &str) {
        self.things.lock().expect("lock").remove(thing);
    }
    fn things(&self) -> Vec<String> {
        self.things.lock().expect("lock").iter().cloned().collect()
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Stay {
    rooms: Vec<String>,
    room: Option<String>,
    key: Option<String>,
    /// Wait for the hotel to open.
    patient: bool,
    /// Takes longer than the step allows.
    dawdles: bool,
}

struct CheckIn;

impl Workflow for CheckIn {
    const KIND: &'static str = "check-in";
    type State = Stay;
    type Env = Hotel;

    fn steps() -> Vec<Step<Hotel, Stay>> {
        vec![
            Step::new("choose", MINUTE, choose),
            Step::new("room", MINUTE, room).undo(free_room),
            Step::new("greet", MINUTE, greet),
            Step::new("key", MINUTE, key).undo(take_key),
            Step::new("lobby", MINUTE, lobby),
            Step::new("luggage", MINUTE, luggage).within(|hotel| hotel.luggage),
            Step::new("register", MINUTE, register)
                .undo(forget)
                .attempts(3)
                .undo_attempts(3),
        ]
    }

    async fn undone(
        env: &Hotel,
        _: &StepContext,
        _: &mut Stay,
        why: &Value,
    ) -> Result<(), StepError> {
        env.told.lock().expect("lock").push(why.clone());
        Ok(())
    }
}

async fn choose(_: &Hotel, _: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    stay.room = stay.rooms.first().cloned();
    match stay.room {
        Some(_) => Ok(Next::Go),
        None => Err(StepError::Fail(json!({ "rooms": "none left" }))),
    }
}

async fn room(hotel: &Hotel, cx: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    hotel.epochs.lock().expect("lock").push(cx.epoch());
    let room = stay.room.clone().expect("chosen");
    hotel.put(&format!("room {room}"));
    Ok(Next::Go)
}

async fn free_room(hotel: &Hotel, _: &StepContext, stay: &mut Stay) -> Result<(), StepError> {
    let Some(room) = stay.room.take() else {
        return Ok(());
    };
    hotel.take(&format!("room {room}"));
    stay.rooms.retain(|other| *other != room);
    Ok(())
}

async fn greet(_: &Hotel, _: &StepContext, _: &mut Stay) -> Result<Next, StepError> {
    tokio::task::yield_now().await;
    Ok(Next::Go)
}

async fn key(hotel: &Hotel, _: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    let room = stay.room.clone().expect("chosen");
    hotel.put(&format!("key {room}"));
    stay.key = Some(room.clone());
    if hotel.full.lock().expect("lock").contains(&room) {
        return Ok(Next::Back {
            to: "choose",
            why: json!({ "occupied": room }),
        });
    }
    Ok(Next::Go)
}

async fn take_key(hotel: &Hotel, _: &StepContext, stay: &mut Stay) -> Result<(), StepError> {
    if let Some(key) = stay.key.take().or(stay.room.clone()) {
        hotel.take(&format!("key {key}"));
    }
    Ok(())
}

async fn lobby(hotel: &Hotel, cx: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    let mut open = hotel.open.subscribe();
    if stay.patient {
        tokio::select! {
            opened = open.wait_for(|open| *open) => { opened.map_err(|_| StepError::fail("closed for good"))?; }
            () = cx.cancelled() => return Err(StepError::fail("left")),
        }
    }
    Ok(Next::Go)
}

async fn luggage(_: &Hotel, cx: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    assert!(cx.deadline() > tokio::time::Instant::now());
    if stay.dawdles {
        std::future::pending::<()>().await;
    }
    Ok(Next::Go)
}

async fn register(hotel: &Hotel, cx: &StepContext, stay: &mut Stay) -> Result<Next, StepError> {
    match stay.rooms.first().map(String::as_str) {
        Some("panics") => panic!("no such page"),
        Some("slow") if cx.attempt() < 2 => {
            return Err(StepError::retry(Duration::from_millis(1), "pen is dry"));
        }
        Some("dry") => return Err(StepError::retry(Duration::from_millis(1), "pen is dry")),
        _ => hotel.put(&format!("name of {}", cx.subject())),
    }
    Ok(Next::Go)
}

async fn forget(hotel: &Hotel, cx: &StepContext, _: &mut Stay) -> Result<(), StepError> {
    let mut left = hotel.stubborn.lock().expect("lock");
    if *left > 0 {
        *left -= 1;
        return Err(StepError::retry(
            Duration::from_millis(1),
            "ink does not come off",
        ));
    }
    hotel.take(&format!("name of {}", cx.subject()));
    Ok(())
}

/// What a runner of these tests can continue.
fn kinds() -> [crate::lease::Readable; 1] {
    [crate::lease::Readable {
        kind: CheckIn::KIND,
        oldest: 1,
        newest: 1,
    }]
}

async fn fresh(db: Database) -> Database {
    db.apply(&HISTORY).await.expect("migrate");
    db
}

fn stay(rooms: &[&str]) -> Stay {
    Stay {
        rooms: rooms.iter().map(ToString::to_string).collect(),
        ..Stay::default()
    }
}

fn start(db: &Database, name: &str, hotel: &Arc<Hotel>) -> Runner {
    let options = Options {
        sweep: Duration::from_millis(20),
        lease: Duration::from_millis(300),
        ..Options::default()
    };
    Runner::build(db.clone(), name, hotel.clone())
        .on::<CheckIn>()
        .options(options)
        .start()
}

async fn begin(db: &Database, runner: &Runner, stay: &Stay) -> WorkflowId {
    let id = crate::insert(db.write(), Kind::of::<CheckIn>(), "guest", stay)
        .await
        .expect("insert");
    runner.nudge(id);
    id
}

async fn position(db: &Database, id: WorkflowId) -> String {
    crate::get(db.read(), id)
        .await
        .expect("read")
        .expect("exists")
        .position
}

#[tokio::test]
async fn whatever_is_disturbed_a_workflow_leaves_all_or_nothing() {
    for (db, other) in sql::testing::pairs().await {
        // Engines on servers are too slow to make a database for each of a hundred runs: share one.
        let db = &fresh(db).await;
        let sqlite = db.engine() == sql::Engine::Sqlite;
        let plan = Plan {
            name: CheckIn::KIND,
            points: if sqlite { 16 } else { 2 },
            rounds: if sqlite { 20 } else { 6 },
        };
        torture::<CheckIn>(
            plan,
            async || World {
                db: db.clone(),
                other: other.clone(),
                env: Arc::new(Hotel::default()),
                subject: uuid::Uuid::new_v4().to_string(),
                state: stay(&["12"]),
                meets: None,
            },
            async |trial, hotel, record| {
                let left = hotel.things();
                match record.status {
                    Status::Done => {
                        let name = format!("name of {}", record.subject);
                        assert_eq!(left, ["key 12", &name, "room 12"], "{trial:?}");
                    }
                    _ => {
                        assert!(left.is_empty(), "{trial:?} left {left:?}");
                        let told = hotel.told.lock().expect("lock").clone();
                        let cancelled = trial
                            .stops
                            .iter()
                            .any(|(_, stop)| *stop == Stop::IsCancelled);
                        let last = told.last().expect("the reason was told");
                        assert!(
                            *last == json!("injected by a test")
                                || (cancelled && *last == json!({ "cancelled": true })),
                            "{trial:?}: {last}"
                        );
                    }
                }
            },
        )
        .await;
    }
}

#[tokio::test]
async fn an_alternative_is_tried_when_the_first_choice_fails() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        hotel.full.lock().expect("lock").insert("12".to_owned());
        let runner = start(&db, "a", &hotel);
        let id = begin(&db, &runner, &stay(&["12", "13"])).await;
        assert_eq!(wait(&db, id).await.status, Status::Done);
        assert_eq!(hotel.things(), ["key 13", "name of guest", "room 13"]);
        let history = crate::history(db.read(), id).await.expect("history");
        let steps: Vec<_> = history
            .iter()
            .map(|step| (step.name.as_str(), step.outcome))
            .collect();
        use Outcome::{Back, Done, Undone};
        assert_eq!(
            steps,
            [
                ("choose", Done),
                ("room", Done),
                ("greet", Done),
                ("key", Back),
                ("key", Undone),
                ("room", Undone),
                ("choose", Done),
                ("room", Done),
                ("greet", Done),
                ("key", Done),
                ("lobby", Done),
                ("luggage", Done),
                ("register", Done),
            ]
        );
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn without_alternatives_everything_is_undone_and_the_reason_told() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    hotel.full.lock().expect("lock").insert("12".to_owned());
    let runner = start(&db, "a", &hotel);
    let id = begin(&db, &runner, &stay(&["12"])).await;
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.direction),
        (Status::Undone, Direction::Undo)
    );
    assert_eq!(record.error, Some(json!({ "rooms": "none left" })));
    assert_eq!(
        *hotel.told.lock().expect("lock"),
        [json!({ "rooms": "none left" })]
    );
    assert!(hotel.things().is_empty());
}

#[tokio::test]
async fn a_step_that_asks_for_it_is_retried_until_it_has_had_its_attempts() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let runner = start(&db, "a", &hotel);
    let slow = begin(&db, &runner, &stay(&["slow"])).await;
    assert_eq!(wait(&db, slow).await.status, Status::Done);
    let dry = begin(&db, &runner, &stay(&["dry"])).await;
    let record = wait(&db, dry).await;
    assert_eq!(
        (record.status, record.error),
        (Status::Undone, Some(json!("pen is dry")))
    );
}

#[tokio::test]
async fn a_panic_is_a_failure_of_the_step_and_no_more() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let runner = start(&db, "a", &hotel);
    let id = begin(&db, &runner, &stay(&["panics"])).await;
    let record = wait(&db, id).await;
    assert_eq!(record.error, Some(json!({ "panic": "no such page" })));
    assert!(hotel.things().is_empty());
}

#[tokio::test]
async fn a_cancelled_workflow_turns_round_in_the_middle_of_a_step() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        // Its renewals, at which it would look too, are out of sight.
        let runner = Runner::build(db.clone(), "a", hotel.clone())
            .on::<CheckIn>()
            .options(Options {
                lease: Duration::from_secs(600),
                ..Options::default()
            })
            .start();
        let id = begin(
            &db,
            &runner,
            &Stay {
                patient: true,
                ..stay(&["12"])
            },
        )
        .await;
        until(|| async { position(&db, id).await == "lobby" }).await;
        let told = crate::request_cancel(db.write(), "guest")
            .await
            .expect("cancel");
        assert_eq!(told, [id]);
        runner.nudge(id);
        let record = wait(&db, id).await;
        assert_eq!(record.status, Status::Undone);
        assert_eq!(record.error, Some(json!({ "cancelled": true })));
        assert!(hotel.things().is_empty());
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_request_to_cancel_that_nobody_nudges_is_seen_at_the_next_save() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let runner = Runner::build(db.clone(), "a", hotel.clone())
        .on::<CheckIn>()
        .start();
    let id = begin(
        &db,
        &runner,
        &Stay {
            patient: true,
            ..stay(&["12"])
        },
    )
    .await;
    until(|| async { position(&db, id).await == "lobby" }).await;
    crate::request_cancel(db.write(), "guest")
        .await
        .expect("cancel");
    hotel.open.send_replace(true);
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.error),
        (Status::Undone, Some(json!({ "cancelled": true })))
    );
    assert!(hotel.things().is_empty());
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_dropped_and_undone() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel {
        luggage: Duration::from_millis(50),
        ..Hotel::default()
    });
    let runner = start(&db, "a", &hotel);
    let mut slow = stay(&["12"]);
    slow.dawdles = true;
    let id = begin(&db, &runner, &slow).await;
    let record = wait(&db, id).await;
    assert_eq!(record.error, Some(json!({ "timeout": 0.05 })));
    assert!(hotel.things().is_empty());
}

#[tokio::test]
async fn an_undo_that_keeps_failing_is_stuck_until_an_operator_resumes_it() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    *hotel.stubborn.lock().expect("lock") = 3;
    let runner = start(&db, "a", &hotel);
    let id = begin(&db, &runner, &stay(&["dry"])).await;
    let record = wait(&db, id).await;
    assert_eq!(record.status, Status::Stuck);
    assert_eq!(record.error.as_ref().expect("why")["why"], "pen is dry");
    assert!(!hotel.things().is_empty());
    assert!(crate::resume(db.write(), id).await.expect("resume"));
    runner.nudge(id);
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.error),
        (Status::Undone, Some(json!("pen is dry")))
    );
    assert!(hotel.things().is_empty());
}

#[tokio::test]
async fn a_state_that_this_program_cannot_read_is_stuck_not_lost() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let kind = Kind::of::<CheckIn>();
    let id = crate::insert(db.write(), kind, "guest", &json!({ "who": "knows" }))
        .await
        .expect("insert");
    let _runner = start(&db, "a", &hotel);
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.state),
        (Status::Stuck, json!({ "who": "knows" }))
    );
}

#[tokio::test]
async fn a_workflow_that_rolled_back_with_its_transaction_never_runs() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let tx = db.begin().await.expect("begin");
        crate::insert(&tx, Kind::of::<CheckIn>(), "guest", &stay(&["12"]))
            .await
            .expect("insert");
        tx.rollback().await.expect("rollback");
        assert_eq!(
            crate::list(db.read(), &Filter::default())
                .await
                .expect("list"),
            []
        );
    }
}

#[tokio::test]
async fn ended_workflows_are_forgotten_after_a_while() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let runner = start(&db, "a", &hotel);
    let id = begin(&db, &runner, &stay(&["12"])).await;
    wait(&db, id).await;
    let hour = chrono::Duration::hours(1);
    assert_eq!(
        crate::purge(&db, chrono::Utc::now() - hour)
            .await
            .expect("purge"),
        0
    );
    assert_eq!(
        crate::purge(&db, chrono::Utc::now() + hour)
            .await
            .expect("purge"),
        1
    );
    assert!(
        crate::history(db.read(), id)
            .await
            .expect("history")
            .is_empty()
    );
}

/// Prints what one workflow of six steps costs; run with `--nocapture`.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_of_six_steps_takes_little_time() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        let runner = start(&db, "a", &hotel);
        let rounds = 100;
        let begun = Instant::now();
        for _ in 0..rounds {
            let id = begin(&db, &runner, &stay(&["12"])).await;
            while crate::get(db.read(), id)
                .await
                .expect("read")
                .expect("exists")
                .status
                == Status::Running
            {
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
        let each = begun.elapsed() / rounds;
        println!("{:?}: {each:?} from insert to done", db.engine());
        assert!(each < Duration::from_millis(200), "{each:?}");
        runner.stop(Duration::from_secs(1)).await;
    }
}
