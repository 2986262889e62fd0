//! Rows in and out of the tables: the few shapes of statement that every noun uses.
//!
//! A changed row is written only if nobody changed it since it was read: the revision is part of the condition, and
//! a miss is [`Fault::Stale`], upon which the whole transaction is tried again.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sql::Connection;
use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, ExecResult,
    IntoActiveModel, ModelTrait, PrimaryKeyTrait, QueryFilter, QueryResult, QuerySelect, Statement,
};

use crate::fault::{Fault, Kind, Result, missing};
use crate::tables::*;

/// A transaction for writing.
pub type Tx = sql::sea_orm::DatabaseTransaction;

/// Where rows are read: outside a transaction or within one.
#[derive(Clone, Copy)]
pub enum Reader<'a> {
    Plain(&'a Connection),
    Within(&'a Tx),
    #[cfg(test)]
    Counted(&'a crate::db::selection::tests::Counting<'a>),
}

impl<'a> From<&'a Connection> for Reader<'a> {
    fn from(connection: &'a Connection) -> Self {
        Reader::Plain(connection)
    }
}

impl<'a> From<&'a Tx> for Reader<'a> {
    fn from(tx: &'a Tx) -> Self {
        Reader::Within(tx)
    }
}

/// What one of them is asked, all are.
macro_rules! whichever {
    ($reader:ident, $connection:ident => $ask:expr) => {
        match $reader {
            Reader::Plain($connection) => $ask,
            Reader::Within($connection) => $ask,
            #[cfg(test)]
            Reader::Counted($connection) => $ask,
        }
    };
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader<'_> {
    fn get_database_backend(&self) -> DbBackend {
        whichever!(self, db => db.get_database_backend())
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        whichever!(self, db => db.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        whichever!(self, db => db.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        whichever!(self, db => db.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        whichever!(self, db => db.query_all_raw(statement).await)
    }
}

/// Now, as tables keep it.
pub fn now() -> DateTime<Utc> {
    sql::micros(Utc::now())
}

/// A new random id.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A new random id whose first part no row of the table has: names of namespaces and devices on hosts are made from the
/// beginnings of ids, and two objects must not share one.
pub async fn distinct_id<M: Standard>(db: &impl ConnectionTrait) -> Result<String> {
    distinct::<M>(db, new_id).await
}

async fn distinct<M: Standard>(
    db: &impl ConnectionTrait,
    mut draw: impl FnMut() -> String + Send,
) -> Result<String> {
    loop {
        let id = draw();
        let head = id.split('-').next().unwrap_or_default();
        let (first, last) = (
            format!("{head}-0000-0000-0000-000000000000"),
            format!("{head}-ffff-ffff-ffff-ffffffffffff"),
        );
        let same = M::Entity::find()
            .filter(M::id_column().between(first, last))
            .one(db)
            .await?;
        if same.is_none() {
            return Ok(id);
        }
    }
}

/// Adds a row.
pub async fn insert<M>(db: &impl ConnectionTrait, row: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::Model: IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    M::Entity::insert(row.into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The row with this id, if there is one.
pub async fn find<E>(db: &impl ConnectionTrait, id: &str) -> Result<Option<E::Model>>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    Ok(E::find_by_id(id.to_owned()).one(db).await?)
}

/// The row with this id; a 404 of this kind when there is none.
pub async fn get<E>(db: &impl ConnectionTrait, kind: &'static Kind, id: &str) -> Result<E::Model>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    find::<E>(db, id).await?.ok_or_else(|| missing(kind, id))
}

/// The row with this id, locked until the transaction ends, if there is one. (On SQLite the transaction itself is the
/// lock.)
pub async fn hold<E>(tx: &Tx, id: &str) -> Result<Option<E::Model>>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    let row = E::find_by_id(id.to_owned()).lock_exclusive();
    Ok(row.one(tx).await?)
}

/// Removes the row with this id.
pub async fn delete<E>(db: &impl ConnectionTrait, id: &str) -> Result<()>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    E::delete_by_id(id.to_owned()).exec(db).await?;
    Ok(())
}

/// Reads a list or object that a column keeps as JSON text.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Fault::Broken(format!("{text:?}: {error}")))
}

/// Writes a changed row and gives it back with its new revision and time.
///
/// # Errors
/// [`Fault::Stale`] when somebody else changed the row since it was read.
pub async fn save<M>(db: &impl ConnectionTrait, mut row: M) -> Result<M>
where
    M: Standard + Clone + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    let read_at = row.revision();
    row.touch(now());
    let values = row.clone().into_active_model().reset_all();
    let done = M::Entity::update_many()
        .set(values)
        .filter(M::id_column().eq(row.id()))
        .filter(M::revision_column().eq(read_at))
        .exec(db)
        .await?;
    if done.rows_affected == 1 {
        Ok(row)
    } else {
        Err(Fault::Stale)
    }
}

/// Counts the change of a part (a subnet, an interface, a policy) as a change of the object that it belongs to.
///
/// # Errors
/// [`Fault::Stale`] when somebody else changed the object meanwhile.
pub async fn revise<M>(db: &impl ConnectionTrait, id: &str) -> Result<()>
where
    M: Standard + Clone + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    if let Some(row) = M::find_by(id).one(db).await? {
        save(db, row).await?;
    }
    Ok(())
}

/// Above so many parents their children are read without naming the parents: the statement would outgrow the
/// engines' limits on parameters, and nearly the whole table is wanted anyway.
pub const NAMED_PARENTS: usize = 2000;

/// The condition "`column` is one of `ids`", or no condition when there are very many.
pub fn among<C: ColumnTrait>(column: C, ids: &[String]) -> sql::sea_orm::Condition {
    let all = sql::sea_orm::Condition::all();
    if ids.len() > NAMED_PARENTS {
        all
    } else {
        all.add(column.is_in(ids.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_two_networks_begin_alike() {
        let db = sql::testing::sqlite().await;
        db.apply(&crate::migrations::HISTORY).await.expect("tables");
        let tx = db.begin().await.expect("begin");
        let network = networks::Model::plain;
        let first = "0badcafe-1111-4111-8111-111111111111";
        insert(&tx, network(first)).await.expect("inserted");
        let mut drawn = [
            "0badcafe-ffff-4fff-bfff-ffffffffffff",
            "0badcafe-0000-4000-8000-000000000000",
            "0badcaff-0000-4000-8000-000000000000",
        ]
        .into_iter();
        let id = distinct::<networks::Model>(&tx, || drawn.next().expect("one fits").to_owned());
        assert_eq!(
            id.await.expect("found"),
            "0badcaff-0000-4000-8000-000000000000"
        );
    }
}
