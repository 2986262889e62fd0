//! The reconciler: makes the host's networks what the tables say, on every change and on a timer.
//!
//! After each round, ports whose tap is ready are ACTIVE and compute has been told; ports whose tap failed stay
//! DOWN, with the reason in the log, and are tried again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use network_plane::{Object, Plane, Report};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use crate::agents;
use crate::core::Core;
use crate::events::{self, Event};
use crate::fault::{Chain, Fault, Result};
use crate::tables::ports;
use crate::wanted;
use crate::words::Status;

/// How long changes are gathered before they are applied: a burst of boots becomes one round, and the wait is small
/// against what a round costs.
const GATHER: Duration = Duration::from_millis(3);

/// Runs rounds until told to stop. Without a plane, only the heartbeat.
pub async fn run(core: Arc<Core>, plane: Option<Plane>, stop: CancellationToken) {
    let period = Duration::from_secs(core.settings.reconcile_seconds.max(1));
    loop {
        if let Err(error) = agents::beat(&core).await {
            tracing::warn!(error = %Chain(&error), "cannot note that this host's networks are looked after");
        }
        if let Some(plane) = &plane
            && let Err(error) = round(&core, plane).await
        {
            tracing::error!(error = %Chain(error.as_ref()), "cannot bring this host's networks in line");
        }
        let nudged = async {
            if plane.is_none() {
                std::future::pending::<()>().await;
            }
            core.changed.notified().await;
            tokio::time::sleep(GATHER).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudged => {}
            () = tokio::time::sleep(period) => {}
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One round.
async fn round(core: &Core, plane: &Plane) -> Result<(), Failure> {
    let wanted = wanted::read(core).await?;
    let report = plane.apply(&wanted).await?;
    for failure in &report.failures {
        tracing::error!(object = %failure.object, error = failure.error, "cannot be wired, it is tried again");
    }
    settle(core, &report).await?;
    Ok(())
}

/// Brings the status of ports in line with the report.
async fn settle(core: &Core, report: &Report) -> Result<()> {
    let ready: HashSet<&str> = report.ready_ports.iter().map(String::as_str).collect();
    let broken = |object: Object| {
        report
            .failures
            .iter()
            .any(|failure| failure.object == object)
    };
    let candidates = ports::Entity::find()
        .filter(ports::Column::Host.eq(&core.settings.host))
        .all(core.db.read())
        .await?;
    for port in candidates {
        let up = match wanted::is_own(&port.device_owner) {
            true => {
                !broken(Object::Network(port.network_id.clone()))
                    && !broken(Object::Router(port.device_id.clone()))
            }
            false => ready.contains(port.id.as_str()) && port.admin_state_up,
        };
        let status = Status::of(up);
        if port.status != status {
            set_status(core, &port, status).await?;
        }
    }
    Ok(())
}

/// Changes a port's status and tells compute, unless the port was bound elsewhere meanwhile.
async fn set_status(core: &Core, seen: &ports::Model, status: Status) -> Result<()> {
    let done = sql::retry(|| async {
        let tx = core.db.begin().await?;
        let changed = ports::Entity::update_many()
            .col_expr(
                ports::Column::Status,
                sql::sea_orm::sea_query::Expr::value(status),
            )
            .filter(ports::Column::Id.eq(&seen.id))
            .filter(ports::Column::Host.eq(&seen.host))
            .filter(ports::Column::Status.eq(seen.status))
            .exec(&tx)
            .await?;
        if changed.rows_affected == 1 {
            let event = match status {
                Status::Active => Event::Plugged,
                Status::Down => Event::Unplugged,
            };
            events::tell(&tx, core, event, seen).await?;
        }
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    core.told.notify_one();
    done
}
