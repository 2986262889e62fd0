//! What a runner bears: steps that hold what it needs, services that stay away, a long journal.

use super::*;

/// A library: a workflow in it does what its state says.
struct Library {
    db: Database,
}

impl Library {
    fn new(db: &Database) -> Arc<Self> {
        Arc::new(Library { db: db.clone() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Reader {
    Quick,
    /// Holds the database's writer for this many milliseconds.
    Writes(u64),
}

struct Lend;

impl Workflow for Lend {
    const KIND: &'static str = "lend";
    type State = Reader;
    type Env = Library;

    fn steps() -> Vec<Step<Library, Reader>> {
        vec![Step::new("book", book)]
    }
}

async fn book(library: &Library, _: &StepContext, reader: &mut Reader) -> Result<Next, StepError> {
    if let Reader::Writes(milliseconds) = *reader {
        let tx = library.db.begin().await?;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        tx.commit().await.map_err(sql::SqlError::from)?;
    }
    Ok(Next::Go)
}

fn options() -> Options {
    Options {
        sweep: Duration::from_millis(20),
        lease: Duration::from_millis(600),
        ..Options::default()
    }
}

fn open(library: &Arc<Library>, options: Options) -> Runner<Library> {
    Runner::build(library.db.clone(), "library", library.clone())
        .on::<Lend>()
        .options(options)
        .start()
}

async fn lend(runner: &Runner<Library>, library: &Library, reader: Reader) -> WorkflowId {
    let id = crate::insert(library.db.write(), Lend::KIND, "book", &reader)
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
