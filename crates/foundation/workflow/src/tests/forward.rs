//! The point of no return, and steps that do not listen.

use super::*;
use crate::course::CANCEL_GRACE;

struct Ferry;

#[derive(Default)]
struct River {
    /// What the boats did, in order.
    log: Mutex<Vec<&'static str>>,
    open: tokio::sync::watch::Sender<bool>,
}

impl River {
    fn note(&self, what: &'static str) {
        self.log.lock().expect("lock").push(what);
    }
    fn noted(&self, what: &str) -> usize {
        let log = self.log.lock().expect("lock");
        log.iter().filter(|noted| **noted == what).count()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Trip {
    Calm,
    /// Waits on this side until the river is open.
    WaitsHere,
    /// Waits on the other side until the river is open, listening to nobody.
    WaitsThere,
    /// Fails on the other side for so many attempts; panics at the first.
    Rough(u32),
    /// Wants to go back from the other side.
    Homesick,
    /// Waits until it is asked to turn round, and takes long for that.
    SlowBack,
    /// Finds out in the middle of `load` that there is no way back.
    Stowaway,
}

impl Workflow for Ferry {
    const KIND: &'static str = "ferry";
    type State = Trip;
    type Env = River;

    fn steps() -> Vec<Step<River, Trip>> {
        vec![
            Step::new("load", MINUTE, load).undo(unload),
            Step::new("cross", MINUTE, cross).no_return().undo(never),
            Step::new("land", MINUTE, land).attempts(2).undo(never),
        ]
    }
}

async fn gate(river: &River) -> Result<(), StepError> {
    let mut open = river.open.subscribe();
    let opened = open.wait_for(|open| *open).await;
    opened.map(drop).map_err(|_| StepError::fail("dry"))
}

async fn load(river: &River, cx: &StepContext, trip: &mut Trip) -> Result<Next, StepError> {
    if *trip == Trip::WaitsHere {
        gate(river).await?;
    }
    if *trip == Trip::SlowBack {
        river.note("waits");
        cx.cancelled().await;
        return Err(StepError::fail("turned"));
    }
    if *trip == Trip::Stowaway {
        river.note("found");
        gate(river).await?;
        cx.no_return(trip).await?;
        // A step that has said so may say it again, and goes on whatever is asked from now on.
        cx.no_return(trip).await?;
        river.note("hidden");
        let past = river
            .open
            .subscribe()
            .wait_for(|open| !*open)
            .await
            .map(drop);
        past.map_err(|_| StepError::fail("dry"))?;
        assert!(!cx.is_cancelled());
    }
    river.note("loaded");
    Ok(Next::Go)
}

async fn unload(river: &River, cx: &StepContext, trip: &mut Trip) -> Result<(), StepError> {
    if *trip == Trip::SlowBack {
        river.note("unloading");
        tokio::time::sleep(CANCEL_GRACE + Duration::from_millis(500)).await;
        assert!(!cx.is_cancelled(), "an undo cannot be cancelled");
    }
    river.note("unloaded");
    Ok(())
}

async fn cross(river: &River, _: &StepContext, _: &mut Trip) -> Result<Next, StepError> {
    river.note("crossed");
    Ok(Next::Go)
}

async fn never(river: &River, _: &StepContext, _: &mut Trip) -> Result<(), StepError> {
    river.note("undone past the point of no return");
    Ok(())
}

async fn land(river: &River, cx: &StepContext, trip: &mut Trip) -> Result<Next, StepError> {
    match *trip {
        Trip::WaitsThere => gate(river).await?,
        Trip::Rough(_) if cx.attempt() == 0 => panic!("a wave"),
        Trip::Rough(times) if cx.attempt() < times => return Err(StepError::fail("no pier")),
        Trip::Homesick => {
            return Ok(Next::Back {
                to: "load",
                why: json!("home"),
            });
        }
        _ => {}
    }
    river.note("landed");
    Ok(Next::Go)
}

fn sail(db: &Database, river: &Arc<River>) -> Runner {
    let options = Options {
        sweep: Duration::from_millis(20),
        ..Options::default()
    };
    Runner::build(db.clone(), "ferry", river.clone())
        .on::<Ferry>()
        .options(options)
        .start()
}

async fn embark(db: &Database, runner: &Runner, trip: Trip) -> WorkflowId {
    let id = crate::insert(db.write(), Kind::of::<Ferry>(), "cow", &trip).await;
    let id = id.expect("insert");
    runner.nudge(id);
    id
}

async fn cancel(db: &Database, runner: &Runner) {
    for id in crate::request_cancel(db.write(), "cow")
        .await
        .expect("asked")
    {
        runner.nudge(id);
    }
}

#[tokio::test]
async fn an_undo_that_takes_long_is_not_dropped_for_the_request_that_caused_it() {
    let db = fresh(sql::testing::sqlite().await).await;
    let river = Arc::new(River::default());
    let runner = sail(&db, &river);
    let id = embark(&db, &runner, Trip::SlowBack).await;
    until(|| async { river.noted("waits") == 1 }).await;
    cancel(&db, &runner).await;
    until(|| async { river.noted("unloading") == 1 }).await;
    runner.nudge(id);
    until(|| async { river.noted("unloaded") == 1 }).await;
    assert_eq!(river.noted("unloading"), 1, "begun once");
    runner.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_request_to_cancel_before_the_point_of_no_return_undoes_and_after_it_waits() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let river = Arc::new(River::default());
        let runner = sail(&db, &river);
        let here = embark(&db, &runner, Trip::WaitsHere).await;
        until(|| async {
            crate::get(db.read(), here)
                .await
                .expect("read")
                .is_some_and(|record| record.epoch == 1)
        })
        .await;
        crate::request_cancel(db.write(), "cow")
            .await
            .expect("asked");
        river.open.send_replace(true);
        let record = wait(&db, here).await;
        assert_eq!((record.status, river.noted("crossed")), (Status::Undone, 0));
        assert_eq!(record.forward_from, None);

        river.open.send_replace(false);
        let there = embark(&db, &runner, Trip::WaitsThere).await;
        until(|| async { position(&db, there).await == "land" }).await;
        cancel(&db, &runner).await;
        // Longer than a step that can be cancelled is let go on.
        tokio::time::sleep(CANCEL_GRACE + Duration::from_millis(500)).await;
        let record = crate::get(db.read(), there)
            .await
            .expect("read")
            .expect("exists");
        assert_eq!(
            (record.status, record.position.as_str()),
            (Status::Running, "land")
        );
        assert_eq!(record.forward_from.as_deref(), Some("cross"));
        river.open.send_replace(true);
        assert_eq!(wait(&db, there).await.status, Status::Done);
        assert_eq!(river.noted("undone past the point of no return"), 0);
        assert_eq!(river.noted("landed"), 1);
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn past_the_point_of_no_return_a_step_is_tried_until_it_succeeds() {
    let db = fresh(sql::testing::sqlite().await).await;
    let river = Arc::new(River::default());
    let runner = sail(&db, &river);
    // More attempts than its table gives.
    let id = embark(&db, &runner, Trip::Rough(5)).await;
    let end = async || {
        runner.nudge(id);
        let record = crate::get(db.read(), id).await.expect("read");
        record.expect("exists").status != Status::Running
    };
    until(end).await;
    let record = wait(&db, id).await;
    assert_eq!(record.status, Status::Done, "{:?}", record.error);
    assert_eq!(river.noted("undone past the point of no return"), 0);
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn going_back_past_the_point_of_no_return_is_for_an_operator() {
    let db = fresh(sql::testing::sqlite().await).await;
    let river = Arc::new(River::default());
    let runner = sail(&db, &river);
    let id = embark(&db, &runner, Trip::Homesick).await;
    assert_eq!(wait(&db, id).await.status, Status::Stuck);
    assert!(
        !crate::undo(db.write(), id).await.expect("asked"),
        "there is no way back"
    );
    assert_eq!(river.noted("unloaded"), 0);
    let gone = crate::abandon(db.write(), id, &json!("the cow drowned")).await;
    assert_eq!(
        gone.expect("abandoned").expect("was stuck").position,
        "land"
    );
    assert_eq!(wait(&db, id).await.status, Status::Abandoned);
    let again = crate::abandon(db.write(), id, &json!("twice")).await;
    assert_eq!(again.expect("asked"), None);
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_step_may_find_out_in_its_middle_that_there_is_no_way_back() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let river = Arc::new(River::default());
        let runner = sail(&db, &river);
        // Somebody asked before: it hears of that where it would go on.
        let early = embark(&db, &runner, Trip::Stowaway).await;
        until(|| async { river.noted("found") == 1 }).await;
        crate::request_cancel(db.write(), "cow")
            .await
            .expect("asked");
        river.open.send_replace(true);
        assert_eq!(wait(&db, early).await.status, Status::Undone);
        assert_eq!(river.noted("hidden"), 0);
        // Somebody asks later: it waits.
        let late = embark(&db, &runner, Trip::Stowaway).await;
        until(|| async { river.noted("hidden") == 1 }).await;
        cancel(&db, &runner).await;
        tokio::time::sleep(CANCEL_GRACE + Duration::from_millis(500)).await;
        river.open.send_replace(false);
        let record = wait(&db, late).await;
        assert_eq!(record.status, Status::Done, "{:?}", record.error);
        assert_eq!(record.forward_from.as_deref(), Some("load"));
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_step_that_does_not_look_is_dropped_a_moment_after_its_workflow_was_cancelled() {
    let db = fresh(sql::testing::sqlite().await).await;
    let river = Arc::new(River::default());
    let runner = sail(&db, &river);
    let id = embark(&db, &runner, Trip::WaitsHere).await;
    until(|| async {
        crate::get(db.read(), id)
            .await
            .expect("read")
            .is_some_and(|record| record.epoch == 1)
    })
    .await;
    cancel(&db, &runner).await;
    let begun = Instant::now();
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.error),
        (Status::Undone, Some(json!({ "cancelled": true })))
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(river.noted("unloaded"), 1);
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_trip_reaches_the_other_side_or_stays_here_whatever_dies() {
    for (db, other) in sql::testing::pairs().await {
        let db = &fresh(db).await;
        let plan = Plan {
            name: Ferry::KIND,
            points: 4,
            rounds: 8,
        };
        torture::<Ferry>(
            plan,
            async || World {
                db: db.clone(),
                other: other.clone(),
                env: Arc::new(River::default()),
                subject: uuid::Uuid::new_v4().to_string(),
                state: Trip::Calm,
                meets: None,
            },
            async |trial, river, record| {
                let never = river.noted("undone past the point of no return");
                assert_eq!(never, 0, "{trial:?}");
                match record.status {
                    Status::Done => assert!(river.noted("landed") > 0, "{trial:?}"),
                    _ => assert_eq!(river.noted("crossed"), 0, "{trial:?}"),
                }
            },
        )
        .await;
    }
}
