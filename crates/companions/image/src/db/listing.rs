//! The list of images: filters, what the viewer may see, order and page in one query.

use sql::sea_orm::sea_query::{Expr, ExprTrait, Func, IntoCondition, Query, SimpleExpr};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, Value,
};

use crate::listing::{Comparison, Filter, Listing, NumberColumn, Seen, SortKey, TextColumn};
use crate::model::Viewer;
use crate::tables::{MemberStatus, Visibility, image, member, property, tag};

/// The rows of a page.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    listing: &Listing,
    viewer: &Viewer,
    marker: Option<&image::Model>,
) -> Result<Vec<image::Model>, DbErr> {
    let mut query = image::Entity::find()
        .filter(visible(viewer, listing.member_status))
        .filter(visible_to(viewer, listing.seen))
        .filter(image::Column::OsHidden.eq(listing.os_hidden));
    for filter in &listing.filters {
        query = query.filter(condition(filter));
    }
    if let Some(marker) = marker {
        query = query.filter(after(&listing.order, marker));
    }
    for (key, descending) in &listing.order {
        let order = if *descending { Order::Desc } else { Order::Asc };
        query = query.order_by(sorted_by(*key), order);
    }
    query.limit(listing.limit).all(db).await
}

/// What the viewer may see at all; the same rule as [`Viewer::sees`], for many rows.
fn visible(viewer: &Viewer, member_status: Option<MemberStatus>) -> Condition {
    if viewer.admin {
        return Condition::all();
    }
    let mut any = Condition::any()
        .add(image::Column::Visibility.is_in([Visibility::Public, Visibility::Community]))
        .add(image::Column::Owner.is_null());
    if let Some(project) = &viewer.project {
        let mut shared = Query::select();
        shared
            .column(member::Column::ImageId)
            .from(member::Entity)
            .and_where(member::Column::Member.eq(project));
        if let Some(status) = member_status {
            shared.and_where(member::Column::Status.eq(status));
        }
        any = any.add(image::Column::Owner.eq(project)).add(
            Condition::all()
                .add(image::Column::Visibility.eq(Visibility::Shared))
                .add(image::Column::Id.in_subquery(shared)),
        );
    }
    any
}

/// Others' community images are listed only when asked for.
fn visible_to(viewer: &Viewer, seen: Seen) -> Condition {
    match (seen, &viewer.project) {
        (Seen::All, _) => Condition::all(),
        (Seen::Only(visibility), _) => image::Column::Visibility.eq(visibility).into_condition(),
        (Seen::Default, None) => image::Column::Visibility
            .ne(Visibility::Community)
            .into_condition(),
        (Seen::Default, Some(project)) => Condition::any()
            .add(image::Column::Visibility.ne(Visibility::Community))
            .add(image::Column::Owner.eq(project)),
    }
}

fn condition(filter: &Filter) -> Condition {
    use image::Column as C;
    match filter {
        Filter::Text(column, values) => text(*column).is_in(values.iter().map(String::as_str)),
        Filter::Number(column, value) => number(*column).eq(*value),
        Filter::Status(values) => C::Status.is_in(values.iter().copied()),
        Filter::Protected(value) => C::Protected.eq(*value),
        Filter::SizeMin(size) => C::Size.gte(*size),
        Filter::SizeMax(size) => C::Size.lte(*size),
        Filter::Created(how, at) => compare(C::CreatedAt, *how, *at),
        Filter::Updated(how, at) => compare(C::UpdatedAt, *how, *at),
        Filter::Tag(value) => C::Id.in_subquery(
            Query::select()
                .column(tag::Column::ImageId)
                .from(tag::Entity)
                .and_where(tag::Column::Value.eq(value))
                .to_owned(),
        ),
        Filter::Property(name, value) => C::Id.in_subquery(
            Query::select()
                .column(property::Column::ImageId)
                .from(property::Entity)
                .and_where(property::Column::Name.eq(name))
                .and_where(property::Column::Value.eq(value))
                .to_owned(),
        ),
        Filter::Nothing => C::Id.is_null(),
    }
    .into_condition()
}

fn text(column: TextColumn) -> image::Column {
    match column {
        TextColumn::Id => image::Column::Id,
        TextColumn::Name => image::Column::Name,
        TextColumn::Owner => image::Column::Owner,
        TextColumn::DiskFormat => image::Column::DiskFormat,
        TextColumn::ContainerFormat => image::Column::ContainerFormat,
        TextColumn::Checksum => image::Column::Checksum,
        TextColumn::OsHashAlgo => image::Column::OsHashAlgo,
        TextColumn::OsHashValue => image::Column::OsHashValue,
    }
}

fn number(column: NumberColumn) -> image::Column {
    match column {
        NumberColumn::Size => image::Column::Size,
        NumberColumn::VirtualSize => image::Column::VirtualSize,
        NumberColumn::MinDisk => image::Column::MinDisk,
        NumberColumn::MinRam => image::Column::MinRam,
    }
}

fn compare(
    column: image::Column,
    how: Comparison,
    at: chrono::DateTime<chrono::Utc>,
) -> SimpleExpr {
    match how {
        Comparison::Greater => column.gt(at),
        Comparison::GreaterOrEqual => column.gte(at),
        Comparison::Less => column.lt(at),
        Comparison::LessOrEqual => column.lte(at),
        Comparison::Equal => column.eq(at),
        Comparison::NotEqual => column.ne(at),
    }
}

/// What is sorted by: empty values sort as the least, alike on all engines.
fn sorted_by(key: SortKey) -> SimpleExpr {
    let least = |column: image::Column, value: Value| {
        Func::coalesce([Expr::col(column), Expr::val(value)]).into()
    };
    match key {
        SortKey::Name => least(image::Column::Name, "".into()),
        SortKey::ContainerFormat => least(image::Column::ContainerFormat, "".into()),
        SortKey::DiskFormat => least(image::Column::DiskFormat, "".into()),
        SortKey::Size => least(image::Column::Size, (-1i64).into()),
        SortKey::Status => Expr::col(image::Column::Status),
        SortKey::Id => Expr::col(image::Column::Id),
        SortKey::CreatedAt => Expr::col(image::Column::CreatedAt),
        SortKey::UpdatedAt => Expr::col(image::Column::UpdatedAt),
    }
}

fn value_of(key: SortKey, row: &image::Model) -> Value {
    let text = |value: &Option<String>| Value::from(value.clone().unwrap_or_default());
    match key {
        SortKey::Name => text(&row.name),
        SortKey::ContainerFormat => text(&row.container_format),
        SortKey::DiskFormat => text(&row.disk_format),
        SortKey::Size => row.size.unwrap_or(-1).into(),
        SortKey::Status => row.status.into(),
        SortKey::Id => row.id.clone().into(),
        SortKey::CreatedAt => row.created_at.into(),
        SortKey::UpdatedAt => row.updated_at.into(),
    }
}

/// Rows behind the marker: equal in the first keys and beyond it in the next, for each prefix.
fn after(order: &[(SortKey, bool)], marker: &image::Model) -> Condition {
    let mut any = Condition::any();
    for (at, (key, descending)) in order.iter().enumerate() {
        let mut all = Condition::all();
        for (earlier, _) in &order[..at] {
            all = all.add(sorted_by(*earlier).eq(value_of(*earlier, marker)));
        }
        let value = value_of(*key, marker);
        let beyond = if *descending {
            sorted_by(*key).lt(value)
        } else {
            sorted_by(*key).gt(value)
        };
        any = any.add(all.add(beyond));
    }
    any
}
