//! A reconciler: what is done with servers when their owners say nothing for a while. A new size counts as confirmed
//! (`resize_confirm_window`), a shelved server leaves its host (`shelved_offload_time`), and a server that was kept as deleted
//! goes (`reclaim_instance_interval`).
//!
//! What is due is decided by the database's clock, and again with the server's row locked: of several conductors one begins
//! it, and a server that was restored meanwhile stays.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::{Database, DbError, servers};
use compute_model::lifecycle::{self, Action, Operation, Refusal, Rule};
use compute_model::request::Explanation;
use compute_model::{Server, VmState};
use compute_rpc::workflows::{
    Asked, CONFIRM_RESIZE, DELETE, DELETE_VERSION, Delete, RESIZE_VERSION, Resize, SHELVE,
    SHELVE_VERSION, Shelve,
};
use sql::sea_orm::DatabaseTransaction;
use tokio_util::sync::CancellationToken;
use workflow::WorkflowError;

use crate::records;

/// How often it looks at the most.
const EVERY: Duration = Duration::from_secs(60);

/// After how long; none: never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    pub resized: Option<Duration>,
    pub shelved: Option<Duration>,
    pub deleted: Option<Duration>,
}

/// Looks until `stop`. The journal's sweep finds what it begins.
pub async fn run(db: &Database, limits: Limits, stop: CancellationToken) {
    let all = [limits.resized, limits.shelved, limits.deleted];
    let Some(shortest) = all.into_iter().flatten().min() else {
        return;
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY.min(shortest)) => {}
            () = stop.cancelled() => return,
        }
        match once(db, limits).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "began what nobody asked for in time"),
            Err(error) => tracing::warn!(%error, "cannot look after servers; tried again later"),
        }
    }
}

/// Begins what is due; gives how much.
async fn once(db: &Database, limits: Limits) -> Result<usize, DbError> {
    let now = sql::now(db.read()).await?;
    let mut begun = 0;
    for due in Due::ALL {
        let Some(before) = before(now, due.limit(limits)) else {
            continue;
        };
        for id in servers::waiting_since(db.read(), due.waits_in(), before).await? {
            begun += usize::from(begin(db, &id, (*due, before)).await?);
        }
    }
    Ok(begun)
}

fn before(now: DateTime<Utc>, limit: Option<Duration>) -> Option<DateTime<Utc>> {
    now.checked_sub_signed(TimeDelta::from_std(limit?).ok()?)
}

#[derive(Clone, Copy)]
enum Due {
    Confirm,
    Offload,
    Reclaim,
}

impl Due {
    const ALL: &'static [Due] = &[Due::Confirm, Due::Offload, Due::Reclaim];

    fn limit(self, limits: Limits) -> Option<Duration> {
        match self {
            Due::Confirm => limits.resized,
            Due::Offload => limits.shelved,
            Due::Reclaim => limits.deleted,
        }
    }

    fn waits_in(self) -> VmState {
        match self {
            Due::Confirm => VmState::Resized,
            Due::Offload => VmState::Shelved,
            Due::Reclaim => VmState::SoftDeleted,
        }
    }

    fn admit(self, server: &Server) -> Result<Rule, Refusal> {
        match self {
            Due::Confirm => lifecycle::admit(Action::ConfirmResize, server, true),
            Due::Offload => lifecycle::admit_operation(Operation::ShelveOffload, server, true),
            Due::Reclaim => lifecycle::admit_operation(Operation::Reclaim, server, true),
        }
    }

    /// Whether it is due of the server as it is now: one may have been restored, and deleted again.
    fn still(self, server: &Server, before: DateTime<Utc>) -> bool {
        match self {
            Due::Confirm | Due::Offload => true,
            Due::Reclaim => server.soft_deleted_at.is_some_and(|since| since < before),
        }
    }

    async fn insert(
        self,
        tx: &DatabaseTransaction,
        server: &Server,
        asked: Asked,
    ) -> Result<(), WorkflowError> {
        let (server_id, epoch) = (server.id.clone(), server.epoch);
        match self {
            Due::Confirm => {
                let state = Resize {
                    server_id,
                    asked,
                    epoch,
                    explanation: Explanation::default(),
                    lost: false,
                    power_state: None,
                };
                let kind = (CONFIRM_RESIZE, RESIZE_VERSION);
                workflow::insert(tx, kind, &server.id, &state).await?;
            }
            Due::Reclaim => {
                // Changes of its devices.
                workflow::request_cancel(tx, &server.id).await?;
                let state = Delete {
                    server_id,
                    asked,
                    image: None,
                };
                let kind = (DELETE, DELETE_VERSION);
                workflow::insert(tx, kind, &server.id, &state).await?;
            }
            Due::Offload => {
                let state = Shelve {
                    server_id,
                    asked,
                    epoch,
                    was: VmState::Shelved,
                    image: None,
                    offload: true,
                    stopped: false,
                };
                workflow::insert(tx, (SHELVE, SHELVE_VERSION), &server.id, &state).await?;
            }
        }
        Ok(())
    }
}

/// Begins one, if nobody was faster.
async fn begin(
    db: &Database,
    id: &str,
    (due, before): (Due, DateTime<Utc>),
) -> Result<bool, DbError> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        let mut server = match servers::lock(&tx, id).await {
            Err(DbError::NotFound(_)) => return Ok(false),
            other => other?,
        };
        let Ok(rule) = due.admit(&server) else {
            return Ok(false);
        };
        if !due.still(&server, before) {
            return Ok(false);
        }
        server.task_state = rule.claims;
        server.epoch += 1;
        servers::save(&tx, &mut server).await?;
        let asked = records::begin_unasked(&tx, &server, rule.record).await?;
        let inserted = due.insert(&tx, &server, asked).await;
        inserted.map_err(|error| records::unwritten(&server.id, error))?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

#[cfg(test)]
mod tests {
    use compute_model::TaskState;
    use compute_model::testing::server;

    use super::*;

    #[test]
    fn of_a_server_that_was_restored_and_deleted_again_the_time_begins_anew() {
        let due = |since: i64, before: i64| {
            let moment = |second| DateTime::from_timestamp(second, 0).expect("a moment");
            let mut kept = server("s1");
            kept.soft_deleted_at = Some(moment(since));
            Due::Reclaim.still(&kept, moment(before))
        };
        assert!(due(10, 11));
        assert!(!due(11, 11));
        assert!(!due(12, 11));
        assert!(!Due::Reclaim.still(&server("s1"), DateTime::UNIX_EPOCH));
    }

    #[test]
    fn only_a_server_that_is_kept_and_left_alone_goes() {
        let mut kept = server("s1");
        assert!(Due::Reclaim.admit(&kept).is_err());
        kept.vm_state = VmState::SoftDeleted;
        assert!(Due::Reclaim.admit(&kept).is_ok());
        kept.task_state = Some(TaskState::Restoring);
        assert!(Due::Reclaim.admit(&kept).is_err());
    }
}
