//! Types of volumes.

use sql::sea_orm::sea_query::Query as Statement;
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use crate::db::properties::{self, Properties};
use crate::db::store::{self, Tx};
use crate::tables::volume_type::{Column, Entity, Model};
use crate::tables::{Owner, access, default_type, group_member, volume};

/// A type with its extra specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeType {
    pub row: Model,
    pub specs: Properties,
}

/// The types that a project sees: public ones, and those open to it.
pub fn seen_by(project_id: &str) -> Condition {
    let open = Statement::select()
        .column(access::Column::TypeId)
        .from(access::Entity)
        .and_where(access::Column::ProjectId.eq(project_id))
        .to_owned();
    Condition::any()
        .add(Column::IsPublic.eq(true))
        .add(Column::Id.in_subquery(open))
}

/// All types, to be narrowed.
pub fn all() -> Select<Entity> {
    Entity::find()
}

/// Extra specs to rows.
pub async fn gather(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<Vec<VolumeType>, DbErr> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut specs = properties::of_many(db, Owner::Type, &ids).await?;
    let types = rows.into_iter().map(|row| VolumeType {
        specs: specs.remove(&row.id).unwrap_or_default(),
        row,
    });
    Ok(types.collect())
}

/// The type with this id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<VolumeType>, DbErr> {
    let row = store::find::<Entity>(db, id).await?;
    one(db, row).await
}

/// The type with this id, locked: who deletes it waits, and sees what is of it by then.
pub async fn locked(tx: &Tx, id: &str) -> Result<Option<VolumeType>, DbErr> {
    let row = store::locked::<Entity>(tx, id).await?;
    one(tx, row).await
}

/// The type of this name.
pub async fn named(db: &impl ConnectionTrait, name: &str) -> Result<Option<VolumeType>, DbErr> {
    let row = Entity::find().filter(Column::Name.eq(name)).one(db).await?;
    one(db, row).await
}

async fn one(db: &impl ConnectionTrait, row: Option<Model>) -> Result<Option<VolumeType>, DbErr> {
    Ok(gather(db, row.into_iter().collect()).await?.pop())
}

/// Names of types by their ids.
pub async fn names(db: &impl ConnectionTrait) -> Result<Vec<(String, String)>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .column(Column::Name)
        .order_by_asc(Column::Name)
        .into_tuple()
        .all(db)
        .await
}

/// How many volumes are of this type.
pub async fn volumes(db: &impl ConnectionTrait, id: &str) -> Result<u64, DbErr> {
    let of_type = volume::Entity::find().filter(volume::Column::TypeId.eq(id));
    of_type.count(db).await
}

/// How many groups may have volumes of this type.
pub async fn groups(db: &impl ConnectionTrait, id: &str) -> Result<u64, DbErr> {
    let of_type = group_member::Entity::find().filter(group_member::Column::TypeId.eq(id));
    of_type.count(db).await
}

/// Whether it is the default of some project.
pub async fn is_a_default(db: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr> {
    let found = default_type::Entity::find().filter(default_type::Column::TypeId.eq(id));
    Ok(found.count(db).await? > 0)
}
