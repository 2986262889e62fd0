//! Whether a database can be written, found out by writing.

use sea_orm::ConnectionTrait;

use crate::{Database, SqlError};

/// A table of our own with one row: how often it was tried.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS write_probe (id INTEGER PRIMARY KEY, times BIGINT NOT NULL)";
const COUNT: &str = "UPDATE write_probe SET times = times + 1 WHERE id = 1";
const FIRST: &str = "INSERT INTO write_probe (id, times) VALUES (1, 1)";

impl Database {
    /// Writes a row and commits it: what a full disk, a read-only file or a lost server refuses.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub async fn probe_write(&self) -> Result<(), SqlError> {
        let writer = self.write();
        let counted = match writer.execute_unprepared(COUNT).await {
            Ok(counted) => counted.rows_affected(),
            // The table is made by who asks first; any other trouble comes again below.
            Err(_) => {
                writer.execute_unprepared(TABLE).await?;
                0
            }
        };
        if counted == 0
            && let Err(error) = writer.execute_unprepared(FIRST).await
        {
            // Another process may have been first.
            match writer.execute_unprepared(COUNT).await?.rows_affected() {
                0 => return Err(error.into()),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::Statement;

    use super::*;

    #[tokio::test]
    async fn each_probe_is_a_committed_write() {
        for db in crate::testing::engines().await {
            for expected in 1..=3_i64 {
                db.probe_write().await.expect("written");
                let question = "SELECT times FROM write_probe";
                let question = Statement::from_string(db.read().get_database_backend(), question);
                let row = db
                    .read()
                    .query_one_raw(question)
                    .await
                    .expect("read")
                    .expect("a row");
                assert_eq!(row.try_get::<i64>("", "times").expect("a number"), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_became_unwritable_is_seen() {
        let db = crate::testing::sqlite().await;
        db.probe_write().await.expect("written");
        db.write()
            .execute_unprepared("PRAGMA query_only = ON")
            .await
            .expect("set");
        let error = db.probe_write().await.expect_err("nothing can be written");
        let why = format!("{error:?}");
        assert!(why.contains("readonly"), "{why}");
    }
}
