//! Namespaces.

use sql::sea_orm::sea_query::{Expr, Func, Query};
use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect, Value,
};

use super::paged;
use crate::metadefs::listing::{NamespaceKey, Namespaces};
use crate::model::Viewer;
use crate::tables::Visibility;
use crate::tables::metadefs::{association, namespace};

/// The namespace of this name.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    name: &str,
) -> Result<Option<namespace::Model>, DbErr> {
    namespace::Entity::find()
        .filter(namespace::Column::Namespace.eq(name))
        .one(db)
        .await
}

/// The namespace, locked for the transaction where the engine has row locks.
pub async fn locked<C: ConnectionTrait>(
    db: &C,
    id: &str,
) -> Result<Option<namespace::Model>, DbErr> {
    namespace::Entity::find_by_id(id)
        .lock_exclusive()
        .one(db)
        .await
}

/// The rows of a page.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    listing: &Namespaces,
    viewer: &Viewer,
    marker: Option<&namespace::Model>,
) -> Result<Vec<namespace::Model>, DbErr> {
    let mut query = namespace::Entity::find().filter(visible(viewer));
    if let Some(visibility) = listing.visibility {
        query = query.filter(namespace::Column::Visibility.eq(visibility));
    }
    if let Some(types) = &listing.resource_types {
        let of_types = Query::select()
            .column(association::Column::NamespaceId)
            .from(association::Entity)
            .and_where(association::Column::Name.is_in(types))
            .to_owned();
        query = query.filter(namespace::Column::Id.in_subquery(of_types));
    }
    let mut keys = vec![
        listing.page.key,
        NamespaceKey::CreatedAt,
        NamespaceKey::Namespace,
    ];
    keys.dedup();
    let keys: Vec<_> = keys
        .into_iter()
        .map(|key| (column(key), marker.map(|row| value(key, row))))
        .collect();
    paged(query, &keys, listing.page.descending, Some(listing.limit))
        .all(db)
        .await
}

/// What the viewer may see at all; the same rule as [`Viewer::sees_namespace`], for many rows.
fn visible(viewer: &Viewer) -> Condition {
    if viewer.admin {
        return Condition::all();
    }
    let public = namespace::Column::Visibility.eq(Visibility::Public);
    let own = viewer.project.as_ref();
    Condition::any()
        .add(public)
        .add_option(own.map(|project| namespace::Column::Owner.eq(project)))
}

/// What is sorted by; a name that is not there sorts as the least.
fn column(key: NamespaceKey) -> Expr {
    use namespace::Column as C;
    match key {
        NamespaceKey::CreatedAt => Expr::col(C::CreatedAt),
        NamespaceKey::UpdatedAt => Expr::col(C::UpdatedAt),
        NamespaceKey::Namespace => Expr::col(C::Namespace),
        NamespaceKey::DisplayName => {
            Func::coalesce([Expr::col(C::DisplayName), Expr::val("")]).into()
        }
        NamespaceKey::Visibility => Expr::col(C::Visibility),
        NamespaceKey::Protected => Expr::col(C::Protected),
        NamespaceKey::Owner => Expr::col(C::Owner),
    }
}

fn value(key: NamespaceKey, row: &namespace::Model) -> Value {
    match key {
        NamespaceKey::CreatedAt => row.created_at.into(),
        NamespaceKey::UpdatedAt => row.updated_at.into(),
        NamespaceKey::Namespace => row.namespace.clone().into(),
        NamespaceKey::DisplayName => row.display_name.clone().unwrap_or_default().into(),
        NamespaceKey::Visibility => row.visibility.into(),
        NamespaceKey::Protected => row.protected.into(),
        NamespaceKey::Owner => row.owner.clone().into(),
    }
}

/// Writes a new namespace; a name that is taken breaks a unique key.
pub async fn add<C: ConnectionTrait>(db: &C, row: &namespace::Model) -> Result<(), DbErr> {
    namespace::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes all columns of a namespace that is locked.
pub async fn save<C: ConnectionTrait>(db: &C, row: &namespace::Model) -> Result<(), DbErr> {
    row.clone()
        .into_active_model()
        .reset_all()
        .update(db)
        .await?;
    Ok(())
}

/// Removes a namespace with all that stands in it.
pub async fn remove<C: ConnectionTrait>(db: &C, id: &str) -> Result<(), DbErr> {
    namespace::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
