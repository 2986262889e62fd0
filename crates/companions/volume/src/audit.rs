//! What database, back end and folder of backups disagree about.

use std::collections::BTreeSet;

use sql::sea_orm::{EntityTrait, QuerySelect};

use crate::db::store;
use crate::driver::{Id, Part, Snapshot};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{BackupStatus, backup, snapshot, volume};

impl Volumes {
    /// A sentence for everything that database and back end disagree about. Operations under way look like leaks: ask a
    /// quiet service.
    ///
    /// # Errors
    /// Database or back end do not answer.
    pub async fn audit(&self) -> Result<Vec<String>, Fault> {
        let core = self.core();
        let mut wanted = BTreeSet::new();
        let mut found = Vec::new();
        let rows: Vec<(String, Option<String>, volume::Status)> = volume::Entity::find()
            .select_only()
            .columns([
                volume::Column::Id,
                volume::Column::Host,
                volume::Column::Status,
            ])
            .into_tuple()
            .all(core.db.read())
            .await?;
        for (id, host, status) in rows {
            if host.as_deref() == Some(core.pool_name().as_str()) && !status.is_error() {
                wanted.extend(parsed(&id).map(Part::Volume).map(name));
            }
        }
        let rows: Vec<(String, String, snapshot::SnapshotStatus)> = snapshot::Entity::find()
            .select_only()
            .columns([
                snapshot::Column::Id,
                snapshot::Column::VolumeId,
                snapshot::Column::Status,
            ])
            .into_tuple()
            .all(core.db.read())
            .await?;
        let mut tolerated: BTreeSet<String> = BTreeSet::new();
        for (id, volume, status) in rows {
            let part = parsed(&volume).zip(parsed(&id));
            let part = part.map(|(volume, id)| name(Part::Snapshot(Snapshot { volume, id })));
            match status {
                snapshot::SnapshotStatus::Available => wanted.extend(part),
                _ => tolerated.extend(part),
            }
        }
        let there: BTreeSet<String> = self.inventory().await?.into_iter().map(name).collect();
        for missing in wanted.difference(&there) {
            found.push(format!(
                "{missing} is in the database and not on the back end"
            ));
        }
        for left in there
            .difference(&wanted)
            .filter(|left| !tolerated.contains(*left))
        {
            if !self.is_known(left).await? {
                found.push(format!("{left} is on the back end and not in the database"));
            }
        }
        found.extend(self.audit_backups().await?);
        Ok(found)
    }

    /// The same of backups.
    async fn audit_backups(&self) -> Result<Vec<String>, Fault> {
        let vault = self.core().vault();
        let there = tokio::task::spawn_blocking(move || vault.inventory()).await;
        let there = there.map_err(|_| Fault::Internal("a thread ended early"))?;
        let there = there.map_err(|error| Fault::Backend(error.to_string()))?;
        let there: BTreeSet<String> = there.iter().map(Id::to_string).collect();
        let rows: Vec<(String, Option<String>, BackupStatus)> = backup::Entity::find()
            .select_only()
            .columns([
                backup::Column::Id,
                backup::Column::Host,
                backup::Column::Status,
            ])
            .into_tuple()
            .all(self.db().read())
            .await?;
        let mut found = Vec::new();
        let host = self.settings().host.as_str();
        for (id, at, status) in &rows {
            let wanted = *status == BackupStatus::Available && at.as_deref() == Some(host);
            if wanted && !there.contains(id) {
                found.push(format!(
                    "backup {id} is in the database and not in the folder"
                ));
            }
        }
        for left in &there {
            if !rows.iter().any(|(id, ..)| id == left) {
                found.push(format!(
                    "backup {left} is in the folder and not in the database"
                ));
            }
        }
        Ok(found)
    }

    async fn inventory(&self) -> Result<Vec<Part>, Fault> {
        Ok(self.driver().inventory().await?)
    }

    /// Whether a volume of a row, whatever its status, has this name.
    async fn is_known(&self, name: &str) -> Result<bool, Fault> {
        let Some(id) = name.strip_prefix("volume ") else {
            return Ok(false);
        };
        Ok(store::find::<volume::Entity>(self.db().read(), id)
            .await?
            .is_some())
    }
}

fn parsed(id: &str) -> Option<Id> {
    id.parse().ok()
}

fn name(part: Part) -> String {
    match part {
        Part::Volume(id) => format!("volume {id}"),
        Part::Snapshot(snapshot) => {
            format!("snapshot {} of volume {}", snapshot.id, snapshot.volume)
        }
    }
}
