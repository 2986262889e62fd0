//! What database, back ends, what serves volumes, and the folder of backups disagree about.

use std::collections::{BTreeMap, BTreeSet};

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::backends::Backend;
use crate::driver::{Id, Part, Snapshot};
use crate::exports;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{BackupStatus, backup, snapshot, volume};

/// What the audit reads of a volume.
struct VolumeRow {
    host: Option<String>,
    failed: bool,
}

/// The ids of a snapshot and its volume, and its status.
type SnapshotRow = (String, String, snapshot::SnapshotStatus);

impl Volumes {
    /// A sentence for everything that database and back ends disagree about. Operations under way look like leaks: ask a
    /// quiet service.
    ///
    /// # Errors
    /// Database or a back end do not answer.
    pub async fn audit(&self) -> Result<Vec<String>, Fault> {
        let volumes = self.volume_rows().await?;
        let snapshots = self.snapshot_rows().await?;
        let mut found = Vec::new();
        for backend in self.backends().iter() {
            let there = backend.driver.inventory().await?.into_iter().map(name);
            found.extend(self.compared(backend, &volumes, &snapshots, there.collect()));
        }
        if self.backends().listed() {
            found.extend(self.nowhere(&volumes));
        }
        found.extend(exports::audit(self.core()).await?);
        found.extend(self.audit_backups().await?);
        Ok(found)
    }

    async fn volume_rows(&self) -> Result<BTreeMap<String, VolumeRow>, Fault> {
        let rows: Vec<(String, Option<String>, volume::Status)> = volume::Entity::find()
            .select_only()
            .columns([
                volume::Column::Id,
                volume::Column::Host,
                volume::Column::Status,
            ])
            .filter(volume::Column::TargetOf.is_null())
            .into_tuple()
            .all(self.db().read())
            .await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|(id, host, status)| {
                let failed = status.is_error();
                (id, VolumeRow { host, failed })
            })
            .collect())
    }

    async fn snapshot_rows(&self) -> Result<Vec<SnapshotRow>, Fault> {
        Ok(snapshot::Entity::find()
            .select_only()
            .columns([
                snapshot::Column::Id,
                snapshot::Column::VolumeId,
                snapshot::Column::Status,
            ])
            .into_tuple()
            .all(self.db().read())
            .await?)
    }

    /// What rows and one back end disagree about.
    fn compared(
        &self,
        backend: &Backend,
        volumes: &BTreeMap<String, VolumeRow>,
        snapshots: &[SnapshotRow],
        there: BTreeSet<String>,
    ) -> Vec<String> {
        let listed = self.backends().listed();
        let (pool, at) = match listed {
            true => (backend.pool_name(), format!("back end {}", backend.host)),
            false => (backend.pool_name(), "back end".to_owned()),
        };
        let is_here = |row: &VolumeRow| row.host.as_deref() == Some(pool.as_str());
        // One alone has the volumes of all rows.
        let may_be_here = |row: Option<&VolumeRow>| !listed || row.is_some_and(is_here);
        let mut wanted = BTreeSet::new();
        let mut tolerated = BTreeSet::new();
        for (id, row) in volumes {
            let part = parsed(id).map(Part::Volume).map(name);
            match is_here(row) && !row.failed {
                true => wanted.extend(part),
                false if may_be_here(Some(row)) => tolerated.extend(part),
                false => {}
            }
        }
        for (id, volume, status) in snapshots {
            if !may_be_here(volumes.get(volume)) {
                continue;
            }
            let part = parsed(volume).zip(parsed(id));
            let part = part.map(|(volume, id)| name(Part::Snapshot(Snapshot { volume, id })));
            match status {
                snapshot::SnapshotStatus::Available => wanted.extend(part),
                _ => tolerated.extend(part),
            }
        }
        let missing = wanted.difference(&there);
        let missing = missing.map(|one| format!("{one} is in the database and not on the {at}"));
        let left = there.difference(&wanted);
        let left = left.filter(|left| !tolerated.contains(*left));
        let left = left.map(|left| {
            let id = left.strip_prefix("volume ");
            match id
                .and_then(|id| volumes.get(id))
                .and_then(|row| row.host.as_deref())
            {
                Some(host) if listed => {
                    format!("{left} is on the {at}, and the database has it on {host}")
                }
                _ => format!("{left} is on the {at} and not in the database"),
            }
        });
        missing.chain(left).collect()
    }

    /// Volumes of this host on back ends that it has not.
    fn nowhere(&self, volumes: &BTreeMap<String, VolumeRow>) -> Vec<String> {
        let own = format!("{}@", self.settings().host);
        let mut found = Vec::new();
        for (id, row) in volumes {
            if let Some(host) = row.host.as_deref().filter(|host| host.starts_with(&own))
                && self.backends().of(Some(host)).is_err()
            {
                found.push(format!(
                    "volume {id} is on {host}, and enabled_backends does not list that back end"
                ));
            }
        }
        found
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
