//! Pages of lists: filters, order and place in one statement.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sql::sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Func, IntoCondition, LikeExpr, Query as Statement, SimpleExpr,
};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, ModelTrait,
    Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
};

use crate::fields::{Field, Kind};
use crate::listing::{Comparand, Filter, Listing, Operator};
use crate::tables::property;

/// The rows of a page behind `marker`; none for a limit of nothing.
pub async fn page<E>(
    db: &impl ConnectionTrait,
    base: Select<E>,
    listing: &Listing,
    marker: Option<&E::Model>,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    if listing.limit == 0 {
        return Ok(Vec::new());
    }
    let mut query = filtered(base, listing);
    if let Some(marker) = marker {
        query = query.filter(behind::<E>(&listing.order, marker)?);
    }
    for (field, descending) in &listing.order {
        let order = if *descending { Order::Desc } else { Order::Asc };
        query = query.order_by(sorted_by(field), order);
    }
    if listing.offset > 0 {
        query = query.offset(listing.offset);
    }
    query.limit(listing.limit).all(db).await
}

/// How many there are on all pages.
pub async fn count<E>(
    db: &impl ConnectionTrait,
    base: Select<E>,
    listing: &Listing,
) -> Result<u64, DbErr>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Sized + Send + Sync,
{
    filtered(base, listing).count(db).await
}

fn filtered<E: EntityTrait>(base: Select<E>, listing: &Listing) -> Select<E> {
    let filters = listing.filters.iter();
    filters.fold(base, |query, filter| query.filter(condition(filter)))
}

fn condition(filter: &Filter) -> Condition {
    match filter {
        Filter::Equal(column, value) => {
            let value: Value = match value {
                Comparand::Text(text) => text.clone().into(),
                Comparand::Flag(flag) => (*flag).into(),
                Comparand::Number(number) => (*number).into(),
            };
            Expr::col(Alias::new(*column)).eq(value)
        }
        Filter::Like(column, part) => {
            let mut pattern = String::from("%");
            for c in part.chars() {
                if matches!(c, '%' | '_' | '|') {
                    pattern.push('|');
                }
                pattern.push(c);
            }
            pattern.push('%');
            Expr::col(Alias::new(*column)).like(LikeExpr::new(pattern).escape('|'))
        }
        Filter::Time(column, operator, at) => {
            let column = Expr::col(Alias::new(*column));
            match operator {
                Operator::Gt => column.gt(*at),
                Operator::Gte => column.gte(*at),
                Operator::Eq => column.eq(*at),
                Operator::Neq => column.ne(*at),
                Operator::Lt => column.lt(*at),
                Operator::Lte => column.lte(*at),
            }
        }
        Filter::Has(owner, name, value) => Expr::col(Alias::new("id")).in_subquery(
            Statement::select()
                .column(property::Column::Owner)
                .from(property::Entity)
                .and_where(property::Column::Kind.eq(*owner))
                .and_where(property::Column::Name.eq(name))
                .and_where(property::Column::Value.eq(value))
                .to_owned(),
        ),
        Filter::Nothing => Expr::col(Alias::new("id")).is_null(),
    }
    .into_condition()
}

/// What stands for nothing where things are sorted: the least of its kind.
fn least(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Properties(_) => "".into(),
        Kind::Flag => false.into(),
        Kind::Number => (-1i64).into(),
        Kind::Time => DateTime::<Utc>::UNIX_EPOCH.into(),
    }
}

fn sorted_by(field: &Field) -> SimpleExpr {
    let column = Expr::col(Alias::new(field.column));
    match field.empty {
        true => Func::coalesce([column, Expr::val(least(field.kind))]).into(),
        false => column,
    }
}

fn value_of<E>(field: &Field, row: &E::Model) -> Result<Value, DbErr>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let column = E::Column::from_str(field.column)
        .map_err(|_| DbErr::Type(format!("no column {}", field.column)))?;
    let value = row.get(column);
    Ok(match value == value.as_null() {
        true => least(field.kind),
        false => value,
    })
}

/// Rows behind the marker: equal in the first keys and beyond it in the next, for each prefix.
fn behind<E>(order: &[(&'static Field, bool)], marker: &E::Model) -> Result<Condition, DbErr>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let mut any = Condition::any();
    for (at, (field, descending)) in order.iter().enumerate() {
        let mut all = Condition::all();
        for (earlier, _) in &order[..at] {
            all = all.add(sorted_by(earlier).eq(value_of::<E>(earlier, marker)?));
        }
        let value = value_of::<E>(field, marker)?;
        all = all.add(match descending {
            true => sorted_by(field).lt(value),
            false => sorted_by(field).gt(value),
        });
        any = any.add(all);
    }
    Ok(any)
}
