//! Groups with what belongs to them.

use std::collections::HashMap;

use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder,
};

use crate::db::store::{self, Tx};
use crate::tables::{group, group_member, group_snapshot, group_type, snapshot, volume};

/// The volumes of a group, the oldest first.
pub async fn volumes(db: &impl ConnectionTrait, id: &str) -> Result<Vec<volume::Model>, DbErr> {
    volume::Entity::find()
        .filter(volume::Column::GroupId.eq(id))
        .order_by_asc(volume::Column::CreatedAt)
        .order_by_asc(volume::Column::Id)
        .all(db)
        .await
}

/// The snapshots of volumes that a snapshot of a group is made of.
pub async fn snapshots(db: &impl ConnectionTrait, id: &str) -> Result<Vec<snapshot::Model>, DbErr> {
    snapshot::Entity::find()
        .filter(snapshot::Column::GroupSnapshotId.eq(id))
        .order_by_asc(snapshot::Column::CreatedAt)
        .order_by_asc(snapshot::Column::Id)
        .all(db)
        .await
}

/// Whether there are snapshots of a group.
pub async fn has_snapshots(db: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr> {
    let count = group_snapshot::Entity::find()
        .filter(group_snapshot::Column::GroupId.eq(id))
        .count(db)
        .await?;
    Ok(count > 0)
}

/// Whether a group or a snapshot of one is what another group is being made of.
pub async fn is_source(db: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr> {
    let of = sql::sea_orm::Condition::any()
        .add(group::Column::GroupSnapshotId.eq(id))
        .add(group::Column::SourceGroupId.eq(id));
    let count = group::Entity::find()
        .filter(of)
        .filter(group::Column::Status.eq(group::GroupStatus::Creating))
        .count(db)
        .await?;
    Ok(count > 0)
}

/// The types that volumes of groups may have.
pub async fn types_of(
    db: &impl ConnectionTrait,
    ids: &[&str],
) -> Result<HashMap<String, Vec<String>>, DbErr> {
    let mut all: HashMap<String, Vec<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(all);
    }
    let rows = group_member::Entity::find()
        .filter(group_member::Column::GroupId.is_in(ids.iter().copied()))
        .order_by_asc(group_member::Column::TypeId)
        .all(db)
        .await?;
    for row in rows {
        all.entry(row.group_id).or_default().push(row.type_id);
    }
    Ok(all)
}

/// The types that volumes of one group may have.
pub async fn types(db: &impl ConnectionTrait, id: &str) -> Result<Vec<String>, DbErr> {
    Ok(types_of(db, &[id]).await?.remove(id).unwrap_or_default())
}

/// Adds a group with the types that its volumes may have.
pub async fn insert(tx: &Tx, row: group::Model, types: &[String]) -> Result<(), DbErr> {
    let members: Vec<_> = types
        .iter()
        .map(|id| group_member::ActiveModel {
            group_id: Set(row.id.clone()),
            type_id: Set(id.clone()),
        })
        .collect();
    store::insert(tx, row).await?;
    if !members.is_empty() {
        group_member::Entity::insert_many(members)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Removes the row of a group and what belongs to it.
pub async fn forget(tx: &Tx, id: &str) -> Result<(), DbErr> {
    group_member::Entity::delete_many()
        .filter(group_member::Column::GroupId.eq(id))
        .exec(tx)
        .await?;
    store::remove::<group::Entity>(tx, id).await?;
    Ok(())
}

/// The type of groups that has this name.
pub async fn type_named(
    db: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<group_type::Model>, DbErr> {
    group_type::Entity::find()
        .filter(group_type::Column::Name.eq(name))
        .one(db)
        .await
}

/// How many groups and snapshots of groups have a type.
pub async fn uses(db: &impl ConnectionTrait, type_id: &str) -> Result<u64, DbErr> {
    let groups = group::Entity::find()
        .filter(group::Column::GroupTypeId.eq(type_id))
        .count(db)
        .await?;
    let snapshots = group_snapshot::Entity::find()
        .filter(group_snapshot::Column::GroupTypeId.eq(type_id))
        .count(db)
        .await?;
    Ok(groups + snapshots)
}
