//! A node that bears another name from now on.

use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::ExprTrait;
use sql::sea_orm::{DatabaseTransaction, Set};

use crate::tables::{aggregate_host, letting_go, node, quarantine, server, service};
use crate::{DbError, Result, events};

/// Gives a node another name, with everything that names its host: services, servers, aggregates,
/// words, quarantined guests. The name before; none when the node is unknown.
///
/// # Errors
/// [`DbError::NameTaken`] when another node or agent bears the name.
pub async fn rename(tx: &DatabaseTransaction, node_id: &str, name: &str) -> Result<Option<String>> {
    let known = node::Entity::find()
        .filter(node::Column::Id.eq(node_id))
        .one(tx)
        .await?;
    let Some(known) = known else {
        return Ok(None);
    };
    if known.host == name && known.name == name {
        return Ok(Some(known.host));
    }
    free(tx, node_id, name).await?;
    node::Entity::update_many()
        .set(node::ActiveModel {
            host: Set(name.to_owned()),
            name: Set(name.to_owned()),
            ..Default::default()
        })
        .filter(node::Column::Seq.eq(known.seq))
        .exec(tx)
        .await?;
    events::renamed(tx, node_id, name).await?;
    server::Entity::update_many()
        .set(server::ActiveModel {
            host: Set(Some(name.to_owned())),
            node: Set(Some(name.to_owned())),
            ..Default::default()
        })
        .filter(server::Column::NodeId.eq(node_id))
        .exec(tx)
        .await?;
    services(tx, &known.host, name).await?;
    aggregate_host::Entity::update_many()
        .col_expr(aggregate_host::Column::Host, Expr::value(name))
        .filter(aggregate_host::Column::Host.eq(&known.host))
        .exec(tx)
        .await?;
    letting_go::Entity::update_many()
        .col_expr(letting_go::Column::Host, Expr::value(name))
        .filter(letting_go::Column::NodeId.eq(node_id))
        .exec(tx)
        .await?;
    quarantine::Entity::update_many()
        .col_expr(quarantine::Column::Host, Expr::value(name))
        .filter(quarantine::Column::NodeId.eq(node_id))
        .exec(tx)
        .await?;
    crate::claims::touch(tx, node_id, 0).await?;
    Ok(Some(known.host))
}

async fn free(tx: &DatabaseTransaction, node_id: &str, name: &str) -> Result<()> {
    let same_name = node::Column::Host.eq(name).or(node::Column::Name.eq(name));
    let other = node::Entity::find()
        .filter(same_name)
        .filter(node::Column::Id.ne(node_id))
        .one(tx)
        .await?;
    let taken = |node_id: String| DbError::NameTaken {
        name: name.to_owned(),
        node_id,
    };
    if let Some(other) = other {
        return Err(taken(other.id));
    }
    match super::agent(tx, name).await? {
        None => Ok(()),
        Some(service) => Err(taken(format!("of service {}", service.id))),
    }
}

/// The agent's service keeps its id; other services of the host start anew under the new name.
async fn services(tx: &DatabaseTransaction, before: &str, name: &str) -> Result<()> {
    service::Entity::update_many()
        .col_expr(service::Column::Host, Expr::value(name))
        .filter(service::Column::Host.eq(before))
        .filter(service::Column::Binary.eq(super::COMPUTE))
        .exec(tx)
        .await?;
    service::Entity::delete_many()
        .filter(service::Column::Host.eq(before))
        .exec(tx)
        .await?;
    Ok(())
}

/// The node that bears this name.
pub async fn node_named(conn: &impl ConnectionTrait, name: &str) -> Result<Option<String>> {
    let row = node::Entity::find()
        .filter(node::Column::Host.eq(name))
        .one(conn)
        .await?;
    Ok(row.map(|row| row.id))
}

/// All nodes, by number: ids and names of their hosts.
pub async fn names(conn: &impl ConnectionTrait) -> Result<Vec<(String, String)>> {
    let mut rows = node::Entity::find().all(conn).await?;
    rows.sort_by_key(|row| row.seq);
    Ok(rows.into_iter().map(|row| (row.id, row.host)).collect())
}
