//! The workflows under the harness: each step twice, a failure after each step and in each undo, a death anywhere, another
//! process that takes over, a request to cancel at any point, and mixtures of these. On each engine.

mod backups;
mod losses;
mod moves;
mod snapshots;
mod takeovers;
mod volumes;

use std::sync::Arc;

use sql::Database;
use workflow::testing::{Plan, World, torture, wait};
use workflow::{Kind, Record, Status as Ended, Workflow};

use super::{Asked, snapshot as snapshot_work};
use crate::backends::Backends;
use crate::db::store;
use crate::driver::{Driver, Part, Snapshot, Source};
use crate::migrations::HISTORY;
use crate::settings::{BackEnd, Settings};
use crate::shared::Core;
use crate::tables::{
    AttachStatus, SnapshotStatus, Status, attachment, snapshot, volume, volume_type,
};

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
            pool: name.to_uppercase(),
            ..BackEnd::sample(name, &folder.path().join(name))
        };
        let settings = Settings {
            backends: vec![back_end("fast"), back_end("slow")],
            backup_dir: folder.path().join("backups"),
            host: "here".to_owned(),
            keep_free: 0,
            ..Settings::default()
        };
        let backends = Backends::open(&settings).expect("opens");
        let core = Arc::new(Core::sample(db, settings, backends));
        make_kind(&core, "kind").await;
        all.push(Stage {
            core,
            other,
            _folder: folder,
        });
    }
    all
}

/// A type of volumes.
async fn make_kind(core: &Core, name: &str) {
    let kind = volume_type::Model {
        id: name.to_owned(),
        name: name.to_owned(),
        description: None,
        is_public: true,
        qos_id: None,
        created_at: store::now(),
        updated_at: None,
    };
    store::insert(core.db.write(), kind).await.expect("a type");
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
            host: there.then(|| FAST.to_owned()),
            ..volume::Model::sample(status)
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

    async fn snapshot(&self, of: &volume::Model, status: SnapshotStatus) -> snapshot_work::State {
        let row = snapshot::Model {
            id: store::new_id(),
            project_id: "project".to_owned(),
            user_id: "user".to_owned(),
            volume_id: of.id.clone(),
            name: None,
            description: None,
            status,
            progress: None,
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
        snapshot_work::State {
            asked: asked(),
            snapshot_id: row.id,
            volume_id: of.id.clone(),
            release: false,
        }
    }

    /// The first bytes of a volume.
    async fn read(&self, id: &str) -> [u8; 4] {
        first_bytes(&self.disk(id).await)
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

/// The first bytes of a file.
fn first_bytes(path: &std::path::Path) -> [u8; 4] {
    use std::io::Read;
    let mut bytes = [0; 4];
    let mut file = std::fs::File::open(path).expect("opens");
    file.read_exact(&mut bytes).expect("read");
    bytes
}

/// Runs one workflow to its end.
async fn run_to_end<W: Workflow<Env = Core>>(
    stage: &Stage,
    subject: &str,
    state: &W::State,
) -> Record {
    let tx = stage.core.db.begin().await.expect("begins");
    let id = workflow::insert(&tx, Kind::of::<W>(), subject, state).await;
    let id = id.expect("inserted");
    tx.commit().await.expect("committed");
    let runner = crate::work::runner(stage.core.clone(), None);
    runner.nudge(id);
    let ended = wait(&stage.core.db, id).await;
    runner.stop(std::time::Duration::from_secs(5)).await;
    ended
}
