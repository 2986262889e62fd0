//! Work that loses its volume right before it replaces the volume's bytes: an administrator gave the volume another
//! status, or it is gone. The bytes stay.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use workflow::testing::found;

use super::*;
use crate::tables::{BackupStatus, backup};
use crate::work::restore;

/// What becomes of the volume; none: it has no row any more.
const LOST: [Option<Status>; 3] = [Some(Status::Available), Some(Status::InUse), None];

async fn lose(stage: &Stage, id: &str, to: Option<Status>) {
    let db = stage.core.db.write();
    match to {
        Some(status) => {
            let mut row = row(&stage.core, id).await.expect("a row");
            row.status = status;
            store::save(db, row).await.expect("saved");
        }
        None => {
            let gone = store::remove::<volume::Entity>(db, id).await;
            assert!(gone.expect("removed"));
        }
    }
}

/// What a backup knows of itself, behind a pipe: who reads it waits until it is written.
struct Gate {
    pipe: PathBuf,
    text: Vec<u8>,
}

impl Gate {
    fn close(stage: &Stage, backup: &str) -> Gate {
        let folder = stage.core.settings.backup_dir.join(backup);
        let pipe = folder.join("manifest.json");
        let text = std::fs::read(&pipe).expect("a manifest");
        std::fs::remove_file(&pipe).expect("removed");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        Gate { pipe, text }
    }

    /// Waits until somebody wants to read.
    async fn reached(&self) -> File {
        found(|| async {
            let opened = OpenOptions::new()
                .write(true)
                .custom_flags(nix::libc::O_NONBLOCK)
                .open(&self.pipe);
            opened.map_err(|error| error.to_string())
        })
        .await
    }

    fn open(&self, mut reader: File) {
        reader.write_all(&self.text).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_lost_while_its_backup_is_read_keeps_its_bytes() {
    for stage in stages().await {
        for lost in LOST {
            let of = stage.volume(Status::RestoringBackup).await;
            let disk = stage.disk(&of.id).await;
            stage.write(&of.id, b"then").await;
            let kept = stage.backup(&of, BackupStatus::Restoring).await;
            stage.write(&of.id, b"now!").await;
            let state = restore::State {
                asked: asked(),
                backup_id: kept.id.clone(),
                volume_id: of.id.clone(),
                fresh: false,
                zones: Vec::new(),
            };
            let gate = Gate::close(&stage, &kept.id);
            let loses = async {
                let reader = gate.reached().await;
                lose(&stage, &of.id, lost).await;
                gate.open(reader);
            };
            let run = run_to_end::<restore::Restore>(&stage, &kept.id, &state);
            let (ended, ()) = tokio::join!(run, loses);
            assert_eq!(ended.status, Ended::Undone, "{lost:?}");
            assert_eq!(&first_bytes(&disk), b"now!", "{lost:?}");
            let left = row(&stage.core, &of.id).await.map(|row| row.status);
            assert_eq!(left, lost);
            let db = stage.core.db.read();
            let kept = store::find::<backup::Entity>(db, &kept.id).await;
            let kept = kept.expect("asked").expect("a row").status;
            assert_eq!(kept, BackupStatus::Available, "{lost:?}");
            let at = stage.core.backends.named(FAST).expect("a back end");
            let incoming = std::fs::read_dir(at.incoming()).expect("a folder");
            assert_eq!(incoming.count(), 0, "{lost:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_lost_between_two_attempts_at_its_snapshot_keeps_its_bytes() {
    for stage in stages().await {
        for lost in LOST {
            let of = stage.volume(Status::Reverting).await;
            let disk = stage.disk(&of.id).await;
            stage.write(&of.id, b"then").await;
            let state = stage.snapshot(&of, SnapshotStatus::Restoring).await;
            stage.write(&of.id, b"now!").await;
            // The first attempt finds no file where the snapshot is.
            let part = Part::Snapshot(part(&of.id, &state.snapshot_id));
            let held = stage.driver(FAST).readable(part).await;
            let held = held.expect("a snapshot");
            let away = held.with_extension("away");
            std::fs::rename(&held, &away).expect("moved away");
            std::fs::create_dir(&held).expect("in its place");

            let core = &stage.core;
            let tx = core.db.begin().await.expect("begins");
            let kind = Kind::of::<snapshot_work::Revert>();
            let id = workflow::insert(&tx, kind, &of.id, &state).await;
            let id = id.expect("inserted");
            tx.commit().await.expect("committed");
            let runner = crate::work::runner(core.clone(), None);
            runner.nudge(id);
            found(|| async {
                let record = workflow::get(core.db.read(), id).await.expect("a journal");
                match record.expect("a row").attempts {
                    0 => Err("it was not tried".to_owned()),
                    _ => Ok(()),
                }
            })
            .await;
            lose(&stage, &of.id, lost).await;
            std::fs::remove_dir(&held).expect("removed");
            std::fs::rename(&away, &held).expect("moved back");
            runner.nudge(id);
            let ended = wait(&core.db, id).await;
            runner.stop(Duration::from_secs(5)).await;
            assert_eq!(ended.status, Ended::Undone, "{lost:?}");
            assert_eq!(&first_bytes(&disk), b"now!", "{lost:?}");
            let left = row(core, &of.id).await.map(|row| row.status);
            assert_eq!(left, lost);
            let snapshot = snapshot_row(core, &state.snapshot_id).await;
            let snapshot = snapshot.expect("a row").status;
            assert_eq!(snapshot, SnapshotStatus::Available, "{lost:?}");
        }
    }
}
