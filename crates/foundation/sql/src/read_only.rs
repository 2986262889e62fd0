//! A handle for those who may look but not write.

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::Database;

/// A database to read from. It begins no transaction, and every statement but a `SELECT` is refused.
#[derive(Debug, Clone)]
pub struct ReadOnly(Database);

impl Database {
    /// The same database for somebody who may only read.
    #[must_use]
    pub fn read_only(&self) -> ReadOnly {
        ReadOnly(self.clone())
    }
}

impl ReadOnly {
    /// The connection to read by, as [`Database::read`].
    #[must_use]
    pub fn read(&self) -> &Self {
        self
    }
}

/// A query that inserts or updates and gives back what it wrote is no reading.
fn reading(sql: &str) -> Result<(), DbErr> {
    let word = sql.trim_start().get(..6).unwrap_or_default();
    match word.eq_ignore_ascii_case("select") {
        true => Ok(()),
        false => Err(refused()),
    }
}

fn refused() -> DbErr {
    DbErr::Custom("this handle only reads".to_owned())
}

#[async_trait]
impl ConnectionTrait for ReadOnly {
    fn get_database_backend(&self) -> DbBackend {
        self.0.read().get_database_backend()
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(refused())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(refused())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        reading(&statement.sql)?;
        self.0.read().query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        reading(&statement.sql)?;
        self.0.read().query_all_raw(statement).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_only_handle_reads_and_refuses_every_way_to_write() {
        for db in crate::testing::engines().await {
            let made = db.write().execute_unprepared("CREATE TABLE t (a INT)");
            made.await.expect("a table");
            let only = db.read_only();
            let engine = only.get_database_backend();
            let say = |text: &str| Statement::from_string(engine, text);
            let read = only.read().query_all_raw(say("SELECT a FROM t")).await;
            assert!(read.expect("reads").is_empty());
            let insert = "INSERT INTO t (a) VALUES (1) RETURNING a";
            assert!(only.query_one_raw(say(insert)).await.is_err());
            assert!(only.query_all_raw(say(insert)).await.is_err());
            assert!(only.execute_raw(say(insert)).await.is_err());
            assert!(only.execute_unprepared(insert).await.is_err());
            let read = only.query_all_raw(say("SELECT a FROM t")).await;
            assert!(read.expect("reads").is_empty(), "{engine:?}");
        }
    }
}
