//! Servers that a host is to let go: the lasting word that it was given up, or left.
//!
//! A word is written in the transaction that gives the host up or takes the server from it, and
//! stays until the host says that nothing of the server is left there. Without one no host removes a
//! guest whose row is not deleted.

use std::collections::BTreeMap;

use compute_model::Server;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{ActiveValue::Set, DatabaseTransaction};

use crate::Result;
use crate::tables::letting_go::{ActiveModel, Column, Entity};

/// Writes that the host of `server` is to let it go as of its present epoch. A server that is on no
/// host needs no word. The row must be locked in `tx`.
pub async fn note(tx: &DatabaseTransaction, server: &Server) -> Result<()> {
    match (&server.host, &server.node_id) {
        (Some(host), Some(node_id)) => note_for(tx, &server.id, host, node_id, server.epoch).await,
        _ => Ok(()),
    }
}

/// Writes that this host is to let a server go as of `epoch`, whatever the server's row says.
pub async fn note_for(
    tx: &DatabaseTransaction,
    server_id: &str,
    host: &str,
    node_id: &str,
    epoch: i64,
) -> Result<()> {
    let row = ActiveModel {
        server_id: Set(server_id.to_owned()),
        node_id: Set(node_id.to_owned()),
        host: Set(host.to_owned()),
        epoch: Set(epoch),
        at: Set(sql::now(tx).await?),
    };
    let newer = OnConflict::columns([Column::ServerId, Column::NodeId])
        .update_columns([Column::Host, Column::Epoch, Column::At])
        .to_owned();
    Entity::insert(row)
        .on_conflict(newer)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Takes the word back: the server is placed on this node. True when there was one: the host may be
/// removing the server as of its epoch, so the server needs a higher one.
pub async fn take_back(tx: &DatabaseTransaction, server_id: &str, node_id: &str) -> Result<bool> {
    let done = Entity::delete_by_id((server_id.to_owned(), node_id.to_owned()))
        .exec(tx)
        .await?;
    Ok(done.rows_affected > 0)
}

/// Forgets words that a host fulfilled with this epoch; a newer word stays.
pub async fn fulfilled(
    conn: &impl ConnectionTrait,
    server_id: &str,
    node_id: &str,
    epoch: i64,
) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ServerId.eq(server_id))
        .filter(Column::NodeId.eq(node_id))
        .filter(Column::Epoch.lte(epoch))
        .exec(conn)
        .await?;
    Ok(())
}

/// What a node is to let go: server ids and epochs.
pub async fn of_node(conn: &impl ConnectionTrait, node_id: &str) -> Result<BTreeMap<String, i64>> {
    let rows = Entity::find()
        .filter(Column::NodeId.eq(node_id))
        .all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.server_id, row.epoch))
        .collect())
}
