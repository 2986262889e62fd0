//! The workflows under the harness: each step twice, a failure after each step and in each undo, a death anywhere, another
//! process that takes over, a request to cancel at any point, and mixtures of these. On each engine.

mod backups;
mod moves;

use std::sync::{Arc, OnceLock};

use sql::Database;
use tokio::sync::Notify;
use web::policy::Policy;
use workflow::testing::{Plan, World, torture};
use workflow::{Record, Status as Ended, Workflow};

use super::{Asked, create, delete, extend, snapshot as snapshots};
use crate::backends::Backends;
use crate::db::store;
use crate::driver::{Driver, Part, Snapshot, Source};
use crate::migrations::HISTORY;
use crate::policy;
use crate::settings::{BackEnd, Settings};
use crate::shared::Core;
use crate::tables::{SnapshotStatus, Status, snapshot, volume, volume_type};

/// A service without a runner, opened twice.
struct Stage {
    core: Arc<Core>,
    other: Database,
    _folder: tempfile::TempDir,
}

async fn stages() -> Vec<Stage> {
    let mut all = Vec::new();
    for (db, other) in sql::testing::pairs().await {
        db.apply(&HISTORY).await.expect("tables");
        let folder = tempfile::tempdir().expect("a folder");
        let back_end = |name: &str| BackEnd {
            name: name.to_owned(),
            pool: name.to_uppercase(),
            volume_dir: folder.path().join(name),
            over_subscription: 2000,
            reserved_percentage: 0,
        };
        let settings = Settings {
            backends: vec![back_end("fast"), back_end("slow")],
            backup_dir: folder.path().join("backups"),
            host: "here".to_owned(),
            keep_free: 0,
            ..Settings::default()
        };
        let core = Arc::new(Core {
            db,
            backends: Backends::open(&settings).expect("opens"),
            settings,
            policy: Policy::load(&policy::TABLES, None).expect("rules"),
            images: OnceLock::new(),
            sink: OnceLock::new(),
            told: Notify::new(),
        });
        let kind = volume_type::Model {
            id: "kind".to_owned(),
            name: "kind".to_owned(),
            description: None,
            is_public: true,
            qos_id: None,
            created_at: store::now(),
            updated_at: None,
        };
        store::insert(core.db.write(), kind).await.expect("a type");
        all.push(Stage {
            core,
            other,
            _folder: folder,
        });
    }
    all
}

fn asked() -> Asked {
    Asked {
        request_id: "req-1".to_owned(),
        global_request_id: None,
        user_id: "user".to_owned(),
        project_id: "project".to_owned(),
    }
}

/// The pool of volumes that are there.
const FAST: &str = "here@fast#FAST";
/// The other one.
const SLOW: &str = "here@slow#SLOW";

impl Stage {
    fn driver(&self, pool: &str) -> &dyn Driver {
        let found = self.core.backends.named(pool);
        found.expect("a back end").driver.as_ref()
    }

    fn plan(&self, name: &'static str) -> Plan {
        let sqlite = self.core.db.engine() == sql::Engine::Sqlite;
        Plan {
            name,
            points: if sqlite { 3 } else { 1 },
            rounds: if sqlite { 12 } else { 3 },
        }
    }

    /// A row, and bytes where it is one of a volume that is there.
    async fn volume(&self, status: Status) -> volume::Model {
        let there = status != Status::Creating;
        let row = volume::Model {
            id: store::new_id(),
            project_id: "project".to_owned(),
            user_id: "user".to_owned(),
            name: None,
            description: None,
            status,
            previous: None,
            size: 1,
            type_id: "kind".to_owned(),
            availability_zone: None,
            host: there.then(|| FAST.to_owned()),
            migration_status: None,
            bootable: false,
            multiattach: false,
            readonly: None,
            snapshot_id: None,
            source_volid: None,
            group_id: None,
            consumes_quota: true,
            created_at: store::now(),
            updated_at: None,
        };
        store::insert(self.core.db.write(), row.clone())
            .await
            .expect("a row");
        if there {
            let id = row.id.parse().expect("an id");
            self.driver(FAST)
                .ensure_volume(id, 1, Source::Blank)
                .await
                .expect("a volume");
        }
        row
    }

    async fn snapshot(&self, of: &volume::Model, status: SnapshotStatus) -> snapshots::State {
        let row = snapshot::Model {
            id: store::new_id(),
            project_id: "project".to_owned(),
            user_id: "user".to_owned(),
            volume_id: of.id.clone(),
            name: None,
            description: None,
            status,
            size: 1,
            type_id: "kind".to_owned(),
            group_snapshot_id: None,
            consumes_quota: true,
            created_at: store::now(),
            updated_at: None,
        };
        store::insert(self.core.db.write(), row.clone())
            .await
            .expect("a row");
        if status != SnapshotStatus::Creating {
            let part = part(&of.id, &row.id);
            self.driver(FAST)
                .ensure_snapshot(part)
                .await
                .expect("a snapshot");
        }
        snapshots::State {
            asked: asked(),
            snapshot_id: row.id,
            volume_id: of.id.clone(),
            release: false,
        }
    }

    /// A run may last longer than a pool that says nothing counts as there.
    async fn report(&self) {
        self.core.report().await.expect("reported");
    }

    fn world<W: Workflow<Env = Core>>(&self, subject: &str, state: W::State) -> World<W> {
        World {
            db: self.core.db.clone(),
            other: self.other.clone(),
            env: self.core.clone(),
            subject: subject.to_owned(),
            state,
            meets: None,
        }
    }
}

fn part(volume: &str, snapshot: &str) -> Snapshot {
    Snapshot {
        volume: volume.parse().expect("an id"),
        id: snapshot.parse().expect("an id"),
    }
}

async fn row(core: &Core, id: &str) -> Option<volume::Model> {
    store::find::<volume::Entity>(core.db.read(), id)
        .await
        .expect("asked")
}

async fn snapshot_row(core: &Core, id: &str) -> Option<snapshot::Model> {
    store::find::<snapshot::Entity>(core.db.read(), id)
        .await
        .expect("asked")
}

/// Whether a back end has it.
async fn there(core: &Core, id: &str) -> bool {
    !places(core, Part::Volume(id.parse().expect("an id")))
        .await
        .is_empty()
}

/// The pools that have it.
async fn places(core: &Core, part: Part) -> Vec<String> {
    let mut found = Vec::new();
    for one in core.backends.iter() {
        if one.driver.readable(part).await.is_ok() {
            found.push(one.pool_name());
        }
    }
    found
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_made_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let of = stage.volume(Status::Available).await;
            let state = stage.snapshot(&of, SnapshotStatus::Creating).await;
            stage.world::<snapshots::Create>(&state.snapshot_id.clone(), state)
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
            stage.world::<snapshots::Delete>(&state.snapshot_id.clone(), state)
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
            stage.world::<snapshots::Revert>(&of.id, state)
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
