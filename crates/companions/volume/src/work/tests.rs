//! The workflows under the harness: each step twice, a failure after each step and in each undo, a death anywhere, another
//! process that takes over, a request to cancel at any point, and mixtures of these. On each engine.

mod backups;
mod losses;
mod moves;
mod takeovers;

use std::sync::{Arc, OnceLock};

use sql::Database;
use sql::sea_orm::EntityTrait;
use tokio::sync::Notify;
use web::policy::Policy;
use workflow::testing::{Plan, World, torture, wait};
use workflow::{Kind, Record, Status as Ended, Workflow};

use super::{Asked, create, delete, extend, reimage, restore, snapshot as snapshots};
use crate::backends::Backends;
use crate::db::store;
use crate::driver::{Driver, Part, Snapshot, Source};
use crate::migrations::HISTORY;
use crate::policy;
use crate::settings::{BackEnd, Helper, Settings, Storage};
use crate::shared::Core;
use crate::tables::{
    AttachStatus, BackupStatus, SnapshotStatus, Status, attachment, export, snapshot, volume,
    volume_type,
};
use crate::turns::Turns;

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
            storage: Storage::Files,
            helper: Helper::Local,
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
            turns: Turns::default(),
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

    async fn snapshot(&self, of: &volume::Model, status: SnapshotStatus) -> snapshots::State {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_taken_from_its_snapshot_keeps_its_bytes() {
    for stage in stages().await {
        let of = stage.volume(Status::Available).await;
        stage.write(&of.id, b"then").await;
        let state = stage.snapshot(&of, SnapshotStatus::Restoring).await;
        stage.write(&of.id, b"now!").await;
        // An administrator gave it this status, and a server may have it.
        let ended = run_to_end::<snapshots::Revert>(&stage, &of.id, &state).await;
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
        let ended = run_to_end::<snapshots::Revert>(&stage, &of.id, &state).await;
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
    /// The first bytes of a volume.
    async fn read(&self, id: &str) -> [u8; 4] {
        first_bytes(&self.disk(id).await)
    }

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
            let one = attachment::Model {
                id: store::new_id(),
                volume_id: row.id.clone(),
                project_id: row.project_id.clone(),
                status,
                instance_id: Some(store::new_id()),
                host: None,
                mountpoint: None,
                mode: None,
                connector: None,
                connection: None,
                attached_at: None,
                created_at: store::now(),
            };
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
            let done = super::ensure_no_orphan(&stage.core, &id).await;
            done.expect("looked");
            assert_eq!(there(&stage.core, &id).await, id == kept.id);
        }
    }
}
