//! The clock that all processes of a cloud share: the database's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::{SqlError, micros};

/// The present moment by the database's clock, in whole microseconds.
///
/// It goes on within a transaction: it is the moment of the question, not of the transaction's
/// beginning. A SQLite file has no clock: only processes of this machine use it, so this machine's
/// is the shared one.
///
/// # Errors
/// The database does not answer.
pub async fn now(conn: &impl ConnectionTrait) -> Result<DateTime<Utc>, SqlError> {
    let engine = conn.get_database_backend();
    let question = match engine {
        DbBackend::Postgres => "SELECT clock_timestamp() AS moment",
        DbBackend::MySql => "SELECT UTC_TIMESTAMP(6) AS moment",
        _ => return Ok(micros(Utc::now())),
    };
    let row = conn
        .query_one_raw(Statement::from_string(engine, question))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?;
    let moment: DateTime<Utc> = row.try_get("", "moment")?;
    Ok(micros(moment))
}

/// SQLite's own texts end in milliseconds; this is the form in which moments are stored.
const SQLITE: &str = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', ?)";

/// The present moment of the database, plus `after`, as an expression for a statement. On SQLite it is exact to
/// a millisecond, elsewhere to a microsecond.
#[must_use]
pub fn from_now(engine: DbBackend, after: Duration) -> SimpleExpr {
    // Exact up to 2^53 microseconds, 285 years.
    let micros = after.as_secs_f64() * 1e6;
    match engine {
        DbBackend::Postgres => Expr::cust_with_values(
            "clock_timestamp() + $1 * interval '1 microsecond'",
            [micros],
        ),
        DbBackend::MySql => {
            let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            Expr::cust_with_values("UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND", [micros])
        }
        _ => Expr::cust_with_values(SQLITE, [format!("+{:.3} seconds", after.as_secs_f64())]),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::Engine;

    #[tokio::test]
    async fn it_goes_on_within_a_transaction() {
        for db in crate::testing::engines().await {
            let tx = db.begin().await.expect("begin");
            let first = now(&tx).await.expect("a moment");
            let second = now(&tx).await.expect("a later moment");
            assert!(second >= first, "{:?}", db.engine());
            // The servers of tests run on this machine: both clocks are one, if zones are right.
            let apart = (Utc::now() - second).abs();
            assert!(apart < TimeDelta::seconds(30), "{:?}", db.engine());
            tx.rollback().await.expect("rollback");
        }
    }

    #[tokio::test]
    async fn it_is_the_servers_clock_and_not_this_process() {
        for db in crate::testing::engines().await {
            // The one engine whose clock a session can set.
            if db.engine() != Engine::MariaDb {
                continue;
            }
            let tx = db.begin().await.expect("begin");
            tx.execute_unprepared("SET SESSION timestamp = UNIX_TIMESTAMP() - 3600")
                .await
                .expect("an hour back");
            let apart = Utc::now() - now(&tx).await.expect("a moment");
            assert!(apart > TimeDelta::minutes(59), "{apart}");
            tx.execute_unprepared("SET SESSION timestamp = DEFAULT")
                .await
                .expect("as before");
            tx.rollback().await.expect("rollback");
        }
    }

    #[tokio::test]
    async fn a_moment_to_come_is_as_far_away_as_asked_for_and_compares_with_stored_ones() {
        use sea_orm::sea_query::{Alias, ExprTrait, Query};
        for db in crate::testing::engines().await {
            let engine = db.read().get_database_backend();
            let later = crate::micros(now(db.read()).await.expect("now") + Duration::from_secs(30));
            for (after, sooner) in [(0, true), (29, true), (31, false), (90_000, false)] {
                let expr = from_now(engine, Duration::from_secs(after));
                let mut question = Query::select();
                // A stored moment is bound as any other value.
                let held = Expr::value(later).gt(expr);
                question.expr_as(Expr::case(held, 1).finally(0), Alias::new("sooner"));
                let row = db.read().query_one(&question).await.expect("asked");
                let found: i32 = row.expect("a row").try_get("", "sooner").expect("a number");
                assert_eq!(found == 1, sooner, "{:?} {after}", db.engine());
            }
        }
    }
}
