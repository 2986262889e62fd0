//! A volume that another one takes the place of, hit anywhere. What the volume service does of it is written into its
//! database: its own work is tortured beside its code.

use std::path::{Path, PathBuf};

use clients::volume as cinder;
use compute_conductor::Env;
use compute_conductor::workflows::volumes::swap::SwapVolume;
use compute_model::VmState;
use compute_rpc::workflows as states;
use http::Method;
use serde_json::json;
use sql::Database;
use sql::sea_orm::ConnectionTrait;
use workflow::testing::{Trial, torture};
use workflow::{Record, Status};

use super::{Row, Stage, asked};
use crate::engines::databases_of;

const TWO: &str = "
[volume]
enabled_backends = fast, slow
[fast]
volume_dir = $state_path/fast
[slow]
volume_dir = $state_path/slow
";

/// A running server with a volume that moves from one back end to the other and back.
struct Moving {
    stage: Stage,
    /// The volume service's.
    db: Database,
    server: Row,
    volume: String,
}

impl Moving {
    async fn open(databases: &str) -> Self {
        let stage = Stage::with(&format!("{databases}{TWO}")).await;
        let config = stage.cloud.config();
        let url = config.database_url(&stage.cloud.cloud().state.path, "volume");
        let db = Database::open(&url).await.expect("the volume database");
        let server = stage.running().await;
        let volume = stage.demo.volume(json!({"size": 1})).await;
        let path = format!("/servers/{}/os-volume_attachments", server.id);
        let wanted = json!({"volumeAttachment": {"volumeId": volume}});
        let answer = stage
            .demo
            .compute("2.100", Method::POST, &path, Some(&wanted))
            .await;
        answer.expect(200);
        stage.demo.volume_is(&volume, "in-use").await;
        Moving {
            server,
            volume,
            db,
            stage,
        }
    }

    async fn execute(&self, statement: &str) {
        let done = self.db.write().execute_unprepared(statement).await;
        done.expect(statement);
    }

    /// Where the volume service has the volume: `HOST@BACKEND#POOL`.
    async fn pool(&self) -> String {
        let admin = self.stage.cloud.admin().await;
        let path = format!("{}/{}", admin.volumes(), self.volume);
        let shown = admin.get(&path).await.expect(200);
        let host = shown["volume"]["os-vol-host-attr:host"].as_str();
        host.expect("a host").to_owned()
    }

    fn disk(&self, back_end: &str) -> PathBuf {
        let folder = self.stage.cloud.state_path().join(back_end);
        folder.join(&self.volume).join("disk.raw")
    }

    /// The volume moves, and the volume that compute is to put in its place is there; its id.
    async fn begins(&self) -> String {
        let from = self.pool().await;
        let (to, back_end) = match from.ends_with("#fast") {
            true => (from.replace("@fast#fast", "@slow#slow"), "slow"),
            false => (from.replace("@slow#slow", "@fast#fast"), "fast"),
        };
        let disk = self.disk(back_end);
        std::fs::create_dir_all(disk.parent().expect("a folder")).expect("made");
        let file = std::fs::File::create(&disk).expect("made");
        file.set_len(1 << 30).expect("as large");
        let (id, twin) = (&self.volume, uuid::Uuid::new_v4().to_string());
        self.execute(&format!(
            "UPDATE volumes SET status = 'migrating', previous = 'in-use', migration_status = 'migrating' \
             WHERE id = '{id}'"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO volumes (id, project_id, user_id, status, size, type_id, availability_zone, host, bootable, \
             multiattach, consumes_quota, created_at, target_of) \
             SELECT '{twin}', project_id, user_id, 'migrating', size, type_id, availability_zone, '{to}', bootable, \
             multiattach, FALSE, created_at, id FROM volumes WHERE id = '{id}'"
        ))
        .await;
        twin
    }

    /// What the volume service's work would do in the end, but for the other file, which the next trial needs.
    async fn ends(&self) {
        let id = &self.volume;
        self.execute(&format!("DELETE FROM volumes WHERE target_of = '{id}'"))
            .await;
        self.execute(&format!(
            "UPDATE volumes SET status = 'in-use', previous = NULL, migration_status = 'success' WHERE id = '{id}'"
        ))
        .await;
    }

    /// Everybody has the volume on the same back end, attached once.
    async fn agrees(&self, trial: &Trial, env: &Env, record: &Record) {
        let row = self.stage.row(&record.subject).await;
        assert_eq!(
            (row.vm_state, row.task_state),
            (VmState::Active, None),
            "{trial:?}"
        );
        let spec = self.stage.spec(&row).await;
        assert_eq!((row.volumes.len(), spec.volumes.len()), (1, 1), "{trial:?}");
        let path = spec.volumes[0].source.file().expect("a file");
        let is = |said: &serde_json::Value| said["path"].as_str().map(Path::new) == Some(path);
        let moved = is(&record.state["connection"]);
        assert!(
            moved || is(&record.state["old"]["connection"]),
            "{trial:?}: {path:?}"
        );
        assert!(moved || record.status != Status::Done, "{trial:?}");
        let pool = self.pool().await;
        let (_, back_end) = pool.rsplit_once('#').expect("a pool");
        let here = self.disk(back_end).canonicalize().expect("a file");
        assert_eq!(*path, here, "{trial:?}: {pool}");
        let server = record.subject.as_str();
        let all = env.session.with(|token| async move {
            cinder::attachments(&env.volume, &token, Some(server), None).await
        });
        let all = all.await.expect("a list");
        assert_eq!(all.len(), 1, "{trial:?}: {all:?}");
        let of = (all[0].volume_id.as_str(), all[0].status.as_str());
        assert_eq!(of, (self.volume.as_str(), "attached"), "{trial:?}");
        let known = &row.volumes[0];
        assert_eq!(
            (&known.volume_id, &known.attachment_id),
            (&self.volume, &all[0].id),
            "{trial:?}"
        );
        self.stage.demo.volume_is(&self.volume, "in-use").await;
    }
}

async fn swaps(databases: &str) {
    let moving = Moving::open(databases).await;
    let world = async || {
        let new_volume_id = moving.begins().await;
        let server = moving.stage.row(&moving.server.id).await;
        let state = states::SwapVolume {
            server_id: server.id.clone(),
            asked: asked(),
            before: Vec::new(),
            old: server.volumes[0].clone(),
            new_volume_id,
            attachment_id: None,
            connection: None,
            copied: 0,
            copied_at: None,
            named: false,
            failed_switches: 0,
            switched: false,
        };
        moving.stage.world::<SwapVolume>(&server.id, state)
    };
    let audit = async |trial: &Trial, env: &Env, record: &Record| {
        moving.agrees(trial, env, record).await;
        moving.ends().await;
    };
    let plan = moving.stage.plan("tortured swap");
    torture::<SwapVolume>(plan, world, audit).await;
    let pool = moving.pool().await;
    let other = if pool.ends_with("#fast") {
        "slow"
    } else {
        "fast"
    };
    let disk = moving.disk(other);
    std::fs::remove_dir_all(disk.parent().expect("a folder")).expect("removed");
    moving.stage.cloud.audit().await;
}

async fn on(variable: &str) {
    if let Some(databases) = databases_of(variable).await {
        swaps(&databases).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_replaced_or_stays_wherever_that_is_hit_on_sqlite() {
    swaps("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_replaced_or_stays_wherever_that_is_hit_on_postgresql() {
    on("KILONOVA_TEST_POSTGRES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_replaced_or_stays_wherever_that_is_hit_on_mariadb() {
    on("KILONOVA_TEST_MARIADB").await;
}
