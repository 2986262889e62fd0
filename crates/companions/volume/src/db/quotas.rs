//! Limits that were set.

use std::collections::BTreeMap;

use sql::sea_orm::sea_query::{Expr, OnConflict};
use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
};

use crate::resource::Resource;
use crate::tables::quota::{ActiveModel, Column, Entity, Whom};

/// Those of a project or class, by resource.
pub async fn of(
    db: &impl ConnectionTrait,
    whom: Whom,
    owner: &str,
) -> Result<BTreeMap<String, i64>, DbErr> {
    let rows = Entity::find()
        .filter(Column::Whom.eq(whom))
        .filter(Column::Owner.eq(owner))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.resource, row.most))
        .collect())
}

/// Sets limits; others stay.
pub async fn set(
    db: &impl ConnectionTrait,
    whom: Whom,
    owner: &str,
    limits: &BTreeMap<String, i64>,
) -> Result<(), DbErr> {
    if limits.is_empty() {
        return Ok(());
    }
    let rows = limits.iter().map(|(resource, most)| ActiveModel {
        whom: Set(whom),
        owner: Set(owner.to_owned()),
        resource: Set(resource.clone()),
        most: Set(*most),
    });
    let again = OnConflict::columns([Column::Whom, Column::Owner, Column::Resource])
        .update_column(Column::Most)
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Forgets all limits of a project.
pub async fn forget(db: &impl ConnectionTrait, project_id: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::Whom.eq(Whom::Project))
        .filter(Column::Owner.eq(project_id))
        .exec(db)
        .await?;
    Ok(())
}

/// The limits of a type go with its name; those of an earlier type that had the new name go.
pub async fn rename(tx: &impl ConnectionTrait, from: &str, to: &str) -> Result<(), DbErr> {
    for resource in Resource::OF_TYPE {
        let (from, to) = (resource.of_type(from), resource.of_type(to));
        Entity::delete_many()
            .filter(Column::Resource.eq(to.as_str()))
            .exec(tx)
            .await?;
        Entity::update_many()
            .col_expr(Column::Resource, Expr::value(to))
            .filter(Column::Resource.eq(from))
            .exec(tx)
            .await?;
    }
    Ok(())
}
