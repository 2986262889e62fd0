//! The clock that all processes of a cloud share: the database's.

use chrono::{DateTime, Utc};
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
}
