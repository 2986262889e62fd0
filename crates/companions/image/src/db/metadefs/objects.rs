//! Objects.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter,
};

use super::{Marker, PartOrder};
use crate::metadefs::listing::{Page, PartKey};
use crate::tables::metadefs::object::{self, Column};

/// The object of this name.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
    name: &str,
) -> Result<Option<object::Model>, DbErr> {
    object::Entity::find_by_id((namespace.to_owned(), name.to_owned()))
        .one(db)
        .await
}

/// The rows of a page.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
    page: &Page<PartKey>,
    marker: Option<object::Model>,
) -> Result<Vec<object::Model>, DbErr> {
    let order = PartOrder {
        created_at: Column::CreatedAt,
        updated_at: Column::UpdatedAt,
        name: Column::Name,
        marker: marker.map(|row| Marker {
            created_at: row.created_at,
            updated_at: row.updated_at,
            name: row.name,
        }),
    };
    let query = object::Entity::find().filter(Column::NamespaceId.eq(namespace));
    order.page(query, page).all(db).await
}

/// Writes an new object; a name that is taken breaks the primary key.
pub async fn add<C: ConnectionTrait>(db: &C, row: &object::Model) -> Result<(), DbErr> {
    object::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes all columns of the object that was called `old`, in a namespace that is locked.
pub async fn save<C: ConnectionTrait>(db: &C, old: &str, row: &object::Model) -> Result<(), DbErr> {
    object::Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(Column::NamespaceId.eq(&row.namespace_id))
        .filter(Column::Name.eq(old))
        .exec(db)
        .await?;
    Ok(())
}

/// Removes an object; whether it was there.
pub async fn remove<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
    name: &str,
) -> Result<bool, DbErr> {
    let gone = object::Entity::delete_by_id((namespace.to_owned(), name.to_owned()))
        .exec(db)
        .await?;
    Ok(gone.rows_affected == 1)
}

/// Removes all objects of a namespace.
pub async fn clear<C: ConnectionTrait>(db: &C, namespace: &str) -> Result<(), DbErr> {
    object::Entity::delete_many()
        .filter(Column::NamespaceId.eq(namespace))
        .exec(db)
        .await?;
    Ok(())
}
