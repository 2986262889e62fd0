//! Two starts at once, and starts that were cut off: by an error after every step, and by a
//! signal that no process survives.
#![allow(
    clippy::disallowed_methods,
    reason = "programs of the test, not of the service"
)]

use std::process::{Command, Stdio};

use super::*;
use crate::schema::{Column, Kind, Literal, Step, Table, col, index};

const TABLES: [&str; 12] = [
    "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11",
];

const COLUMNS: &[Column] = &[col("a", Kind::Varchar(64))];

const ADDITIONS: &[Step] = &[
    Step::AddColumn("t0", col("b", Kind::BigInt).default(Literal::Number(7))),
    Step::AddIndexes("t0", &[index("t0_b", &["b"])]),
    Step::Widen("t0", col("a", Kind::Varchar(100))),
    Step::Create(&[Table::new(
        "late",
        &["a"],
        &[col("a", Kind::Int), col("b", Kind::Int).null()],
    )
    .indexes(&[index("late_b", &["b"])])]),
    Step::AddColumn("late", col("c", Kind::Int).null()),
    Step::AddIndexes("late", &[index("late_c", &["c"])]),
    Step::DropIndexes("t0", &[index("t0_b", &["b"])]),
];

/// The first migration makes tables with a row in each, the second adds to one of them.
fn two() -> [Vec<Step>; 2] {
    let tables = TABLES.iter().flat_map(|name| {
        let table = vec![Table::new(name, &["a"], COLUMNS)];
        let insert = format!("INSERT INTO {name} (a) VALUES ('first')");
        [Step::Create(table.leak()), Step::Run(insert.leak())]
    });
    [tables.collect(), ADDITIONS.to_vec()]
}

fn history([tables, additions]: [Vec<Step>; 2]) -> History {
    let migrations = vec![
        Migration {
            name: "0001_tables",
            steps: tables.leak(),
        },
        Migration {
            name: "0002_additions",
            steps: additions.leak(),
        },
    ];
    History {
        table: "two_migrations",
        migrations: migrations.leak(),
    }
}

/// The same, but one of them fails instead of its step `at`, or at its end; those after it do nothing.
fn cut_off(migration: usize, at: usize) -> History {
    let mut steps = two();
    steps[migration + 1..].iter_mut().for_each(Vec::clear);
    steps[migration].truncate(at);
    steps[migration].push(Step::Run("CUT OFF BY A TEST"));
    history(steps)
}

/// What both migrations made is there, once.
async fn complete(db: &Database) {
    for name in TABLES {
        let question = format!("SELECT a FROM {name}");
        let question = Statement::from_string(db.read().get_database_backend(), question);
        let rows = db.read().query_all_raw(question).await.expect("a table");
        assert_eq!(rows.len(), 1, "{:?}: rows of {name}", db.engine());
    }
    for statement in ["SELECT b FROM t0", "SELECT a FROM late"] {
        db.read()
            .execute_unprepared(statement)
            .await
            .expect(statement);
    }
    let history = history(two());
    let left = pending(db.read(), db.engine(), &history).await;
    assert!(left.expect("a list").is_empty(), "{:?}", db.engine());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_at_once_take_turns() {
    for url in crate::testing::urls().await {
        let start = async || -> Result<Database, SqlError> {
            let db = Database::open(&url).await?;
            db.apply(&history(two())).await?;
            Ok(db)
        };
        let started = futures::future::join_all((0..6).map(|_| start())).await;
        for db in started {
            complete(&db.unwrap_or_else(|error| panic!("{url}: {error:?}"))).await;
        }
    }
}

#[tokio::test]
async fn a_start_that_was_cut_off_after_any_step_goes_on() {
    for (migration, steps) in two().iter().enumerate() {
        for at in 0..=steps.len() {
            for db in crate::testing::engines().await {
                let place = format!("{:?}: migration {migration} at {at}", db.engine());
                let cut_off = db.apply(&cut_off(migration, at)).await;
                assert!(cut_off.is_err(), "{place}");
                let again = db.apply(&history(two())).await;
                again.unwrap_or_else(|error| panic!("{place}: {error:?}"));
                complete(&db).await;
                db.close().await.expect("closed");
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_the_library_used_before_brought_up_to_date_goes_on() {
    for db in crate::testing::engines().await {
        let (text, number) = match db.engine() {
            Engine::Sqlite => ("varchar", "integer"),
            Engine::Postgres => ("varchar", "bigint"),
            Engine::MariaDb => ("varchar(255)", "bigint"),
        };
        for statement in [
            &format!(
                "CREATE TABLE IF NOT EXISTS two_migrations \
                 ( version {text} NOT NULL PRIMARY KEY, applied_at {number} NOT NULL )"
            ),
            "INSERT INTO two_migrations VALUES ('0001_tables', 1764000000)",
            "CREATE TABLE t0 ( a varchar(64) NOT NULL PRIMARY KEY )",
        ] {
            let done = db.write().execute_unprepared(statement).await;
            done.expect(statement);
        }
        db.apply(&history(two())).await.expect("migrated");
        for (statement, there) in [("SELECT b FROM t0", true), ("SELECT a FROM t1", false)] {
            let found = db.read().execute_unprepared(statement).await;
            assert_eq!(found.is_ok(), there, "{:?}: {statement}", db.engine());
        }
    }
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused() {
    for db in crate::testing::engines().await {
        db.apply(&history(two())).await.expect("migrated");
        let earlier = History {
            migrations: &history(two()).migrations[..1],
            ..history(two())
        };
        let refused = db.apply(&earlier).await.expect_err("unknown tables");
        assert!(
            matches!(&refused, SqlError::Newer { migration } if migration == "0002_additions"),
            "{:?}: {refused:?}",
            db.engine()
        );
    }
}

#[tokio::test]
async fn a_table_of_another_service_is_refused_and_kept() {
    for db in crate::testing::engines().await {
        for statement in [
            "CREATE TABLE t5 (whose varchar(64))",
            "INSERT INTO t5 VALUES ('theirs')",
        ] {
            let done = db.write().execute_unprepared(statement).await;
            done.expect(statement);
        }
        for _ in 0..2 {
            db.apply(&history(two())).await.expect_err("taken");
        }
        let kept: Option<String> = ask(db.read(), "SELECT whose FROM t5", "whose")
            .await
            .expect("their table");
        assert_eq!(kept.as_deref(), Some("theirs"), "{:?}", db.engine());
    }
}

/// The variable that tells a child which database to bring up to date.
const CHILD: &str = "KILONOVA_TEST_MIGRATE";

#[tokio::test]
#[ignore = "only as a child of the next test"]
async fn child() {
    #[allow(clippy::disallowed_methods, reason = "how its parent speaks to it")]
    let url = std::env::var(CHILD).expect("a database");
    let db = Database::open(&url).await.expect("opened");
    db.apply(&history(two())).await.expect("migrated");
}

#[tokio::test]
async fn a_start_that_was_killed_goes_on() {
    for url in crate::testing::urls().await {
        // Each life is a little longer than the last, until one comes to its end.
        for millis in (0..).step_by(9) {
            #[allow(clippy::disallowed_methods, reason = "this test's own program")]
            let program = std::env::current_exe().expect("this program");
            let mut child = Command::new(program)
                .args(["--exact", "schema::apply::tests::child", "--ignored"])
                .env(CHILD, &url)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a child");
            std::thread::sleep(Duration::from_millis(millis));
            let ended = child.try_wait().expect("a state");
            if let Some(status) = ended {
                assert!(status.success(), "{url}: after {millis} ms");
                break;
            }
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        let db = Database::open(&url).await.expect("opened");
        db.apply(&history(two())).await.expect("migrated");
        complete(&db).await;
    }
}
