//! Hosts and services report that they are alive.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_db::{DbError, hosts};
use compute_rpc::conductor::{HostOrders, HostReport, ServiceReport};

use super::{Desk, database};
use crate::records;

/// A host is alive and offers this.
pub async fn report(
    desk: Arc<Desk>,
    _context: Context,
    message: HostReport,
) -> Result<HostOrders, Failure> {
    if message.started {
        tracing::info!(
            host = message.host,
            node = message.node,
            "a host began to report"
        );
    }
    let service = sql::retry(|| async {
        let tx = desk.db.begin().await?;
        let now = records::now();
        let service = hosts::seen(&tx, &message.host, hosts::COMPUTE, now).await?;
        hosts::report(
            &tx,
            &message.host,
            &message.node,
            &message.node_id,
            &message.facts,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok::<_, DbError>(service)
    })
    .await
    .map_err(database)?;
    Ok(HostOrders {
        enabled: !service.disabled,
    })
}

/// A role other than compute is alive.
pub async fn service(
    desk: Arc<Desk>,
    _context: Context,
    message: ServiceReport,
) -> Result<(), Failure> {
    sql::retry(|| async {
        let tx = desk.db.begin().await?;
        hosts::seen(&tx, &message.host, &message.binary, records::now()).await?;
        tx.commit().await?;
        Ok::<_, DbError>(())
    })
    .await
    .map_err(database)
}
