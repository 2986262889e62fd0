//! Types of resources, and which namespaces are for them.

use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::parts;
use crate::tables::metadefs::association::{self, Column};
use crate::tables::metadefs::resource_type;

/// All types of resources, sorted by name.
pub async fn types<C: ConnectionTrait>(db: &C) -> Result<Vec<resource_type::Model>, DbErr> {
    resource_type::Entity::find()
        .order_by_asc(resource_type::Column::Name)
        .all(db)
        .await
}

/// The associations of these namespaces, sorted by name.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    namespaces: &[&str],
) -> Result<Vec<association::Model>, DbErr> {
    association::Entity::find()
        .filter(Column::NamespaceId.is_in(namespaces.iter().copied()))
        .order_by_asc(Column::Name)
        .all(db)
        .await
}

/// Writes a new association, and the type of resource if it is not known yet; a type that the namespace is
/// associated with already breaks the primary key.
pub async fn add<C: ConnectionTrait>(db: &C, row: &association::Model) -> Result<(), DbErr> {
    let kind = resource_type::Model {
        name: row.name.clone(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    let known = OnConflict::column(resource_type::Column::Name)
        .do_nothing_on([resource_type::Column::Name])
        .to_owned();
    resource_type::Entity::insert(kind.into_active_model())
        .on_conflict(known)
        .exec_without_returning(db)
        .await?;
    parts::add::<association::Entity>(db, row).await
}
