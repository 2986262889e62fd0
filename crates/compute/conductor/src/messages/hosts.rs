//! Hosts and services report that they are alive.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_db::{DbError, hosts, letting_go};
use compute_rpc::conductor::{HostOrders, HostReport, ServiceReport};

use super::{Desk, database, own_cloud};
use crate::records;

/// A host is alive and offers this.
pub async fn report(
    desk: Arc<Desk>,
    _context: Context,
    message: HostReport,
) -> Result<HostOrders, Failure> {
    own_cloud(&desk, &message.cloud_id, &message.host)?;
    if message.started {
        tracing::info!(
            host = %message.host,
            node = message.node,
            "a host began to report"
        );
    }
    let service = sql::retry(|| async {
        let tx = desk.db.begin().await?;
        let now = records::now();
        let service = hosts::note_service(&tx, &message.host, hosts::COMPUTE).await?;
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
    .map_err(refused)?;
    let words = letting_go::of_node(desk.db.read(), &message.node_id)
        .await
        .map_err(database)?;
    Ok(HostOrders {
        enabled: !service.disabled,
        report_guests: !words.is_empty(),
    })
}

/// A report that contradicts what is known of the host's node is not tried again.
fn refused(error: DbError) -> Failure {
    match error {
        DbError::NodeRenamed { .. } | DbError::NameTaken { .. } => {
            tracing::error!(%error, "a host's report is refused");
            Failure::new("node_mismatch", error.to_string())
        }
        other => database(other),
    }
}

/// A role other than compute is alive.
pub async fn service(
    desk: Arc<Desk>,
    _context: Context,
    message: ServiceReport,
) -> Result<(), Failure> {
    own_cloud(&desk, &message.cloud_id, &message.host)?;
    sql::retry(|| async {
        let tx = desk.db.begin().await?;
        hosts::note_service(&tx, &message.host, &message.binary).await?;
        tx.commit().await?;
        Ok::<_, DbError>(())
    })
    .await
    .map_err(database)
}
