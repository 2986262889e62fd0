//! Metadata definitions, a file per noun. What stands in a namespace is written while its row is locked.

pub mod associations;
pub mod namespaces;
pub mod objects;
pub mod parts;
pub mod properties;
pub mod tags;

use sql::sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sql::sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
};
use sql::sea_orm::{Select, Value};

use crate::metadefs::listing::{Page, PartKey};

/// What a list is sorted by, and the marker's value of it where there is a marker.
type SortedBy = (SimpleExpr, Option<Value>);

/// The rows of a page: beyond the marker, in this order, at most so many. The last key is unique.
fn paged<E: EntityTrait>(
    mut query: Select<E>,
    keys: &[SortedBy],
    descending: bool,
    limit: Option<u64>,
) -> Select<E> {
    let order = if descending { Order::Desc } else { Order::Asc };
    let mut beyond = Condition::any();
    let mut equal = Condition::all();
    for (key, marker) in keys {
        query = query.order_by(key.clone(), order.clone());
        let Some(marker) = marker else { continue };
        let next = match descending {
            true => key.clone().lt(marker.clone()),
            false => key.clone().gt(marker.clone()),
        };
        beyond = beyond.add(equal.clone().add(next));
        equal = equal.add(key.clone().eq(marker.clone()));
    }
    // No alternative at all would be no row at all.
    if !beyond.is_empty() {
        query = query.filter(beyond);
    }
    query.limit(limit)
}

/// The columns that objects and tags are sorted by, and their marker's values.
struct PartOrder<C> {
    created_at: C,
    updated_at: C,
    name: C,
    marker: Option<Marker>,
}

/// The row that a page follows.
struct Marker {
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
    name: String,
}

impl<C: ColumnTrait> PartOrder<C> {
    fn page<E: EntityTrait>(&self, query: Select<E>, page: &Page<PartKey>) -> Select<E> {
        let marker = self.marker.as_ref();
        let created = || {
            let value = marker.map(|marker| Value::from(marker.created_at));
            (Expr::col(self.created_at), value)
        };
        let updated = marker.map(|marker| Value::from(marker.updated_at));
        let name = marker.map(|marker| Value::from(marker.name.clone()));
        let name = (Expr::col(self.name), name);
        let keys = match page.key {
            PartKey::CreatedAt => vec![created(), name],
            PartKey::UpdatedAt => vec![(Expr::col(self.updated_at), updated), created(), name],
            PartKey::Name => vec![name],
        };
        paged(query, &keys, page.descending, page.limit)
    }
}
