//! Backups under the harness.

use std::os::unix::fs::FileExt;

use workflow::Status as Ended;

use super::*;
use crate::tables::{BackupStatus, backup};
use crate::vault::Kept;
use crate::work::{backup as backups, busy, restore, upload};

impl Stage {
    /// A row, and files where it is one of a backup that is there.
    pub(super) async fn backup(&self, of: &volume::Model, status: BackupStatus) -> backup::Model {
        let row = backup::Model {
            id: store::new_id(),
            project_id: "project".to_owned(),
            user_id: "user".to_owned(),
            volume_id: of.id.clone(),
            snapshot_id: None,
            parent_id: None,
            name: None,
            description: None,
            status,
            size: 1,
            object_count: 0,
            container: None,
            availability_zone: None,
            host: None,
            service: None,
            fail_reason: None,
            restore_volume_id: None,
            data_timestamp: store::now(),
            created_at: store::now(),
            updated_at: None,
        };
        store::insert(self.core.db.write(), row.clone())
            .await
            .expect("a row");
        if status != BackupStatus::Creating {
            let id = row.id.parse().expect("an id");
            let vault = self.core.vault();
            let done = vault.ensure(id, &self.disk(&of.id).await, None, Kept::default());
            done.expect("a backup");
        }
        row
    }

    pub(super) async fn disk(&self, id: &str) -> std::path::PathBuf {
        let part = Part::Volume(id.parse().expect("an id"));
        self.driver(FAST).readable(part).await.expect("a disk")
    }

    pub(super) async fn write(&self, id: &str, bytes: &[u8]) {
        let disk = std::fs::OpenOptions::new()
            .write(true)
            .open(self.disk(id).await);
        disk.expect("opens")
            .write_all_at(bytes, 0)
            .expect("written");
    }
}

async fn backup_row(core: &Core, id: &str) -> Option<backup::Model> {
    store::find::<backup::Entity>(core.db.read(), id)
        .await
        .expect("asked")
}

/// What is in the folder of backups, whole or half.
fn left(core: &Core, id: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(&core.settings.backup_dir) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_or_not_there_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            stage.report().await;
            let of = stage.volume(Status::BackingUp).await;
            let row = stage.backup(&of, BackupStatus::Creating).await;
            let state = backups::State {
                asked: asked(),
                backup_id: row.id.clone(),
                volume_id: of.id.clone(),
                snapshot_id: None,
                still: Some(store::new_id()),
                parent_id: None,
            };
            stage.world::<backups::Create>(&row.id, state)
        };
        torture(
            stage.plan("backup"),
            world,
            async |trial, core, record: &Record| {
                let row = backup_row(core, &record.subject).await.expect("a row");
                let (status, there) = match record.status {
                    Ended::Done => (BackupStatus::Available, vec![row.id.clone()]),
                    _ => (BackupStatus::Error, Vec::new()),
                };
                assert_eq!(
                    (row.status, left(core, &row.id)),
                    (status, there),
                    "{trial:?}"
                );
                let of = super::row(core, &row.volume_id).await.expect("a volume");
                assert_eq!(of.status, Status::Available, "{trial:?}");
                let at = core.backends.named(FAST).expect("a back end");
                let parts = at.driver.inventory().await.expect("listed");
                let snapshots = parts
                    .iter()
                    .filter(|part| matches!(part, Part::Snapshot(_)));
                assert_eq!(snapshots.count(), 0, "{trial:?}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_deleted_whatever_dies() {
    for stage in stages().await {
        let of = stage.volume(Status::Available).await;
        let world = async || {
            let row = stage.backup(&of, BackupStatus::Deleting).await;
            let state = backups::Gone {
                asked: asked(),
                backup_id: row.id.clone(),
            };
            stage.world::<backups::Delete>(&row.id, state)
        };
        torture(
            stage.plan("unbackup"),
            world,
            async |trial, core, record: &Record| {
                let row = backup_row(core, &record.subject).await;
                match record.status {
                    Ended::Done => {
                        assert_eq!(row, None, "{trial:?}");
                        assert!(left(core, &record.subject).is_empty(), "{trial:?}");
                    }
                    _ => assert_eq!(row.expect("a row").status, BackupStatus::Error, "{trial:?}"),
                }
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::RestoringBackup).await;
            stage.write(&of.id, b"then").await;
            let row = stage.backup(&of, BackupStatus::Restoring).await;
            stage.write(&of.id, b"now!").await;
            let state = restore::State {
                asked: asked(),
                backup_id: row.id.clone(),
                volume_id: of.id.clone(),
                fresh: false,
                zones: Vec::new(),
            };
            stage.world::<restore::Restore>(&row.id, state)
        };
        torture(
            stage.plan("restore"),
            world,
            async |trial, core, record: &Record| {
                let backup = backup_row(core, &record.subject).await.expect("a row");
                assert_eq!(backup.status, BackupStatus::Available, "{trial:?}");
                let of = super::row(core, &backup.volume_id).await.expect("a volume");
                let part = Part::Volume(of.id.parse().expect("an id"));
                let at = core.backends.named(FAST).expect("a back end");
                let disk = at.driver.readable(part).await.expect("a disk");
                let mut bytes = [0; 4];
                let disk = std::fs::File::open(disk).expect("opens");
                disk.read_exact_at(&mut bytes, 0).expect("read");
                match record.status {
                    Ended::Done => assert_eq!(
                        (of.status, &bytes),
                        (Status::Available, b"then"),
                        "{trial:?}"
                    ),
                    _ => {
                        assert_eq!(of.status, Status::ErrorRestoring, "{trial:?}");
                        // Whole, either way.
                        assert!([b"then", b"now!"].contains(&&bytes), "{trial:?}");
                    }
                }
                let incoming = std::fs::read_dir(at.incoming());
                let left = incoming.map_or(0, Iterator::count);
                assert_eq!(left, 0, "{trial:?}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_deleted_while_it_runs_leaves_no_files() {
    for stage in stages().await {
        let core = &stage.core;
        let volume = stage.volume(Status::Available).await;
        let origin = stage.backup(&volume, BackupStatus::Available).await;
        let of = origin.id.parse().expect("an id");
        // What its row says when the copy is there; none: the row is gone.
        let cases = [
            (Some(BackupStatus::Error), 1),
            (Some(BackupStatus::Deleting), 0),
            (None, 0),
        ];
        for (says, files) in cases {
            let mut row = backup::Model {
                id: store::new_id(),
                status: says.unwrap_or(BackupStatus::Error),
                ..origin.clone()
            };
            if says.is_some() {
                store::insert(core.db.write(), row.clone())
                    .await
                    .expect("a row");
            }
            let id = row.id.parse().expect("an id");
            crate::work::import::copy(core, of, id, &mut row)
                .await
                .expect("copied");
            assert_eq!(left(core, &row.id).len(), files, "{says:?}");
            let now = backup_row(core, &row.id).await.map(|row| row.status);
            let after = says.map(|says| match says {
                BackupStatus::Error => BackupStatus::Available,
                other => other,
            });
            assert_eq!(now, after, "{says:?}");
        }
        assert_eq!(left(core, &origin.id).len(), 1, "the origin stays");
    }
}

#[tokio::test]
async fn who_deletes_a_volume_waits_for_what_holds_it_still() {
    for stage in stages().await {
        let core = &stage.core;
        let journal = core.db.write();
        let copied = stage.volume(Status::BackingUp).await;
        // As when its deletion is forced.
        let row = stage.backup(&copied, BackupStatus::Deleting).await;
        let state = backups::State {
            asked: asked(),
            backup_id: row.id.clone(),
            volume_id: copied.id.clone(),
            snapshot_id: None,
            still: Some(store::new_id()),
            parent_id: None,
        };
        let kind = Kind::of::<backups::Create>();
        let copies = workflow::insert(journal, kind, &row.id, &state).await;
        let sent = stage.volume(Status::Uploading).await;
        let state = upload::State {
            asked: asked(),
            volume_id: sent.id.clone(),
            image_id: store::new_id(),
            token: String::new(),
            format: upload::Format::Raw,
            still: Some(store::new_id()),
        };
        let kind = Kind::of::<upload::Upload>();
        let sends = workflow::insert(journal, kind, &sent.id, &state).await;
        for (volume, begun) in [(&copied, copies), (&sent, sends)] {
            let begun = begun.expect("inserted");
            let waits = busy::volume_rests(core, &volume.id).await;
            waits.expect_err("its work has not ended");
            let tx = core.db.begin().await.expect("begins");
            let turned = busy::turn_round_volume(&tx, &volume.id).await;
            tx.commit().await.expect("committed");
            assert_eq!(turned.expect("asked"), [begun]);
            let record = workflow::get(core.db.read(), begun).await;
            let record = record.expect("a journal").expect("a row");
            assert!(record.cancel, "{}", record.kind);
        }
        let other = stage.volume(Status::Available).await;
        let rests = busy::volume_rests(core, &other.id).await;
        rests.expect("nobody works on it");
    }
}
