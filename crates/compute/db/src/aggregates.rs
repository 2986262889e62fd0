//! Aggregates: groups of hosts, and the zones that they make.

use std::collections::BTreeMap;

use compute_model::aggregate::Aggregate;
use sql::sea_orm::prelude::*;
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseTransaction, QueryOrder, QuerySelect,
};

use crate::tables::{aggregate, aggregate_host};
use crate::{DbError, Result};

/// All aggregates, by number.
pub async fn list(conn: &impl ConnectionTrait) -> Result<Vec<Aggregate>> {
    let rows = aggregate::Entity::find()
        .order_by_asc(aggregate::Column::Seq)
        .all(conn)
        .await?;
    let members = aggregate_host::Entity::find()
        .order_by_asc(aggregate_host::Column::Host)
        .all(conn)
        .await?;
    rows.into_iter().map(|row| value(row, &members)).collect()
}

/// One aggregate by its number.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(conn: &impl ConnectionTrait, seq: i64) -> Result<Aggregate> {
    let row = aggregate::Entity::find_by_id(seq).one(conn).await?;
    let members = aggregate_host::Entity::find()
        .filter(aggregate_host::Column::AggregateSeq.eq(seq))
        .order_by_asc(aggregate_host::Column::Host)
        .all(conn)
        .await?;
    row.ok_or_else(|| DbError::NotFound(seq.to_string()))
        .and_then(|row| value(row, &members))
}

/// [`find`] with the row locked until the transaction ends, for those who change the aggregate or
/// its list of hosts. (On SQLite the transaction itself is the lock.)
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn lock(tx: &DatabaseTransaction, seq: i64) -> Result<Aggregate> {
    aggregate::Entity::find_by_id(seq)
        .lock_exclusive()
        .one(tx)
        .await?;
    find(tx, seq).await
}

/// The zone of each host that an aggregate puts into one.
pub async fn zones(conn: &impl ConnectionTrait) -> Result<BTreeMap<String, String>> {
    let mut zones = BTreeMap::new();
    for aggregate in list(conn).await? {
        if let Some(zone) = aggregate.zone() {
            let of_hosts = aggregate.hosts.iter();
            zones.extend(of_hosts.map(|host| (host.clone(), zone.to_owned())));
        }
    }
    Ok(zones)
}

/// Adds an aggregate without hosts, and returns it with its number.
///
/// # Errors
/// [`DbError::Duplicate`] when the name is taken.
pub async fn insert(tx: &DatabaseTransaction, new: &Aggregate) -> Result<Aggregate> {
    let row = aggregate::ActiveModel {
        seq: NotSet,
        id: Set(new.id.clone()),
        name: Set(new.name.clone()),
        metadata: Set(text(new)?),
        created_at: Set(new.created_at),
        updated_at: Set(None),
    };
    let row = row
        .insert(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &new.name))?;
    value(row, &[])
}

/// Writes the name and metadata of an aggregate.
///
/// # Errors
/// [`DbError::Duplicate`] when the name is taken.
pub async fn save(tx: &DatabaseTransaction, changed: &Aggregate) -> Result<()> {
    let metadata = text(changed)?;
    let now = sql::micros(chrono::Utc::now());
    aggregate::Entity::update_many()
        .col_expr(aggregate::Column::Name, Expr::value(&changed.name))
        .col_expr(aggregate::Column::Metadata, Expr::value(metadata))
        .col_expr(aggregate::Column::UpdatedAt, Expr::value(Some(now)))
        .filter(aggregate::Column::Seq.eq(changed.seq))
        .exec(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &changed.name))?;
    Ok(())
}

/// Removes an aggregate and its list of hosts.
pub async fn delete(tx: &DatabaseTransaction, seq: i64) -> Result<()> {
    aggregate_host::Entity::delete_many()
        .filter(aggregate_host::Column::AggregateSeq.eq(seq))
        .exec(tx)
        .await?;
    aggregate::Entity::delete_by_id(seq).exec(tx).await?;
    Ok(())
}

/// Puts a host into an aggregate.
///
/// # Errors
/// [`DbError::Duplicate`] when it is in it already.
pub async fn add_host(tx: &DatabaseTransaction, seq: i64, host: &str) -> Result<()> {
    let row = aggregate_host::ActiveModel {
        aggregate_seq: Set(seq),
        host: Set(host.to_owned()),
    };
    aggregate_host::Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, host))?;
    Ok(())
}

/// Takes a host out of an aggregate.
///
/// # Errors
/// [`DbError::NotFound`] when it is not in it.
pub async fn remove_host(tx: &DatabaseTransaction, seq: i64, host: &str) -> Result<()> {
    let gone = aggregate_host::Entity::delete_by_id((seq, host.to_owned()))
        .exec(tx)
        .await?;
    match gone.rows_affected {
        0 => Err(DbError::NotFound(host.to_owned())),
        _ => Ok(()),
    }
}

/// Takes a host out of all aggregates, as when its service is forgotten.
pub async fn forget_host(tx: &DatabaseTransaction, host: &str) -> Result<()> {
    aggregate_host::Entity::delete_many()
        .filter(aggregate_host::Column::Host.eq(host))
        .exec(tx)
        .await?;
    Ok(())
}

fn text(aggregate: &Aggregate) -> Result<String> {
    serde_json::to_string(&aggregate.metadata).map_err(|source| DbError::Unreadable {
        id: aggregate.id.clone(),
        source,
    })
}

fn value(row: aggregate::Model, members: &[aggregate_host::Model]) -> Result<Aggregate> {
    let metadata = serde_json::from_str(&row.metadata).map_err(|source| DbError::Unreadable {
        id: row.id.clone(),
        source,
    })?;
    let hosts = members
        .iter()
        .filter(|member| member.aggregate_seq == row.seq);
    Ok(Aggregate {
        seq: row.seq,
        id: row.id,
        name: row.name,
        hosts: hosts.map(|member| member.host.clone()).collect(),
        metadata,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
