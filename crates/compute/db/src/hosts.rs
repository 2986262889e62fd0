//! Services and hypervisors: who is alive, and what hosts offer.

mod rename;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use compute_model::host::{Node, NodeFacts, Service, Used};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{ExprTrait, OnConflict};
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseTransaction, QueryOrder, QuerySelect,
};

use crate::tables::{claim, inventory, node, service};
use crate::{DbError, Result};

pub use rename::{names, node_named, rename};

/// The binary name of agents.
pub const COMPUTE: &str = "nova-compute";

/// Notes that a service is alive, by the database's clock; makes its row at the first report.
pub async fn note_service(tx: &DatabaseTransaction, host: &str, binary: &str) -> Result<Service> {
    let now = sql::now(tx).await?;
    if let Some(found) = service_row(tx, host, binary).await? {
        service::Entity::update_many()
            .col_expr(service::Column::LastSeen, Expr::value(now))
            .filter(service::Column::Seq.eq(found.seq))
            .exec(tx)
            .await?;
        let mut found = service_value(found);
        found.last_seen = Some(now);
        return Ok(found);
    }
    let row = service::ActiveModel {
        seq: NotSet,
        id: Set(uuid::Uuid::new_v4().to_string()),
        host: Set(host.to_owned()),
        binary: Set(binary.to_owned()),
        disabled: Set(false),
        disabled_reason: Set(None),
        forced_down: Set(false),
        last_seen: Set(Some(now)),
        created_at: Set(now),
        updated_at: Set(None),
    };
    // Another report of the same service may come first.
    let either = OnConflict::columns([service::Column::Host, service::Column::Binary])
        .update_column(service::Column::LastSeen)
        .to_owned();
    service::Entity::insert(row)
        .on_conflict(either)
        .exec_without_returning(tx)
        .await?;
    let row = service_row(tx, host, binary).await?;
    row.map(service_value)
        .ok_or_else(|| DbError::NotFound(host.to_owned()))
}

/// A service with its row locked until the transaction ends: what an administrator says of it is
/// decided on what it is now. (On SQLite the transaction itself is the lock.)
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn lock_service(tx: &DatabaseTransaction, id: &str) -> Result<Service> {
    let row = service::Entity::find()
        .filter(service::Column::Id.eq(id))
        .lock_exclusive()
        .one(tx)
        .await?;
    row.map(service_value)
        .ok_or_else(|| DbError::NotFound(id.to_owned()))
}

/// All services, by number.
pub async fn services(conn: &impl ConnectionTrait) -> Result<Vec<Service>> {
    let rows = service::Entity::find()
        .order_by_asc(service::Column::Seq)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(service_value).collect())
}

/// The agents' services of these hosts.
pub async fn agents(conn: &impl ConnectionTrait, of: &BTreeSet<&str>) -> Result<Vec<Service>> {
    let rows = service::Entity::find()
        .filter(service::Column::Binary.eq(COMPUTE))
        .filter(service::Column::Host.is_in(of.iter().copied()))
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(service_value).collect())
}

/// How long each agent has been silent, by the database's clock; those that never reported are left
/// out.
pub async fn silences(conn: &impl ConnectionTrait) -> Result<Vec<(String, TimeDelta)>> {
    let rows = service::Entity::find()
        .filter(service::Column::Binary.eq(COMPUTE))
        .filter(service::Column::LastSeen.is_not_null())
        .select_only()
        .columns([service::Column::Host, service::Column::LastSeen])
        .into_tuple::<(String, DateTime<Utc>)>()
        .all(conn)
        .await?;
    let now = sql::now(conn).await?;
    let silent = rows.into_iter().map(|(host, seen)| (host, now - seen));
    Ok(silent.collect())
}

/// The service of a host's agent, if it ever reported.
pub async fn agent(conn: &impl ConnectionTrait, host: &str) -> Result<Option<Service>> {
    let row = service_row(conn, host, COMPUTE).await?;
    Ok(row.map(service_value))
}

/// Writes what an administrator may change of a service: enabled, reason, forced down. Schedulers
/// read the host's nodes anew.
pub async fn save_service(tx: &DatabaseTransaction, changed: &Service) -> Result<()> {
    let done = service::Entity::update_many()
        .col_expr(service::Column::Disabled, Expr::value(changed.disabled))
        .col_expr(
            service::Column::DisabledReason,
            Expr::value(changed.disabled_reason.clone()),
        )
        .col_expr(
            service::Column::ForcedDown,
            Expr::value(changed.forced_down),
        )
        .col_expr(
            service::Column::UpdatedAt,
            Expr::value(Some(sql::micros(Utc::now()))),
        )
        .filter(service::Column::Id.eq(&changed.id))
        .exec(tx)
        .await?;
    if done.rows_affected == 0 {
        return Err(DbError::NotFound(changed.id.clone()));
    }
    let nodes = node::Entity::find()
        .filter(node::Column::Host.eq(&changed.host))
        .all(tx)
        .await?;
    for row in nodes {
        crate::claims::touch(tx, &row.id, 0).await?;
    }
    Ok(())
}

/// Makes claims on the nodes of a host wait until the transaction ends: those that were made are
/// seen, and none is added before the host is gone. Locks what a claim changes first, and last.
pub async fn close_to_claims(tx: &DatabaseTransaction, host: &str) -> Result<()> {
    let nodes = node::Entity::find()
        .filter(node::Column::Host.eq(host))
        .order_by_asc(node::Column::Seq)
        .all(tx)
        .await?;
    let ids: Vec<&str> = nodes.iter().map(|row| row.id.as_str()).collect();
    inventory::Entity::find()
        .filter(inventory::Column::NodeId.is_in(ids.iter().copied()))
        .order_by_asc(inventory::Column::NodeId)
        .order_by_asc(inventory::Column::Class)
        .lock_exclusive()
        .all(tx)
        .await?;
    node::Entity::find()
        .filter(node::Column::Id.is_in(ids))
        .order_by_asc(node::Column::Seq)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(())
}

/// Whether any consumer holds something of a host.
pub async fn has_claims(conn: &impl ConnectionTrait, host: &str) -> Result<bool> {
    let nodes: Vec<String> = node::Entity::find()
        .select_only()
        .column(node::Column::Id)
        .filter(node::Column::Host.eq(host))
        .into_tuple()
        .all(conn)
        .await?;
    let held = claim::Entity::find()
        .filter(claim::Column::NodeId.is_in(nodes))
        .count(conn)
        .await?;
    Ok(held > 0)
}

/// Forgets a service and its nodes. [`close_to_claims`] first, then look whether the host is empty.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn delete_service(tx: &DatabaseTransaction, id: &str) -> Result<()> {
    let row = service::Entity::find()
        .filter(service::Column::Id.eq(id))
        .one(tx)
        .await?
        .ok_or_else(|| DbError::NotFound(id.to_owned()))?;
    if row.binary == COMPUTE {
        for gone in node::Entity::find()
            .filter(node::Column::Host.eq(&row.host))
            .all(tx)
            .await?
        {
            inventory::Entity::delete_many()
                .filter(inventory::Column::NodeId.eq(&gone.id))
                .exec(tx)
                .await?;
            node::Entity::delete_by_id(gone.seq).exec(tx).await?;
        }
    }
    service::Entity::delete_by_id(row.seq).exec(tx).await?;
    Ok(())
}

/// The host of a node, if the node is known.
pub async fn host_of_node(conn: &impl ConnectionTrait, node_id: &str) -> Result<Option<String>> {
    let row = node::Entity::find()
        .filter(node::Column::Id.eq(node_id))
        .one(conn)
        .await?;
    Ok(row.map(|row| row.host))
}

/// The address of a node's host, if the node is known and its host said one.
pub async fn address_of_node(conn: &impl ConnectionTrait, node_id: &str) -> Result<Option<String>> {
    let row = node::Entity::find()
        .filter(node::Column::Id.eq(node_id))
        .one(conn)
        .await?;
    let address = row.map(|row| facts_of(&row).map(|facts| facts.host_ip));
    Ok(address.transpose()?.filter(|address| !address.is_empty()))
}

/// Writes what a host reported of its hypervisor. Claims on it stay as they are, also where the
/// host shrank below them.
///
/// # Errors
/// [`DbError::NodeRenamed`] when the node bears another name, [`DbError::NameTaken`] when another
/// node bears this one.
pub async fn report(
    tx: &DatabaseTransaction,
    host: &str,
    name: &str,
    node_id: &str,
    facts: &NodeFacts,
    now: DateTime<Utc>,
) -> Result<()> {
    let text = serde_json::to_string(facts).map_err(|source| DbError::Unreadable {
        id: node_id.to_owned(),
        source,
    })?;
    let known = node::Entity::find()
        .filter(node::Column::Id.eq(node_id))
        .one(tx)
        .await?;
    match known {
        Some(row) if row.host != host || row.name != name => {
            return Err(DbError::NodeRenamed {
                node_id: row.id,
                known: row.host,
                reported: host.to_owned(),
            });
        }
        // Nothing new: the scheduler need not read it again.
        Some(row) if row.facts == text => return Ok(()),
        Some(row) => {
            node::Entity::update_many()
                .col_expr(node::Column::Facts, Expr::value(text))
                .col_expr(node::Column::UpdatedAt, Expr::value(Some(now)))
                .filter(node::Column::Seq.eq(row.seq))
                .exec(tx)
                .await?;
        }
        None => {
            let same_name = node::Column::Host.eq(host).or(node::Column::Name.eq(name));
            let taken = node::Entity::find().filter(same_name).one(tx).await?;
            if let Some(other) = taken {
                return Err(DbError::NameTaken {
                    name: host.to_owned(),
                    node_id: other.id,
                });
            }
            let row = node::ActiveModel {
                seq: NotSet,
                id: Set(node_id.to_owned()),
                host: Set(host.to_owned()),
                name: Set(name.to_owned()),
                facts: Set(text),
                servers: Set(0),
                change: Set(0),
                failed_builds: Set(0),
                created_at: Set(now),
                updated_at: Set(None),
            };
            row.insert(tx)
                .await
                .map_err(|error| crate::error::duplicate(error, name))?;
        }
    }
    inventories(tx, node_id, facts).await?;
    crate::claims::touch(tx, node_id, 0).await?;
    Ok(())
}

async fn inventories(tx: &DatabaseTransaction, node_id: &str, facts: &NodeFacts) -> Result<()> {
    let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let rows = [
        (
            "VCPU",
            i64::from(facts.vcpus),
            i64::from(facts.reserved_vcpus),
            facts.cpu_ratio,
        ),
        (
            "MEMORY_MB",
            whole(facts.memory_mb),
            whole(facts.reserved_memory_mb),
            facts.ram_ratio,
        ),
        (
            "DISK_GB",
            whole(facts.disk_gb),
            whole(facts.reserved_disk_gb),
            facts.disk_ratio,
        ),
    ];
    for (class, total, reserved, ratio) in rows {
        let row = inventory::ActiveModel {
            node_id: Set(node_id.to_owned()),
            class: Set(class.to_owned()),
            total: Set(total),
            reserved: Set(reserved),
            ratio: Set(ratio),
            used: Set(0),
        };
        inventory::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([inventory::Column::NodeId, inventory::Column::Class])
                    .update_columns([
                        inventory::Column::Total,
                        inventory::Column::Reserved,
                        inventory::Column::Ratio,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Counts a build that failed on a node, so that schedulers turn to others first.
pub async fn build_failed(tx: &DatabaseTransaction, node_id: &str) -> Result<()> {
    node::Entity::update_many()
        .col_expr(
            node::Column::FailedBuilds,
            Expr::col(node::Column::FailedBuilds).add(1),
        )
        .filter(node::Column::Id.eq(node_id))
        .exec(tx)
        .await?;
    crate::claims::touch(tx, node_id, 0).await?;
    Ok(())
}

/// Whether the last build on a node failed. Most did not, and forgetting costs a transaction.
pub async fn has_failed_builds(conn: &impl ConnectionTrait, node_id: &str) -> Result<bool> {
    let found = node::Entity::find()
        .filter(node::Column::Id.eq(node_id))
        .filter(node::Column::FailedBuilds.gt(0))
        .count(conn)
        .await?;
    Ok(found > 0)
}

/// Forgets the failed builds of a node: one went well.
pub async fn build_succeeded(tx: &DatabaseTransaction, node_id: &str) -> Result<()> {
    node::Entity::update_many()
        .col_expr(node::Column::FailedBuilds, Expr::value(0_i64))
        .filter(node::Column::Id.eq(node_id))
        .exec(tx)
        .await?;
    crate::claims::touch(tx, node_id, 0).await?;
    Ok(())
}

/// Nodes with their services, by number; with `since`, only those changed after it.
///
/// Liveness is not a change: whoever judges it reads [`services`].
pub async fn nodes(conn: &impl ConnectionTrait, since: Option<i64>) -> Result<Vec<Node>> {
    let mut query = node::Entity::find().order_by_asc(node::Column::Seq);
    if let Some(since) = since {
        query = query.filter(node::Column::Change.gt(since));
    }
    let rows = query.all(conn).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let services = services(conn).await?;
    let mut stock = inventory::Entity::find();
    if since.is_some() {
        let ids = rows.iter().map(|row| row.id.as_str());
        stock = stock.filter(inventory::Column::NodeId.is_in(ids));
    }
    let stock = stock.all(conn).await?;
    let mut nodes = Vec::with_capacity(rows.len());
    for row in rows {
        // A node whose service was just deleted is about to go too.
        let Some(service) = services
            .iter()
            .find(|service| service.host == row.host && service.binary == COMPUTE)
        else {
            continue;
        };
        let used = |class: &str| {
            let found = stock
                .iter()
                .find(|item| item.node_id == row.id && item.class == class);
            found.map_or(0, |item| u64::try_from(item.used).unwrap_or_default())
        };
        let used = Used {
            vcpus: used("VCPU"),
            memory_mb: used("MEMORY_MB"),
            disk_gb: used("DISK_GB"),
            servers: u64::try_from(row.servers).unwrap_or_default(),
        };
        nodes.push(node_value(row, service.clone(), used)?);
    }
    Ok(nodes)
}

fn facts_of(row: &node::Model) -> Result<NodeFacts> {
    serde_json::from_str(&row.facts).map_err(|source| DbError::Unreadable {
        id: row.id.clone(),
        source,
    })
}

fn node_value(row: node::Model, service: Service, used: Used) -> Result<Node> {
    let facts = facts_of(&row)?;
    Ok(Node {
        seq: row.seq,
        id: row.id,
        host: row.host,
        name: row.name,
        facts,
        change: row.change,
        service,
        used,
        failed_builds: u64::try_from(row.failed_builds).unwrap_or_default(),
    })
}

async fn service_row(
    conn: &impl ConnectionTrait,
    host: &str,
    binary: &str,
) -> Result<Option<service::Model>> {
    Ok(service::Entity::find()
        .filter(service::Column::Host.eq(host))
        .filter(service::Column::Binary.eq(binary))
        .one(conn)
        .await?)
}

fn service_value(row: service::Model) -> Service {
    Service {
        seq: row.seq,
        id: row.id,
        host: row.host,
        binary: row.binary,
        disabled: row.disabled,
        disabled_reason: row.disabled_reason,
        forced_down: row.forced_down,
        last_seen: row.last_seen,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
