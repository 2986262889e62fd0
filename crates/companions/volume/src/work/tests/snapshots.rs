//! Snapshots, and volumes that get the bytes of something else, under the harness.

use sql::sea_orm::EntityTrait;

use super::*;
use crate::tables::{BackupStatus, export};
use crate::work::{reimage, restore};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_made_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::Available).await;
            let state = stage.snapshot(&of, SnapshotStatus::Creating).await;
            stage.world::<snapshot_work::Create>(&state.snapshot_id.clone(), state)
        };
        torture(
            stage.plan("snapshot"),
            world,
            async |trial, core, record: &Record| {
                let row = snapshot_row(core, &record.subject).await.expect("a row");
                let part = Part::Snapshot(part(&row.volume_id, &row.id));
                let there = !places(core, part).await.is_empty();
                let ended = match record.status {
                    Ended::Done => (SnapshotStatus::Available, true),
                    _ => (SnapshotStatus::Error, false),
                };
                assert_eq!((row.status, there), ended, "{trial:?}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_deleted_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::Available).await;
            let state = stage.snapshot(&of, SnapshotStatus::Deleting).await;
            stage.world::<snapshot_work::Delete>(&state.snapshot_id.clone(), state)
        };
        torture(
            stage.plan("unsnapshot"),
            world,
            async |trial, core, record: &Record| {
                let row = snapshot_row(core, &record.subject).await;
                let status = row.map(|row| row.status);
                match record.status {
                    Ended::Done => assert_eq!(status, None, "{trial:?}"),
                    _ => assert_eq!(status, Some(SnapshotStatus::ErrorDeleting), "{trial:?}"),
                }
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_reverted_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::Reverting).await;
            let state = stage.snapshot(&of, SnapshotStatus::Restoring).await;
            stage.world::<snapshot_work::Revert>(&of.id, state)
        };
        torture(
            stage.plan("revert"),
            world,
            async |trial, core, record: &Record| {
                let row = row(core, &record.subject).await.expect("a row");
                let ended = match record.status {
                    Ended::Done => Status::Available,
                    _ => Status::Error,
                };
                assert_eq!(row.status, ended, "{trial:?}");
                assert!(there(core, &row.id).await, "{trial:?}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_taken_from_its_snapshot_keeps_its_bytes() {
    for stage in stages().await {
        let of = stage.volume(Status::Available).await;
        stage.write(&of.id, b"then").await;
        let state = stage.snapshot(&of, SnapshotStatus::Restoring).await;
        stage.write(&of.id, b"now!").await;
        // An administrator gave it this status, and a server may have it.
        let ended = run_to_end::<snapshot_work::Revert>(&stage, &of.id, &state).await;
        assert_eq!(ended.status, Ended::Undone);
        assert_eq!(&stage.read(&of.id).await, b"now!");
        let left = row(&stage.core, &of.id).await.expect("a row");
        assert_eq!(left.status, Status::Available);
        let snapshot = snapshot_row(&stage.core, &state.snapshot_id).await;
        let snapshot = snapshot.expect("a row").status;
        assert_eq!(snapshot, SnapshotStatus::Available);
    }
}

impl Stage {
    /// A host reaches the volume, and asked without an attachment.
    async fn served(&self, volume: &volume::Model) {
        let one = export::Model {
            attached: false,
            backend: FAST.to_owned(),
            ..export::Model::sample(&store::new_id(), &volume.id)
        };
        let made = store::insert(self.core.db.write(), one).await;
        made.expect("an export");
    }

    async fn exports(&self) -> usize {
        let found = export::Entity::find().all(self.core.db.read()).await;
        found.expect("asked").len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_gets_other_bytes_is_served_to_nobody() {
    for stage in stages().await {
        let of = stage.volume(Status::Reverting).await;
        let state = stage.snapshot(&of, SnapshotStatus::Restoring).await;
        stage.served(&of).await;
        let ended = run_to_end::<snapshot_work::Revert>(&stage, &of.id, &state).await;
        assert_eq!((ended.status, stage.exports().await), (Ended::Done, 0));

        let to = stage.volume(Status::Downloading).await;
        stage.served(&to).await;
        let image = reimage::State {
            asked: asked(),
            volume_id: to.id.clone(),
            image_id: store::new_id(),
            snapshot: Some((state.snapshot_id.clone(), of.id.clone())),
            known: Default::default(),
        };
        let ended = run_to_end::<reimage::Reimage>(&stage, &to.id, &image).await;
        assert_eq!((ended.status, stage.exports().await), (Ended::Done, 0));

        let backup = stage.backup(&of, BackupStatus::Restoring).await;
        let to = stage.volume(Status::RestoringBackup).await;
        stage.served(&to).await;
        let copy = restore::State {
            asked: asked(),
            backup_id: backup.id.clone(),
            volume_id: to.id.clone(),
            fresh: false,
            zones: Vec::new(),
        };
        let ended = run_to_end::<restore::Restore>(&stage, &backup.id, &copy).await;
        assert_eq!((ended.status, stage.exports().await), (Ended::Done, 0));
    }
}
