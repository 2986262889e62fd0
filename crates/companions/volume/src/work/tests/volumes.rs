//! Volumes are made, deleted, extended and given an image under the harness, and rest as their attachments say.

use super::*;
use crate::work::{create, delete, extend, reimage};

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_made_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            stage.report().await;
            let row = stage.volume(Status::Creating).await;
            let state = create::State {
                asked: asked(),
                volume_id: row.id.clone(),
                zones: Vec::new(),
                origin: create::Origin::Blank,
            };
            stage.world::<create::Create>(&row.id, state)
        };
        torture(
            stage.plan("create"),
            world,
            async |trial, core, record: &Record| {
                let id = &record.subject;
                let row = row(core, id).await.expect("a row");
                let (status, bytes) = match record.status {
                    Ended::Done => (Status::Available, true),
                    _ => (Status::Error, false),
                };
                assert_eq!(
                    (row.status, there(core, id).await),
                    (status, bytes),
                    "{trial:?}"
                );
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_deleted_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let row = stage.volume(Status::Deleting).await;
            stage.snapshot(&row, SnapshotStatus::Deleting).await;
            let state = delete::State {
                asked: asked(),
                volume_id: row.id.clone(),
                release: false,
            };
            stage.world::<delete::Delete>(&row.id, state)
        };
        torture(
            stage.plan("delete"),
            world,
            async |trial, core, record: &Record| {
                let id = &record.subject;
                match record.status {
                    Ended::Done => {
                        assert_eq!(row(core, id).await, None, "{trial:?}");
                        assert!(!there(core, id).await, "{trial:?}");
                    }
                    _ => {
                        let row = row(core, id).await.expect("a row");
                        assert_eq!(row.status, Status::ErrorDeleting, "{trial:?}");
                    }
                }
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_extended_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let mut row = stage.volume(Status::Extending).await;
            row.size = 2;
            row.previous = Some(Status::Available);
            store::save(stage.core.db.write(), row.clone())
                .await
                .expect("saved");
            let state = extend::State {
                asked: asked(),
                volume_id: row.id.clone(),
                before: 1,
                after: 2,
            };
            stage.world::<extend::Extend>(&row.id, state)
        };
        torture(
            stage.plan("extend"),
            world,
            async |trial, core, record: &Record| {
                let row = row(core, &record.subject).await.expect("a row");
                let ended = match record.status {
                    Ended::Done => (Status::Available, 2),
                    _ => (Status::ErrorExtending, 1),
                };
                assert_eq!((row.status, row.size), ended, "{trial:?}");
            },
        )
        .await;
    }
}

/// What attachments a volume has when its work ends, what it was before that work, and what it is then.
const RESTS: [(Option<AttachStatus>, Status, Status); 4] = [
    (None, Status::InUse, Status::Available),
    (None, Status::Reserved, Status::Available),
    (
        Some(AttachStatus::Reserved),
        Status::Available,
        Status::Reserved,
    ),
    (
        Some(AttachStatus::Attached),
        Status::Available,
        Status::InUse,
    ),
];

impl Stage {
    /// A volume of this status, which had another one and has an attachment.
    async fn passing(
        &self,
        status: Status,
        previous: Status,
        attached: Option<AttachStatus>,
    ) -> volume::Model {
        let mut row = self.volume(status).await;
        row.previous = Some(previous);
        let saved = store::save(self.core.db.write(), row.clone()).await;
        saved.expect("saved");
        if let Some(status) = attached {
            let one = attachment::Model::sample(&row.id, status);
            let made = store::insert(self.core.db.write(), one).await;
            made.expect("an attachment");
        }
        row
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_volume_rests_as_its_attachments_say() {
    for stage in stages().await {
        for (attached, before, after) in RESTS {
            let row = stage.passing(Status::Extending, before, attached).await;
            let state = extend::State {
                asked: asked(),
                volume_id: row.id.clone(),
                before: 1,
                after: 2,
            };
            let ended = run_to_end::<extend::Extend>(&stage, &row.id, &state).await;
            assert_eq!(ended.status, Ended::Done);
            let row = self::row(&stage.core, &row.id).await;
            let row = row.expect("a row");
            assert_eq!((row.status, row.previous), (after, None), "{attached:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_with_its_image_rests_as_its_attachments_say() {
    for stage in stages().await {
        let of = stage.volume(Status::Available).await;
        stage.write(&of.id, b"boot").await;
        let snapshot = stage.snapshot(&of, SnapshotStatus::Available).await;
        for (attached, before, after) in RESTS {
            let row = stage.passing(Status::Downloading, before, attached).await;
            let state = reimage::State {
                asked: asked(),
                volume_id: row.id.clone(),
                image_id: store::new_id(),
                snapshot: Some((snapshot.snapshot_id.clone(), of.id.clone())),
                known: Default::default(),
            };
            let ended = run_to_end::<reimage::Reimage>(&stage, &row.id, &state).await;
            assert_eq!(ended.status, Ended::Done);
            assert_eq!(&stage.read(&row.id).await, b"boot");
            let row = self::row(&stage.core, &row.id).await;
            let row = row.expect("a row");
            assert_eq!((row.status, row.previous), (after, None), "{attached:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_without_a_row_goes() {
    for stage in stages().await {
        let kept = stage.volume(Status::Creating).await;
        for id in [kept.id.clone(), store::new_id()] {
            let part = id.parse().expect("an id");
            let made = stage.driver(FAST).ensure_volume(part, 1, Source::Blank);
            made.await.expect("a volume");
            let done = crate::work::ensure_no_orphan(&stage.core, &id).await;
            done.expect("looked");
            assert_eq!(there(&stage.core, &id).await, id == kept.id);
        }
    }
}
