//! Rows in and out of the tables: the few shapes of statement that every noun uses.

use chrono::{DateTime, Utc};
use sql::sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    PrimaryKeyTrait, QuerySelect,
};

/// A transaction for writing.
pub type Tx = sql::sea_orm::DatabaseTransaction;

/// Now, as tables keep it.
pub fn now() -> DateTime<Utc> {
    sql::micros(Utc::now())
}

/// A new random id.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Adds a row.
pub async fn insert<M>(db: &impl ConnectionTrait, row: M) -> Result<(), DbErr>
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
pub async fn find<E>(db: &impl ConnectionTrait, id: &str) -> Result<Option<E::Model>, DbErr>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    E::find_by_id(id.to_owned()).one(db).await
}

/// The row with this id, locked until the transaction ends where the engine has row locks.
pub async fn locked<E>(tx: &impl ConnectionTrait, id: &str) -> Result<Option<E::Model>, DbErr>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    E::find_by_id(id.to_owned()).lock_exclusive().one(tx).await
}

/// Writes all columns of a row that was locked.
pub async fn save<M>(tx: &impl ConnectionTrait, row: M) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::Model: IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let changed = row.into_active_model().reset_all();
    M::Entity::update(changed)
        .validate()?
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Removes the row with this id; whether it was there.
pub async fn remove<E>(tx: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    let gone = E::delete_by_id(id.to_owned()).exec(tx).await?;
    Ok(gone.rows_affected > 0)
}
