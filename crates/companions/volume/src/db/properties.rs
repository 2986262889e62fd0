//! Names with values that belong to something.

use std::collections::{BTreeMap, HashMap};

use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
};

use crate::tables::Owner;
use crate::tables::property::{ActiveModel, Column, Entity};

/// The names of one thing with their values.
pub type Properties = BTreeMap<String, String>;

/// Those of one thing.
pub async fn of(db: &impl ConnectionTrait, kind: Owner, owner: &str) -> Result<Properties, DbErr> {
    let mut all = of_many(db, kind, &[owner]).await?;
    Ok(all.remove(owner).unwrap_or_default())
}

/// Those of many things, in one query.
pub async fn of_many(
    db: &impl ConnectionTrait,
    kind: Owner,
    owners: &[&str],
) -> Result<HashMap<String, Properties>, DbErr> {
    let mut all: HashMap<String, Properties> = HashMap::new();
    if owners.is_empty() {
        return Ok(all);
    }
    let rows = Entity::find()
        .filter(Column::Kind.eq(kind))
        .filter(Column::Owner.is_in(owners.iter().copied()))
        .all(db)
        .await?;
    for row in rows {
        all.entry(row.owner)
            .or_default()
            .insert(row.name, row.value);
    }
    Ok(all)
}

/// Adds these to what is there; those of the same name are replaced.
pub async fn merge(
    tx: &impl ConnectionTrait,
    kind: Owner,
    owner: &str,
    more: &Properties,
) -> Result<(), DbErr> {
    if more.is_empty() {
        return Ok(());
    }
    let rows = more.iter().map(|(name, value)| ActiveModel {
        kind: Set(kind),
        owner: Set(owner.to_owned()),
        name: Set(name.clone()),
        value: Set(value.clone()),
    });
    let again = OnConflict::columns([Column::Kind, Column::Owner, Column::Name])
        .update_column(Column::Value)
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(again)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Makes these all there is.
pub async fn replace(
    tx: &impl ConnectionTrait,
    kind: Owner,
    owner: &str,
    all: &Properties,
) -> Result<(), DbErr> {
    forget(tx, kind, owner).await?;
    merge(tx, kind, owner, all).await
}

/// Removes one; whether it was there.
pub async fn remove(
    tx: &impl ConnectionTrait,
    kind: Owner,
    owner: &str,
    name: &str,
) -> Result<bool, DbErr> {
    let gone = Entity::delete_by_id((kind, owner.to_owned(), name.to_owned()))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected > 0)
}

/// Removes all of a thing.
pub async fn forget(tx: &impl ConnectionTrait, kind: Owner, owner: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::Kind.eq(kind))
        .filter(Column::Owner.eq(owner))
        .exec(tx)
        .await?;
    Ok(())
}
