//! Two starts at once, and starts that were cut off: by an error after every statement, and by a
//! signal that no process survives.
#![allow(
    clippy::disallowed_methods,
    reason = "programs of the test, not of the service"
)]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::*;

use super::*;

/// Statements of the two migrations until one is refused.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Tests of this file share [`LEFT`].
static TURN_OF_TESTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Tables of the first migration.
const TABLES: usize = 12;

struct Two;

impl MigratorTrait for Two {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables), Box::new(Additions)]
    }
}

struct Tables;
struct Additions;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "0001_tables"
    }
}

impl MigrationName for Additions {
    fn name(&self) -> &str {
        "0002_additions"
    }
}

fn one_more() -> Result<(), DbErr> {
    match LEFT.fetch_sub(1, Ordering::SeqCst) {
        0 => Err(DbErr::Custom("cut off by a test".to_owned())),
        _ => Ok(()),
    }
}

#[async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for number in 0..TABLES {
            one_more()?;
            let table = Table::create()
                .table(format!("t{number}"))
                .col(ColumnDef::new("a").string_len(64).primary_key().to_owned())
                .to_owned();
            manager.create_table(table).await?;
            one_more()?;
            let row = Query::insert()
                .into_table(format!("t{number}"))
                .columns(["a"])
                .values_panic(["first".into()])
                .to_owned();
            manager.execute(row).await?;
        }
        one_more()
    }
}

#[async_trait]
impl MigrationTrait for Additions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        one_more()?;
        let column = ColumnDef::new("b")
            .big_integer()
            .not_null()
            .default(7)
            .to_owned();
        manager
            .alter_table(Table::alter().table("t0").add_column(column).to_owned())
            .await?;
        one_more()?;
        let index = Index::create().name("t0_b").table("t0").col("b").to_owned();
        manager.create_index(index).await?;
        one_more()?;
        let table = Table::create()
            .table("late")
            .col(ColumnDef::new("a").integer().primary_key().to_owned())
            .to_owned();
        manager.create_table(table).await?;
        one_more()
    }
}

/// What both migrations made is there, once.
async fn complete(db: &Database) {
    for number in 0..TABLES {
        let question = format!("SELECT a FROM t{number}");
        let question = Statement::from_string(db.read().get_database_backend(), question);
        let rows = db.read().query_all_raw(question).await.expect("a table");
        assert_eq!(rows.len(), 1, "{:?}: rows of t{number}", db.engine());
    }
    for statement in ["SELECT b FROM t0", "SELECT a FROM late"] {
        db.read()
            .execute_unprepared(statement)
            .await
            .expect(statement);
    }
    let left = Two::get_pending_migrations(&db.writer.inner)
        .await
        .expect("a list");
    assert!(left.is_empty(), "{:?}", db.engine());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_at_once_take_turns() {
    let _turn = TURN_OF_TESTS.lock().await;
    for url in crate::testing::urls().await {
        let start = async || -> Result<Database, SqlError> {
            let db = Database::open(&url).await?;
            db.migrate::<Two>().await?;
            Ok(db)
        };
        let started = futures::future::join_all((0..6).map(|_| start())).await;
        for db in started {
            complete(&db.unwrap_or_else(|error| panic!("{url}: {error:?}"))).await;
        }
    }
}

#[tokio::test]
async fn a_start_that_was_cut_off_after_any_statement_goes_on() {
    let _turn = TURN_OF_TESTS.lock().await;
    for statements in 0..=(2 * TABLES + 4) {
        for db in crate::testing::engines().await {
            LEFT.store(statements, Ordering::SeqCst);
            let cut_off = db.migrate::<Two>().await;
            assert!(cut_off.is_err(), "{:?} {statements}", db.engine());
            LEFT.store(usize::MAX, Ordering::SeqCst);
            let again = db.migrate::<Two>().await;
            again.unwrap_or_else(|error| panic!("{:?} {statements}: {error:?}", db.engine()));
            complete(&db).await;
            db.close().await.expect("closed");
        }
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
    db.migrate::<Two>().await.expect("migrated");
}

#[tokio::test]
async fn a_start_that_was_killed_goes_on() {
    let _turn = TURN_OF_TESTS.lock().await;
    for url in crate::testing::urls().await {
        // Each life is a little longer than the last, until one comes to its end.
        for millis in (0..).step_by(9) {
            #[allow(clippy::disallowed_methods, reason = "this test's own program")]
            let program = std::env::current_exe().expect("this program");
            let mut child = Command::new(program)
                .args(["--exact", "migrate::tests::child", "--ignored"])
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
        db.migrate::<Two>().await.expect("migrated");
        complete(&db).await;
    }
}
