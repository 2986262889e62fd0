//! Volumes with all that is shown with them.

use std::collections::{BTreeMap, BTreeSet};

use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

use crate::db::properties::{self, Properties};
use crate::db::usage;
use crate::tables::volume::{Column, Entity, Model};
use crate::tables::{AttachStatus, Owner, attachment, property, volume_type};

/// A volume with what belongs to it.
#[derive(Debug, Clone)]
pub struct Volume {
    pub row: Model,
    pub type_name: Option<String>,
    pub metadata: Properties,
    pub image: Properties,
    /// Those that are attached.
    pub attachments: Vec<attachment::Model>,
}

/// Volumes of a project, or of all. What is to take the place of a volume is nobody's yet.
pub fn of_project(project_id: Option<&str>) -> Select<Entity> {
    let of = Condition::all()
        .add(Column::TargetOf.is_null())
        .add_option(project_id.map(|id| Column::ProjectId.eq(id)));
    Entity::find().filter(of)
}

/// Volumes by their ids, in the order in which those of groups are locked: the oldest first.
pub async fn with_ids(db: &impl ConnectionTrait, ids: &[&str]) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// Adds what belongs to rows, in one query each for all.
pub async fn gather(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<Vec<Volume>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut metadata = properties::of_many(db, Owner::Volume, &ids).await?;
    let mut image = properties::of_many(db, Owner::Image, &ids).await?;
    let attached = attachment::Entity::find()
        .filter(attachment::Column::VolumeId.is_in(ids.iter().copied()))
        .filter(attachment::Column::Status.eq(AttachStatus::Attached))
        .order_by_asc(attachment::Column::CreatedAt)
        .all(db)
        .await?;
    let types: Vec<(String, String)> = volume_type::Entity::find()
        .select_only()
        .column(volume_type::Column::Id)
        .column(volume_type::Column::Name)
        .filter(volume_type::Column::Id.is_in(rows.iter().map(|row| row.type_id.as_str())))
        .into_tuple()
        .all(db)
        .await?;
    let name = |id: &str| {
        types
            .iter()
            .find(|(of, _)| of == id)
            .map(|(_, name)| name.clone())
    };
    let volumes = rows.into_iter().map(|row| Volume {
        type_name: name(&row.type_id),
        metadata: metadata.remove(&row.id).unwrap_or_default(),
        image: image.remove(&row.id).unwrap_or_default(),
        attachments: attached
            .iter()
            .filter(|one| one.volume_id == row.id)
            .cloned()
            .collect(),
        row,
    });
    Ok(volumes.collect())
}

/// The volume with all that belongs to it.
pub async fn one(db: &impl ConnectionTrait, row: Model) -> Result<Volume, DbErr> {
    let mut found = gather(db, vec![row]).await?;
    found
        .pop()
        .ok_or_else(|| DbErr::RecordNotFound("a volume".to_owned()))
}

/// All attachments, whatever their status.
pub async fn attachments(
    db: &impl ConnectionTrait,
    id: &str,
) -> Result<Vec<attachment::Model>, DbErr> {
    attachment::Entity::find()
        .filter(attachment::Column::VolumeId.eq(id))
        .order_by_asc(attachment::Column::CreatedAt)
        .all(db)
        .await
}

/// What is to take the place of a volume, if anything is.
pub async fn twin(db: &impl ConnectionTrait, id: &str) -> Result<Option<Model>, DbErr> {
    let of_it = Entity::find().filter(Column::TargetOf.eq(id));
    of_it.one(db).await
}

/// Number and GiB of volumes.
pub async fn sizes(db: &impl ConnectionTrait, base: Select<Entity>) -> Result<(i64, i64), DbErr> {
    let row: Option<(i64, i64)> = base
        .select_only()
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(usage::sum(db, "size"), "sizes")
        .into_tuple()
        .one(db)
        .await?;
    Ok(row.unwrap_or_default())
}

/// Each key of the metadata of volumes with its values.
pub async fn metadata(
    db: &impl ConnectionTrait,
    base: Select<Entity>,
) -> Result<BTreeMap<String, BTreeSet<String>>, DbErr> {
    let ids = base.select_only().column(Column::Id).into_query();
    let rows: Vec<(String, String)> = property::Entity::find()
        .select_only()
        .column(property::Column::Name)
        .column(property::Column::Value)
        .filter(property::Column::Kind.eq(Owner::Volume))
        .filter(property::Column::Owner.in_subquery(ids))
        .into_tuple()
        .all(db)
        .await?;
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in rows {
        all.entry(name).or_default().insert(value);
    }
    Ok(all)
}
