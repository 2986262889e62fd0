//! What lies beside the volumes is taken over, under the harness: whatever dies, it is a volume or lies where it lay.

use std::path::PathBuf;

use super::*;
use crate::work::manage::{self, Manage, ManageSnapshot};

impl Stage {
    /// A file beside the volumes, larger than what is read of it.
    fn put_beside(&self, name: &str) {
        let path = beside(&self.core, name);
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("made");
        std::fs::write(path, b"mine, all of it").expect("written");
    }
}

fn beside(core: &Core, name: &str) -> PathBuf {
    let folder = &core.settings.backends[0].volume_dir;
    folder.join("unmanaged").join(name)
}

/// What is in the folder of what is no volume and has to do with these.
fn left(core: &Core, ids: &[&str]) -> Vec<String> {
    let folder = beside(core, "x");
    let entries = std::fs::read_dir(folder.parent().expect("a folder")).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| ids.iter().any(|id| name.contains(id)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_a_volume_or_lies_where_it_lay_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let mut row = stage.volume(Status::Creating).await;
            row.status = Status::Managing;
            row.host = Some(FAST.to_owned());
            // A quota of its own.
            row.project_id = store::new_id();
            row.consumes_quota = false;
            let saved = store::save(stage.core.db.write(), row.clone()).await;
            saved.expect("saved");
            stage.put_beside(&row.id);
            let state = manage::State {
                asked: asked(),
                volume_id: row.id.clone(),
                name: row.id.clone(),
            };
            stage.world::<Manage>(&row.id, state)
        };
        torture(
            stage.plan("manage"),
            world,
            async |trial, core, record: &Record| {
                let id = &record.subject;
                let row = row(core, id).await.expect("a row");
                let beside = left(core, &[id]);
                match record.status {
                    Ended::Done => {
                        assert_eq!(row.status, Status::Available, "{trial:?}");
                        assert_eq!(beside, Vec::<String>::new(), "{trial:?}");
                        let part = Part::Volume(id.parse().expect("an id"));
                        let at = core.backends.named(FAST).expect("a back end");
                        let disk = at.driver.readable(part).await.expect("a disk");
                        assert_eq!(&first_bytes(&disk), b"mine", "{trial:?}");
                    }
                    _ => {
                        assert_eq!(row.status, Status::ErrorManaging, "{trial:?}");
                        assert_eq!(beside, std::slice::from_ref(id), "{trial:?}");
                        assert!(!there(core, id).await, "{trial:?}");
                        let path = self::beside(core, id);
                        assert_eq!(&first_bytes(&path), b"mine", "{trial:?}");
                    }
                }
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_a_snapshot_or_lies_where_it_lay_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::Available).await;
            let new = stage.snapshot(&of, SnapshotStatus::Creating).await;
            stage.put_beside(&new.snapshot_id);
            let state = manage::SnapshotState {
                asked: asked(),
                snapshot_id: new.snapshot_id.clone(),
                volume_id: of.id,
                name: new.snapshot_id.clone(),
            };
            stage.world::<ManageSnapshot>(&new.snapshot_id, state)
        };
        torture(
            stage.plan("managesnap"),
            world,
            async |trial, core, record: &Record| {
                let id = &record.subject;
                let row = snapshot_row(core, id).await.expect("a row");
                let part = Part::Snapshot(part(&row.volume_id, id));
                let there = !places(core, part).await.is_empty();
                let ended = match record.status {
                    Ended::Done => (SnapshotStatus::Available, true, Vec::new()),
                    _ => (SnapshotStatus::Error, false, vec![id.clone()]),
                };
                assert_eq!((row.status, there, left(core, &[id])), ended, "{trial:?}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_over_for_a_row_that_is_gone_is_given_back() {
    for stage in stages().await {
        let id = store::new_id();
        let part = Part::Volume(id.parse().expect("an id"));
        stage.put_beside(&id);
        let able = stage.driver(FAST).adoption().expect("an ability");
        able.ensure_adopted(&id, part).await.expect("taken over");
        for _ in 0..2 {
            let given = manage::give_back(&stage.core, &id, part, &id).await;
            given.expect("given back");
            assert_eq!(left(&stage.core, &[&id]), std::slice::from_ref(&id));
            assert!(!there(&stage.core, &id).await);
        }
    }
}
