//! What stands in a namespace under a name of its own: objects, properties, tags, associations.

use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    ModelTrait, QueryFilter, Select,
};

use super::paged;
use crate::metadefs::listing::{Page, PartKey};
use crate::tables::metadefs::{association, object, property, tag};

/// A table of parts. Its primary key is the namespace and the name.
pub trait Part: EntityTrait {
    const NAMESPACE: Self::Column;
    const NAME: Self::Column;
    const CREATED_AT: Self::Column;
    const UPDATED_AT: Self::Column;
}

macro_rules! parts {
    ($($table:ident)*) => {
        $(impl Part for $table::Entity {
            const NAMESPACE: $table::Column = $table::Column::NamespaceId;
            const NAME: $table::Column = $table::Column::Name;
            const CREATED_AT: $table::Column = $table::Column::CreatedAt;
            const UPDATED_AT: $table::Column = $table::Column::UpdatedAt;
        })*
    };
}

parts!(association object property tag);

/// All parts of a namespace.
pub fn all<P: Part>(namespace: &str) -> Select<P> {
    P::find().filter(P::NAMESPACE.eq(namespace))
}

/// The rows of a page, behind `marker`.
pub async fn page<P: Part>(
    db: &impl ConnectionTrait,
    namespace: &str,
    page: &Page<PartKey>,
    marker: Option<&P::Model>,
) -> Result<Vec<P::Model>, DbErr>
where
    P::Model: ModelTrait<Entity = P>,
{
    let key = |column: P::Column| (Expr::col(column), marker.map(|row| row.get(column)));
    let keys = match page.key {
        PartKey::CreatedAt => vec![key(P::CREATED_AT), key(P::NAME)],
        PartKey::UpdatedAt => vec![key(P::UPDATED_AT), key(P::CREATED_AT), key(P::NAME)],
        PartKey::Name => vec![key(P::NAME)],
    };
    let query = paged(all::<P>(namespace), &keys, page.descending, page.limit);
    query.all(db).await
}

/// The part of this name.
pub async fn find<P: Part>(
    db: &impl ConnectionTrait,
    namespace: &str,
    name: &str,
) -> Result<Option<P::Model>, DbErr> {
    all::<P>(namespace).filter(P::NAME.eq(name)).one(db).await
}

/// Writes a new part; a name that is taken breaks the primary key.
pub async fn add<P: Part>(db: &impl ConnectionTrait, row: &P::Model) -> Result<(), DbErr>
where
    P::Model: IntoActiveModel<P::ActiveModel> + Clone,
{
    P::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes all columns of the part that was called `old`, in a namespace that is locked.
pub async fn save<P: Part>(
    db: &impl ConnectionTrait,
    namespace: &str,
    old: &str,
    row: &P::Model,
) -> Result<(), DbErr>
where
    P::Model: IntoActiveModel<P::ActiveModel> + Clone,
{
    P::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(P::NAMESPACE.eq(namespace))
        .filter(P::NAME.eq(old))
        .exec(db)
        .await?;
    Ok(())
}

/// Removes a part; whether it was there.
pub async fn remove<P: Part>(
    db: &impl ConnectionTrait,
    namespace: &str,
    name: &str,
) -> Result<bool, DbErr> {
    let gone = P::delete_many()
        .filter(P::NAMESPACE.eq(namespace))
        .filter(P::NAME.eq(name))
        .exec(db)
        .await?;
    Ok(gone.rows_affected == 1)
}

/// Removes all parts of a namespace.
pub async fn clear<P: Part>(db: &impl ConnectionTrait, namespace: &str) -> Result<(), DbErr> {
    P::delete_many()
        .filter(P::NAMESPACE.eq(namespace))
        .exec(db)
        .await?;
    Ok(())
}
