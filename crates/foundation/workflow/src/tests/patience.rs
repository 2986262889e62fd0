//! What a runner bears: steps that hold what it needs, services that stay away, a long journal.

use tokio::sync::Notify;

use super::*;

/// A library: a workflow in it does what its state says.
struct Library {
    db: Database,
    /// A deaf reader has begun to read.
    reads: Notify,
    /// A deaf reader looks up.
    looks_up: Notify,
}

impl Library {
    fn new(db: &Database) -> Arc<Self> {
        Arc::new(Library {
            db: db.clone(),
            reads: Notify::new(),
            looks_up: Notify::new(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Reader {
    Quick,
    /// Holds the database's writer for this many milliseconds.
    Writes(u64),
    /// Comes again in an hour.
    Waits,
    /// Does not hear what happens while it reads, and wants to be called in an hour.
    Deaf,
    /// Gets no book, and taking back and telling fail for this many attempts each.
    Refused(u32),
}

struct Lend;

impl Workflow for Lend {
    const KIND: &'static str = "lend";
    type State = Reader;
    type Env = Library;

    fn steps() -> Vec<Step<Library, Reader>> {
        vec![Step::new("book", MINUTE, book).undo(take_back)]
    }

    async fn undone(
        _: &Library,
        cx: &StepContext,
        reader: &mut Reader,
        _: &Value,
    ) -> Result<(), StepError> {
        fail_at_first(cx, *reader)
    }
}

async fn book(library: &Library, cx: &StepContext, reader: &mut Reader) -> Result<Next, StepError> {
    match *reader {
        Reader::Quick => {}
        Reader::Writes(milliseconds) => {
            let tx = library.db.begin().await?;
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            tx.commit().await.map_err(sql::SqlError::from)?;
        }
        Reader::Deaf if cx.attempt() == 0 => {
            library.reads.notify_one();
            library.looks_up.notified().await;
            return Err(StepError::retry(Duration::from_secs(3600), "call me"));
        }
        Reader::Deaf => {}
        Reader::Waits => return Err(StepError::retry(Duration::from_secs(3600), "lent")),
        Reader::Refused(_) => return Err(StepError::fail("no card")),
    }
    Ok(Next::Go)
}

async fn take_back(_: &Library, cx: &StepContext, reader: &mut Reader) -> Result<(), StepError> {
    fail_at_first(cx, *reader)
}

fn fail_at_first(cx: &StepContext, reader: Reader) -> Result<(), StepError> {
    match reader {
        Reader::Refused(times) if cx.attempt() < times => {
            Err(StepError::retry(Duration::from_millis(500), "closed"))
        }
        _ => Ok(()),
    }
}

fn options() -> Options {
    Options {
        sweep: Duration::from_millis(20),
        lease: Duration::from_millis(600),
        ..Options::default()
    }
}

fn open(library: &Arc<Library>, options: Options) -> Runner {
    Runner::build(library.db.clone(), "library", library.clone())
        .on::<Lend>()
        .options(options)
        .start()
}

async fn lend(runner: &Runner, library: &Library, reader: Reader) -> WorkflowId {
    let id = crate::insert(library.db.write(), Kind::of::<Lend>(), "book", &reader)
        .await
        .expect("insert");
    runner.nudge(id);
    id
}

#[tokio::test]
async fn a_step_that_holds_the_only_writer_does_not_wait_for_its_own_lease() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let library = Library::new(&db);
        let runner = open(&library, options());
        let begun = Instant::now();
        // Longer than a third of the lease: it is renewed, or tried to, in the middle.
        let id = lend(&runner, &library, Reader::Writes(350)).await;
        let record = wait(&db, id).await;
        assert_eq!((record.status, record.epoch), (Status::Done, 1));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_step_that_outlives_a_lease_that_cannot_be_renewed_is_dropped() {
    let db = fresh(sql::testing::sqlite().await).await;
    let library = Library::new(&db);
    let runner = open(&library, options());
    let id = lend(&runner, &library, Reader::Writes(60_000)).await;
    until(|| async { position(&db, id).await.is_empty() }).await;
    // The step is gone with its transaction: others can write, and the workflow is taken anew.
    let begun = Instant::now();
    let taken = async || crate::get(db.read(), id).await.expect("read");
    until(|| async { taken().await.is_some_and(|record| record.epoch > 1) }).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    runner.die().await;
}

#[tokio::test]
async fn an_undo_and_an_ending_are_tried_until_they_succeed() {
    let db = fresh(sql::testing::sqlite().await).await;
    let library = Library::new(&db);
    let runner = open(&library, options());
    let id = lend(&runner, &library, Reader::Refused(20)).await;
    // Nudges stand for the hours that the attempts would take.
    let end = async || {
        runner.nudge(id);
        let record = crate::get(db.read(), id).await.expect("read");
        record.expect("exists").status != Status::Running
    };
    until(end).await;
    let record = wait(&db, id).await;
    assert_eq!(record.status, Status::Undone, "{:?}", record.error);
    let history = crate::history(db.read(), id).await.expect("history");
    let failed = |name: &str| {
        let of = |step: &&crate::StepRecord| step.name == name;
        let steps = history.iter().filter(of);
        steps
            .filter(|step| step.outcome == Outcome::UndoFailed)
            .count()
    };
    // The 1st, 2nd, 4th, 8th and 16th.
    assert_eq!((failed("book"), failed("undone")), (5, 5));
}

#[tokio::test]
async fn a_workflow_that_waits_for_its_next_attempt_is_in_nobodys_way() {
    let db = fresh(sql::testing::sqlite().await).await;
    let library = Library::new(&db);
    let options = Options {
        concurrency: 1,
        ..options()
    };
    let runner = open(&library, options);
    let waits = lend(&runner, &library, Reader::Waits).await;
    let parked = async || {
        let record = crate::get(db.read(), waits).await.expect("read");
        record.is_some_and(|record| record.attempts == 1 && record.owner.is_empty())
    };
    until(parked).await;
    let quick = lend(&runner, &library, Reader::Quick).await;
    assert_eq!(wait(&db, quick).await.status, Status::Done);
    assert!(parked().await, "it still waits");
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_nudge_that_comes_while_a_step_gives_up_waiting_is_not_lost() {
    let db = fresh(sql::testing::sqlite().await).await;
    let library = Library::new(&db);
    let runner = open(&library, options());
    let deaf = lend(&runner, &library, Reader::Deaf).await;
    library.reads.notified().await;
    runner.nudge(deaf);
    // Time for the nudge to reach the step, which does not listen.
    tokio::time::sleep(Duration::from_millis(100)).await;
    library.looks_up.notify_one();
    assert_eq!(wait(&db, deaf).await.status, Status::Done);
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_runner_forgets_what_ended_long_ago_and_nothing_else() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let library = Library::new(&db);
        let options = Options {
            purge: Duration::from_millis(20),
            keep: Duration::from_millis(500),
            ..options()
        };
        let runner = open(&library, options);
        let waits = lend(&runner, &library, Reader::Waits).await;
        let quick = lend(&runner, &library, Reader::Quick).await;
        let refused = lend(&runner, &library, Reader::Refused(0)).await;
        let get = async |id| crate::get(db.read(), id).await.expect("read");
        until(|| async { get(quick).await.is_none() && get(refused).await.is_none() }).await;
        let history = crate::history(db.read(), quick).await.expect("history");
        assert!(history.is_empty());
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(get(waits).await.is_some(), "it has not ended");
        runner.stop(Duration::from_secs(1)).await;
    }
}
