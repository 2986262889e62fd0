//! What steps write themselves: only while the workflow is their runner's.

use sql::SqlError;
use sql::schema::Kind::Varchar;
use sql::schema::{self, Migration, Table, col};
use sql::sea_orm::{ConnectionTrait, Statement};

use super::*;

/// A ledger: a line for each thing that steps wrote about a subject.
pub const LEDGER: Migration = Migration {
    name: "ledger",
    steps: &[schema::Step::Create(&[Table::new(
        "ledger",
        &["subject", "line"],
        &[col("subject", Varchar(64)), col("line", Varchar(64))],
    )])],
};

async fn lines(conn: &impl ConnectionTrait, subject: &str) -> Vec<String> {
    let question = format!("SELECT line FROM ledger WHERE subject = '{subject}' ORDER BY line");
    let question = Statement::from_string(conn.get_database_backend(), question);
    let rows = conn.query_all_raw(question).await.expect("lines");
    let line = |row: &sql::sea_orm::QueryResult| row.try_get("", "line").expect("a text");
    rows.iter().map(line).collect()
}

async fn write(tx: &crate::StepTx<'_>, subject: &str, line: &str) -> Result<(), SqlError> {
    if !lines(&**tx, subject).await.contains(&line.to_owned()) {
        let text = format!("INSERT INTO ledger (subject, line) VALUES ('{subject}', '{line}')");
        tx.execute_unprepared(&text).await?;
    }
    Ok(())
}

async fn strike(tx: &crate::StepTx<'_>, subject: &str, line: &str) -> Result<(), SqlError> {
    let text = format!("DELETE FROM ledger WHERE subject = '{subject}' AND line = '{line}'");
    tx.execute_unprepared(&text).await?;
    Ok(())
}

/// Writes three lines, each in a transaction of its step.
struct Post;

#[derive(Default)]
struct Office {
    /// A step holds its transaction open.
    begun: tokio::sync::Notify,
    /// It may go on.
    go_on: tokio::sync::Notify,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Letter {
    /// The first step waits in its transaction.
    slow: bool,
    sent: u32,
}

impl Workflow for Post {
    const KIND: &'static str = "post";
    type State = Letter;
    type Env = Office;

    fn steps() -> Vec<Step<Office, Letter>> {
        vec![
            Step::new("debit", MINUTE, debit).undo(no_debit),
            Step::new("credit", MINUTE, credit).undo(no_credit),
            Step::new("close", MINUTE, close).undo(reopen),
        ]
    }
}

async fn debit(office: &Office, cx: &StepContext, letter: &mut Letter) -> Result<Next, StepError> {
    // A walk to the counter, on which much may happen.
    tokio::task::yield_now().await;
    sql::retry(|| async {
        let tx = cx.begin().await?;
        write(&tx, cx.subject(), "debit").await?;
        if letter.slow {
            office.begun.notify_one();
            office.go_on.notified().await;
        }
        tx.commit().await
    })
    .await?;
    Ok(Next::Go)
}

async fn no_debit(_: &Office, cx: &StepContext, _: &mut Letter) -> Result<(), StepError> {
    let struck = sql::retry(|| async {
        let tx = cx.begin().await?;
        strike(&tx, cx.subject(), "debit").await?;
        tx.commit().await
    });
    Ok(struck.await?)
}

async fn credit(_: &Office, cx: &StepContext, letter: &mut Letter) -> Result<Next, StepError> {
    letter.sent += 1;
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        write(&tx, cx.subject(), "credit").await?;
        tx.finish(letter).await
    });
    Ok(done.await?)
}

async fn no_credit(_: &Office, cx: &StepContext, letter: &mut Letter) -> Result<(), StepError> {
    letter.sent = 0;
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        strike(&tx, cx.subject(), "credit").await?;
        tx.finish(letter).await
    });
    Ok(done.await.map(drop)?)
}

async fn close(_: &Office, cx: &StepContext, letter: &mut Letter) -> Result<Next, StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        write(&tx, cx.subject(), "close").await?;
        tx.finish(letter).await
    });
    Ok(done.await?)
}

async fn reopen(_: &Office, cx: &StepContext, _: &mut Letter) -> Result<(), StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        strike(&tx, cx.subject(), "close").await?;
        tx.commit().await
    });
    Ok(done.await?)
}

#[tokio::test]
async fn what_steps_write_is_there_once_or_not_at_all_whoever_dies_or_wakes_up_late() {
    for (db, other) in sql::testing::pairs().await {
        let db = &fresh(db).await;
        let sqlite = db.engine() == sql::Engine::Sqlite;
        let plan = Plan {
            name: Post::KIND,
            points: if sqlite { 40 } else { 6 },
            rounds: if sqlite { 20 } else { 10 },
        };
        torture::<Post>(
            plan,
            async || World {
                db: db.clone(),
                other: other.clone(),
                env: Arc::new(Office::default()),
                subject: uuid::Uuid::new_v4().to_string(),
                state: Letter::default(),
                meets: None,
            },
            async |trial, _, record| {
                let left = lines(db.read(), &record.subject).await;
                match record.status {
                    Status::Done => {
                        assert_eq!(left, ["close", "credit", "debit"], "{trial:?}");
                        assert!(record.state["sent"] != json!(0), "{trial:?}");
                    }
                    _ => assert!(left.is_empty(), "{trial:?} left {left:?}"),
                }
                let history = crate::history(db.read(), record.id).await.expect("history");
                for (number, step) in history.iter().enumerate() {
                    assert_eq!(step.seq as usize, number, "{trial:?}: one hand writes it");
                }
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_step_whose_lease_was_lost_commits_nothing_and_is_let_go() {
    for (db, other) in sql::testing::pairs().await {
        // SQLite's only writer is the step itself: nobody can take over in its middle.
        if db.engine() == sql::Engine::Sqlite {
            continue;
        }
        let db = fresh(db).await;
        let office = Arc::new(Office::default());
        let runner = Runner::build(db.clone(), "a", office.clone())
            .on::<Post>()
            .start();
        let letter = Letter {
            slow: true,
            sent: 0,
        };
        let id = crate::insert(db.write(), Kind::of::<Post>(), "late", &letter);
        let id = id.await.expect("insert");
        runner.nudge(id);
        office.begun.notified().await;
        let stolen =
            format!("UPDATE workflow SET owner = 'thief', epoch = epoch + 1 WHERE id = '{id}'");
        other
            .write()
            .execute_unprepared(&stolen)
            .await
            .expect("stolen");
        office.go_on.notify_one();
        until(|| async { runner.is_idle() }).await;
        let record = crate::get(db.read(), id)
            .await
            .expect("read")
            .expect("exists");
        assert_eq!((record.owner.as_str(), record.epoch), ("thief", 2));
        assert_eq!(
            (record.status, record.position.as_str()),
            (Status::Running, "")
        );
        assert!(
            lines(db.read(), "late").await.is_empty(),
            "{:?}",
            db.engine()
        );
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_step_that_finishes_in_its_own_transaction_costs_no_other_save() {
    let db = fresh(sql::testing::sqlite().await).await;
    let office = Arc::new(Office::default());
    let runner = Runner::build(db.clone(), "a", office.clone())
        .on::<Post>()
        .start();
    let letter = Letter::default();
    let id = crate::insert(db.write(), Kind::of::<Post>(), "quick", &letter);
    let id = id.await.expect("insert");
    runner.nudge(id);
    let record = wait(&db, id).await;
    assert_eq!(
        (record.status, record.state["sent"].clone()),
        (Status::Done, json!(1))
    );
    let history = crate::history(db.read(), id).await.expect("history");
    let steps: Vec<_> = history
        .iter()
        .map(|step| (step.name.as_str(), step.outcome))
        .collect();
    let done = |name| (name, Outcome::Done);
    assert_eq!(steps, [done("debit"), done("credit"), done("close")]);
    assert!(history.iter().all(|step| step.ended_at >= step.started_at));
}
