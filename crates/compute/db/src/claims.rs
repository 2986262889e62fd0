//! Durable claims: what servers hold of nodes, exact under any number of schedulers.
//!
//! `inventories.used` is the sum of the claims on it. Both change in the caller's transaction, and
//! an amount is added only where it still fits, so no race can over-commit a node.

use compute_model::request::Resources;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sql::sea_orm::{ActiveValue::Set, DatabaseTransaction, DbBackend, QuerySelect};

use crate::tables::{change, claim, inventory, node};
use crate::{DbError, Result};

/// Claims `amounts` of a node for a consumer. What the consumer holds there already is replaced,
/// so a repeated claim changes nothing.
///
/// # Errors
/// [`DbError::NoRoom`]: the caller rolls back and tries another node.
pub async fn claim(
    tx: &DatabaseTransaction,
    consumer_id: &str,
    node_id: &str,
    amounts: &Resources,
) -> Result<()> {
    release_from(tx, consumer_id, Some(node_id)).await?;
    for (class, amount) in amounts {
        take(tx, node_id, class, *amount).await?;
        let row = claim::ActiveModel {
            consumer_id: Set(consumer_id.to_owned()),
            node_id: Set(node_id.to_owned()),
            class: Set(class.clone()),
            amount: Set(signed(*amount)),
        };
        claim::Entity::insert(row)
            .exec_without_returning(tx)
            .await?;
    }
    // A node that was forgotten meanwhile has no room for anything.
    match touch(tx, node_id, 1).await? {
        true => Ok(()),
        false => Err(DbError::NoRoom {
            node: node_id.to_owned(),
            class: "servers".to_owned(),
            amount: 1,
        }),
    }
}

/// Gives back all that a consumer holds, on every node. Holding nothing is fine.
pub async fn release(tx: &DatabaseTransaction, consumer_id: &str) -> Result<()> {
    release_from(tx, consumer_id, None).await
}

/// Gives all that one consumer holds to another, which holds nothing. Holding nothing is fine.
pub async fn hand_over(tx: &DatabaseTransaction, from: &str, to: &str) -> Result<()> {
    claim::Entity::update_many()
        .col_expr(claim::Column::ConsumerId, Expr::value(to))
        .filter(claim::Column::ConsumerId.eq(from))
        .exec(tx)
        .await?;
    Ok(())
}

/// What a consumer holds: node and amounts.
pub async fn of_consumer(
    conn: &impl ConnectionTrait,
    consumer_id: &str,
) -> Result<Vec<(String, Resources)>> {
    let rows = claim::Entity::find()
        .filter(claim::Column::ConsumerId.eq(consumer_id))
        .all(conn)
        .await?;
    let mut nodes: std::collections::BTreeMap<String, Resources> = Default::default();
    for row in rows {
        let amounts = nodes.entry(row.node_id).or_default();
        amounts.insert(row.class, unsigned(row.amount));
    }
    Ok(nodes.into_iter().collect())
}

/// Consumers that hold anything, for the audit.
pub async fn consumers(conn: &impl ConnectionTrait) -> Result<Vec<String>> {
    let rows = claim::Entity::find().all(conn).await?;
    let mut ids: Vec<String> = rows.into_iter().map(|row| row.consumer_id).collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// The nodes on which each consumer holds anything, for the audit.
pub async fn nodes_by_consumer(
    conn: &impl ConnectionTrait,
) -> Result<std::collections::BTreeMap<String, Vec<String>>> {
    let mut nodes: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for row in claim::Entity::find().all(conn).await? {
        let held = nodes.entry(row.consumer_id).or_default();
        if !held.contains(&row.node_id) {
            held.push(row.node_id);
        }
    }
    Ok(nodes)
}

/// Inventories whose `used` is not the sum of its claims: (node, class, used, sum). Always empty,
/// or this file is wrong; for the audit.
pub async fn inexact(conn: &impl ConnectionTrait) -> Result<Vec<(String, String, i64, i64)>> {
    let mut sums: std::collections::BTreeMap<(String, String), i64> = Default::default();
    for row in claim::Entity::find().all(conn).await? {
        *sums.entry((row.node_id, row.class)).or_default() += row.amount;
    }
    let stored = inventory::Entity::find().all(conn).await?;
    let wrong = stored.into_iter().filter_map(|row| {
        let sum = sums
            .get(&(row.node_id.clone(), row.class.clone()))
            .copied()
            .unwrap_or_default();
        (sum != row.used).then_some((row.node_id, row.class, row.used, sum))
    });
    Ok(wrong.collect())
}

async fn release_from(
    tx: &DatabaseTransaction,
    consumer_id: &str,
    node_id: Option<&str>,
) -> Result<()> {
    let mut held = claim::Entity::find().filter(claim::Column::ConsumerId.eq(consumer_id));
    if let Some(node_id) = node_id {
        held = held.filter(claim::Column::NodeId.eq(node_id));
    }
    // Most who ask hold nothing, and need no lock for that.
    if held.clone().count(tx).await? == 0 {
        return Ok(());
    }
    // Whoever gives back the same claims meanwhile waits here, and then finds them gone.
    let rows = held.lock_exclusive().all(tx).await?;
    let mut nodes = std::collections::BTreeSet::new();
    for row in rows {
        let gone = claim::Entity::delete_many()
            .filter(claim::Column::ConsumerId.eq(&row.consumer_id))
            .filter(claim::Column::NodeId.eq(&row.node_id))
            .filter(claim::Column::Class.eq(&row.class))
            .filter(claim::Column::Amount.eq(row.amount))
            .exec(tx)
            .await?;
        // Only what was taken off the list is taken off the sum.
        if gone.rows_affected == 0 {
            continue;
        }
        inventory::Entity::update_many()
            .col_expr(
                inventory::Column::Used,
                Expr::col(inventory::Column::Used).sub(row.amount),
            )
            .filter(inventory::Column::NodeId.eq(&row.node_id))
            .filter(inventory::Column::Class.eq(&row.class))
            .exec(tx)
            .await?;
        nodes.insert(row.node_id);
    }
    for node_id in nodes {
        touch(tx, &node_id, -1).await?;
    }
    Ok(())
}

/// Adds to `used` where it still fits: `(total − reserved) × ratio`, Placement's capacity.
async fn take(tx: &DatabaseTransaction, node_id: &str, class: &str, amount: u64) -> Result<()> {
    let used = || Expr::col(inventory::Column::Used);
    let room = Expr::col(inventory::Column::Total).sub(Expr::col(inventory::Column::Reserved));
    let capacity: SimpleExpr = whole(
        tx.get_database_backend(),
        room.mul(Expr::col(inventory::Column::Ratio)),
    );
    let done = inventory::Entity::update_many()
        .col_expr(inventory::Column::Used, used().add(signed(amount)))
        .filter(inventory::Column::NodeId.eq(node_id))
        .filter(inventory::Column::Class.eq(class))
        .filter(used().add(signed(amount)).lte(capacity))
        .exec(tx)
        .await?;
    match done.rows_affected {
        1 => Ok(()),
        _ => Err(DbError::NoRoom {
            node: node_id.to_owned(),
            class: class.to_owned(),
            amount,
        }),
    }
}

/// The number without its fraction.
fn whole(engine: DbBackend, value: SimpleExpr) -> SimpleExpr {
    match engine {
        DbBackend::Sqlite => value.cast_as("INTEGER"),
        _ => Func::cust("FLOOR").arg(value).into(),
    }
}

/// Notes that a node changed, so that schedulers read it anew; false when there is no such node.
pub(crate) async fn touch(tx: &DatabaseTransaction, node_id: &str, servers: i64) -> Result<bool> {
    let number = next_change(tx).await?;
    let done = node::Entity::update_many()
        .col_expr(node::Column::Change, Expr::value(number))
        .col_expr(
            node::Column::Servers,
            Expr::col(node::Column::Servers).add(servers),
        )
        .filter(node::Column::Id.eq(node_id))
        .exec(tx)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The next number of the cloud-wide sequence of changes to hosts. The row's lock makes numbers
/// appear in the order of commits, so a reader never misses one below what it has seen.
pub(crate) async fn next_change(tx: &DatabaseTransaction) -> Result<i64> {
    change::Entity::update_many()
        .col_expr(
            change::Column::Number,
            Expr::col(change::Column::Number).add(1),
        )
        .exec(tx)
        .await?;
    let row = change::Entity::find_by_id(1).one(tx).await?;
    row.map(|row| row.number)
        .ok_or_else(|| DbError::NotFound("the change counter".to_owned()))
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or_default()
}
