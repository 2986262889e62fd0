//! A list's filter and order as SQL, on all three engines.

use compute_model::VmState;
use compute_model::listing::{Deleted, Direction, Paging, ServerFilter, SortKey};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};
use sql::sea_orm::{Condition, Order, QueryOrder, Select};

use crate::tables::server::{Column, Entity, Model};

/// The rows that `wanted` means, but for its patterns (see `patterns.rs`).
pub fn condition(wanted: &ServerFilter) -> Condition {
    let mut all = Condition::all();
    let kept = VmState::SoftDeleted.as_str();
    all = match (wanted.deleted, wanted.soft_deleted) {
        (Deleted::No, Some(true)) => all.add(Column::DeletedAt.is_null()),
        (Deleted::No, _) => all
            .add(Column::DeletedAt.is_null())
            .add(Column::VmState.ne(kept)),
        (Deleted::Only, Some(false)) => all.add(Column::DeletedAt.is_not_null()),
        (Deleted::Only, _) => all.add(
            Condition::any()
                .add(Column::DeletedAt.is_not_null())
                .add(Column::VmState.eq(kept)),
        ),
        (Deleted::Both, _) => all,
    };
    let exact = [
        (Column::ProjectId, &wanted.project_id),
        (Column::UserId, &wanted.user_id),
        (Column::FlavorId, &wanted.flavor_id),
        (Column::ImageId, &wanted.image_id),
        (Column::Host, &wanted.host),
    ];
    for (column, value) in exact {
        if let Some(value) = value {
            all = all.add(column.eq(value));
        }
    }
    if let Some(ids) = &wanted.ids {
        all = all.add(Column::Id.is_in(ids));
    }
    if let Some(states) = &wanted.vm_states {
        all = all.add(Column::VmState.is_in(states.iter().map(|state| state.as_str())));
    }
    if let Some(states) = &wanted.task_states {
        all = all.add(Column::TaskState.is_in(states.iter().map(|state| state.as_str())));
    }
    if let Some(power) = wanted.power_state {
        all = all.add(Column::PowerState.eq(i32::from(power.number())));
    }
    if let Some(value) = wanted.config_drive {
        all = all.add(Column::ConfigDrive.eq(value));
    }
    if let Some(locked) = wanted.locked {
        all = all.add(match locked {
            true => Column::LockedBy.is_not_null(),
            false => Column::LockedBy.is_null(),
        });
    }
    if let Some(index) = wanted.launch_index {
        all = all.add(Column::LaunchIndex.eq(index));
    }
    if let Some(progress) = wanted.progress {
        all = all.add(Column::Progress.eq(progress));
    }
    if let Some(since) = wanted.changes_since {
        all = all.add(Column::UpdatedAt.gte(since));
    }
    if let Some(before) = wanted.changes_before {
        all = all.add(Column::UpdatedAt.lte(before));
    }
    tagged(all, wanted)
}

fn tagged(mut all: Condition, wanted: &ServerFilter) -> Condition {
    let each = |tags: &[String], mut condition: Condition| {
        for tag in tags {
            condition = condition.add(has_tag(tag));
        }
        condition
    };
    if !wanted.tags.is_empty() {
        all = all.add(each(&wanted.tags, Condition::all()));
    }
    if !wanted.tags_any.is_empty() {
        all = all.add(each(&wanted.tags_any, Condition::any()));
    }
    if !wanted.not_tags.is_empty() {
        all = all.add(each(&wanted.not_tags, Condition::all()).not());
    }
    if !wanted.not_tags_any.is_empty() {
        all = all.add(each(&wanted.not_tags_any, Condition::any()).not());
    }
    all
}

fn has_tag(tag: &str) -> SimpleExpr {
    let escaped = tag.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    Expr::col(Column::Tags).like(LikeExpr::new(format!("%,{escaped},%")).escape('!'))
}

fn sort_column(key: SortKey) -> Column {
    match key {
        SortKey::AccessIpV4 => Column::AccessIpV4,
        SortKey::AccessIpV6 => Column::AccessIpV6,
        SortKey::AvailabilityZone => Column::AvailabilityZone,
        SortKey::ConfigDrive => Column::ConfigDrive,
        SortKey::CreatedAt => Column::CreatedAt,
        SortKey::Description => Column::Description,
        SortKey::FlavorId => Column::FlavorId,
        SortKey::Host => Column::Host,
        SortKey::Hostname => Column::Hostname,
        SortKey::Id => Column::Id,
        SortKey::ImageId => Column::ImageId,
        SortKey::KeyName => Column::KeyName,
        SortKey::LaunchIndex => Column::LaunchIndex,
        SortKey::LaunchedAt => Column::LaunchedAt,
        SortKey::Locked | SortKey::LockedBy => Column::LockedBy,
        SortKey::Name => Column::Name,
        SortKey::Node => Column::Node,
        SortKey::PowerState => Column::PowerState,
        SortKey::Progress => Column::Progress,
        SortKey::ProjectId => Column::ProjectId,
        SortKey::RootDeviceName => Column::RootDeviceName,
        SortKey::TaskState => Column::TaskState,
        SortKey::TerminatedAt => Column::TerminatedAt,
        SortKey::UpdatedAt => Column::UpdatedAt,
        SortKey::UserId => Column::UserId,
        SortKey::VmState => Column::VmState,
    }
}

/// The whole order: what was asked for, then the sequence number so that pages neither repeat nor
/// skip. Newest first unless the last asked direction is ascending.
pub fn sort_columns(paging: &Paging) -> Vec<(Column, Order)> {
    let mut columns: Vec<(Column, Order)> = paging
        .sort
        .iter()
        .map(|(key, direction)| (sort_column(*key), order(*direction)))
        .collect();
    let last = match columns.last() {
        Some((_, Order::Asc)) => Order::Asc,
        _ => Order::Desc,
    };
    columns.push((Column::Seq, last));
    columns
}

fn order(direction: Direction) -> Order {
    match direction {
        Direction::Ascending => Order::Asc,
        Direction::Descending => Order::Desc,
    }
}

/// The rows that `wanted` means, in this order.
pub fn ordered(wanted: &ServerFilter, sort: &[(Column, Order)]) -> Select<Entity> {
    let query = Entity::find().filter(condition(wanted));
    sort.iter().fold(query, |query, (column, order)| {
        query.order_by(sortable(column), order.clone())
    })
}

/// The column made comparable: absent values count as the lowest on every engine.
pub fn sortable(column: &Column) -> SimpleExpr {
    let value = Expr::col(*column);
    match lowest(column) {
        Some(lowest) => Func::coalesce([value, lowest]).into(),
        None => value,
    }
}

/// A value below every real one, for columns that may be absent.
fn lowest(column: &Column) -> Option<SimpleExpr> {
    match column {
        Column::LaunchedAt | Column::TerminatedAt => {
            Some(Expr::val(chrono::DateTime::<chrono::Utc>::UNIX_EPOCH))
        }
        Column::Description
        | Column::TaskState
        | Column::Host
        | Column::Node
        | Column::AvailabilityZone
        | Column::KeyName
        | Column::LockedBy
        | Column::ImageId
        | Column::AccessIpV4
        | Column::AccessIpV6
        | Column::RootDeviceName => Some(Expr::val("")),
        _ => None,
    }
}

/// Rows that come after `at` in the order `sort`.
pub fn after(sort: &[(Column, Order)], at: &Model) -> Condition {
    let mut any = Condition::any();
    for (position, (column, order)) in sort.iter().enumerate() {
        let mut all = Condition::all();
        for (earlier, _) in &sort[..position] {
            all = all.add(sortable(earlier).eq(value_of(earlier, at)));
        }
        let value = value_of(column, at);
        all = all.add(match order {
            Order::Asc => sortable(column).gt(value),
            _ => sortable(column).lt(value),
        });
        any = any.add(all);
    }
    any
}

fn value_of(column: &Column, at: &Model) -> SimpleExpr {
    let value = at.get(*column);
    match lowest(column) {
        Some(lowest) => Func::coalesce([Expr::val(value), lowest]).into(),
        None => Expr::val(value),
    }
}

#[cfg(test)]
mod tests {
    use sql::sea_orm::{QuerySelect, QueryTrait, Statement};

    use super::*;

    /// A page of a project costs as much as the page, not as the project's servers.
    #[tokio::test]
    async fn a_project_is_listed_in_the_order_of_an_index() {
        let db = sql::testing::sqlite().await;
        db.apply(&crate::HISTORY).await.expect("tables");
        let backend = db.read().get_database_backend();
        let wanted = ServerFilter {
            project_id: Some("p".to_owned()),
            ..ServerFilter::default()
        };
        let paging = Paging {
            sort: vec![(SortKey::CreatedAt, Direction::Descending)],
            limit: 100,
            marker: None,
        };
        let query = ordered(&wanted, &sort_columns(&paging)).limit(paging.limit);
        let asked = format!("EXPLAIN QUERY PLAN {}", query.build(backend));
        let asked = Statement::from_string(backend, asked);
        let plan = db.read().query_all_raw(asked).await.expect("a plan");
        let step = |row: &sql::sea_orm::QueryResult| row.try_get("", "detail").expect("a step");
        let steps: Vec<String> = plan.iter().map(step).collect();
        assert_eq!(steps.len(), 1, "no sorting: {steps:?}");
        assert!(steps[0].contains("servers_listed"), "{steps:?}");
    }
}
