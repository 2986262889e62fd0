//! Servers that matter to where another one goes: those of its group, and those that its hints name.
//!
//! The scheduler is told where they are when it is asked. That may be old when its answer is used:
//! two members of a group may be placed at once. So the group is asked again where the host is
//! claimed, under its lock ([`admits`]); Nova's agents do the same after the claim.

use std::collections::BTreeMap;

use compute_db::{DbError, server_groups, servers};
use compute_model::Server;
use compute_model::request::{PlacementRequest, all_servers_named};
use compute_model::server_group::{self, GroupPlacement};
use sql::sea_orm::DatabaseTransaction;
use workflow::StepError;

use crate::env::Env;
use crate::records;

/// Completes a question to the scheduler. Servers without such hints cost no query.
pub async fn note(
    env: &Env,
    server: &Server,
    request: &mut PlacementRequest,
) -> Result<(), StepError> {
    let db = env.db.read();
    if let Some(id) = server_group::named_by(&server.hints) {
        let group = match server_groups::find(db, id).await {
            // It was deleted: its servers go where they like.
            Err(DbError::NotFound(_)) => None,
            other => Some(other.map_err(records::database)?),
        };
        if let Some(group) = group {
            let hosts = server_groups::hosts(db, id, &server.id).await;
            let hosts = hosts.map_err(records::database)?;
            request.group = Some(GroupPlacement::new(&group, hosts));
        }
    }
    let named: Vec<&str> = all_servers_named(&server.hints).collect();
    request.named_servers = match named.is_empty() {
        true => BTreeMap::new(),
        false => servers::hosts_of(db, &named)
            .await
            .map_err(records::database)?,
    };
    Ok(())
}

/// Whether the server's group takes `host`, which stays true until the transaction ends. To be
/// asked before anything is read in it, see [`server_groups::lock`].
///
/// # Errors
/// The outer one is the database's, the inner one says why not.
pub async fn admits(
    tx: &DatabaseTransaction,
    server: &Server,
    host: &str,
) -> Result<Result<(), String>, DbError> {
    let Some(id) = server_group::named_by(&server.hints) else {
        return Ok(Ok(()));
    };
    let group = match server_groups::lock(tx, id).await {
        Err(DbError::NotFound(_)) => return Ok(Ok(())),
        other => other?,
    };
    let hosts = server_groups::hosts(tx, id, &server.id).await?;
    Ok(GroupPlacement::new(&group, hosts).admits(host))
}
