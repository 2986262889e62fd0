//! Properties.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder,
};

use crate::tables::metadefs::property::{self, Column};

/// The property of this name.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
    name: &str,
) -> Result<Option<property::Model>, DbErr> {
    property::Entity::find_by_id((namespace.to_owned(), name.to_owned()))
        .one(db)
        .await
}

/// All properties, sorted by name.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
) -> Result<Vec<property::Model>, DbErr> {
    property::Entity::find()
        .filter(Column::NamespaceId.eq(namespace))
        .order_by_asc(Column::Name)
        .all(db)
        .await
}

/// Writes a new property; a name that is taken breaks the primary key.
pub async fn add<C: ConnectionTrait>(db: &C, row: &property::Model) -> Result<(), DbErr> {
    property::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes all columns of the property that was called `old`, in a namespace that is locked.
pub async fn save<C: ConnectionTrait>(
    db: &C,
    old: &str,
    row: &property::Model,
) -> Result<(), DbErr> {
    property::Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(Column::NamespaceId.eq(&row.namespace_id))
        .filter(Column::Name.eq(old))
        .exec(db)
        .await?;
    Ok(())
}

/// Removes a property; whether it was there.
pub async fn remove<C: ConnectionTrait>(
    db: &C,
    namespace: &str,
    name: &str,
) -> Result<bool, DbErr> {
    let gone = property::Entity::delete_by_id((namespace.to_owned(), name.to_owned()))
        .exec(db)
        .await?;
    Ok(gone.rows_affected == 1)
}

/// Removes all properties of a namespace.
pub async fn clear<C: ConnectionTrait>(db: &C, namespace: &str) -> Result<(), DbErr> {
    property::Entity::delete_many()
        .filter(Column::NamespaceId.eq(namespace))
        .exec(db)
        .await?;
    Ok(())
}
