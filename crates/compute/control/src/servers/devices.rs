//! Changes of a server's devices, network cards and volumes: they are made in the order in which they were accepted.

use compute_rpc::workflows::DEVICE_CHANGES;
use sql::sea_orm::DatabaseTransaction;

use crate::{ControlError, Result};

/// How many changes of a server's devices wait for one another: each looks now and then whether it may begin.
const MOST: usize = 16;

/// The changes of a server's devices that are under way. The caller holds the server's row: none is accepted meanwhile.
pub(super) async fn under_way(tx: &DatabaseTransaction, server_id: &str) -> Result<Vec<String>> {
    let running = workflow::find(tx, server_id).await?;
    let changes = running
        .iter()
        .filter(|record| DEVICE_CHANGES.contains(&record.kind.as_str()));
    let changes: Vec<String> = changes.map(|record| record.id.to_string()).collect();
    match changes.len() < MOST {
        true => Ok(changes),
        false => Err(ControlError::Conflict {
            why: format!("{MOST} changes of the server's devices are under way already."),
        }),
    }
}
