//! Metadata definitions, a file per noun. What stands in a namespace is written while its row is locked.

pub mod associations;
pub mod namespaces;
pub mod parts;
pub mod properties;

use sql::sea_orm::sea_query::{ExprTrait, SimpleExpr};
use sql::sea_orm::{Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use sql::sea_orm::{Select, Value};

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
