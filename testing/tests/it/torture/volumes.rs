//! Volumes that a server gets and loses, hit anywhere.

use clients::volume as cinder;
use compute_conductor::Env;
use compute_conductor::workflows::hold::HoldVolumes;
use compute_conductor::workflows::volumes::attach::AttachVolume;
use compute_conductor::workflows::volumes::detach::DetachVolume;
use compute_conductor::workflows::volumes::extend::ExtendVolume;
use compute_model::volume::{Origin, VolumeRequest};
use compute_model::{TaskState, VmState};
use compute_rpc::workflows as states;
use http::Method;
use serde_json::{Value, json};
use testing::until;
use workflow::testing::{Trial, World, torture};
use workflow::{Record, Status};

use super::{Stage, asked, is_cancelled};

/// An empty volume that goes with its server.
pub fn blank() -> VolumeRequest {
    VolumeRequest {
        origin: Origin::Blank,
        attachment_id: None,
        size: Some(1),
        volume_type: None,
        tag: None,
        delete_on_termination: true,
        boot: false,
        boot_order: None,
        bus: None,
        cdrom: false,
    }
}

impl Stage {
    /// Waits until the project has no volume.
    pub async fn has_no_volumes(&self, trial: &Trial) {
        until(&format!("{trial:?}: no volume is left"), || async {
            self.demo.all_volumes().await.is_empty().then_some(())
        })
        .await;
    }

    /// The attachments that the volume service has of a volume.
    async fn attachments(&self, id: &str) -> usize {
        let path = format!("{}/{id}", self.demo.volumes());
        let shown = self.demo.get(&path).await.expect(200);
        shown["volume"]["attachments"]
            .as_array()
            .map_or(0, Vec::len)
    }

    /// Whether record, guest and volume service say that a server has so many volumes, all of them at rest.
    async fn agrees(&self, trial: &Trial, record: &Record, volume: &str, count: usize) {
        let row = self.row(&record.subject).await;
        assert_eq!(row.volumes.len(), count, "{trial:?}");
        assert!(row.volumes.iter().all(|one| !one.detaching), "{trial:?}");
        assert_eq!(self.spec(&row).await.volumes.len(), count, "{trial:?}");
        assert_eq!(self.attachments(volume).await, count, "{trial:?}");
        let status = match count {
            0 => "available",
            _ => "in-use",
        };
        self.demo.volume_is(volume, status).await;
        assert_eq!(
            (row.vm_state, row.task_state),
            (VmState::Active, None::<TaskState>),
            "{trial:?}"
        );
    }

    /// The same of a server on no host.
    async fn keeps_for_shelved(&self, trial: &Trial, record: &Record, volume: &str, count: usize) {
        let row = self.row(&record.subject).await;
        assert_eq!(row.volumes.len(), count, "{trial:?}");
        let mut volumes = row.volumes.iter();
        assert!(
            volumes.all(|one| !one.detaching && one.connection.is_none()),
            "{trial:?}"
        );
        assert_eq!(self.attachments(volume).await, count, "{trial:?}");
        let status = match count {
            0 => "available",
            _ => "in-use",
        };
        self.demo.volume_is(volume, status).await;
        assert_eq!(
            (row.vm_state, row.task_state, row.host),
            (VmState::ShelvedOffloaded, None, None),
            "{trial:?}"
        );
    }

    /// Takes a volume that a trial left attached.
    async fn frees(&self, server_id: &str, volume: &str) {
        let path = format!("/servers/{server_id}/os-volume_attachments/{volume}");
        let answer = self
            .demo
            .compute("latest", Method::DELETE, &path, None)
            .await;
        answer.expect(202);
        self.demo.volume_is(volume, "available").await;
        until("the server has no volume", || async {
            (self.row(server_id).await.volumes.is_empty()).then_some(())
        })
        .await;
    }
}

/// What a request that died had reserved; each trial reserves it for another server.
pub async fn holds(stage: Stage) {
    let volume = stage.demo.volume(json!({"size": 1})).await;
    let world = async || {
        let server_id = uuid::Uuid::new_v4().to_string();
        let service = &stage.env.volume;
        let reserved = cinder::reserve(service, &stage.demo.token, &volume, &server_id).await;
        reserved.expect("reserved");
        let state = states::HoldVolumes {
            server_id: server_id.clone(),
            asked: asked(),
            until: chrono::DateTime::UNIX_EPOCH,
        };
        stage.world::<HoldVolumes>(&server_id, state)
    };
    let audit = async |trial: &Trial, env: &Env, record: &Record| {
        let server = record.subject.as_str();
        let left = env.session.with(|token| async move {
            cinder::attachments(&env.volume, &token, Some(server), None).await
        });
        let left = left.await.expect("a list");
        // Turned round it takes them for the server's.
        let kept = record.status == Status::Undone && is_cancelled(trial);
        assert!(kept || left.is_empty(), "{trial:?}: {left:?}");
        for one in &left {
            let released = env
                .session
                .with(|token| async move { cinder::release(&env.volume, &token, &one.id).await });
            released.await.expect("released");
        }
        stage.demo.volume_is(&volume, "available").await;
    };
    torture::<HoldVolumes>(stage.plan("tortured hold"), world, audit).await;
    stage.cloud.audit().await;
}

impl Stage {
    /// The server gets the volume.
    fn attaching(&self, server: &str, volume: &str) -> World<AttachVolume> {
        let state = states::AttachVolume {
            server_id: server.to_owned(),
            asked: asked(),
            volume_id: volume.to_owned(),
            tag: None,
            delete_on_termination: false,
            before: Vec::new(),
            volume: None,
        };
        self.world(server, state)
    }

    /// The server has the volume.
    async fn gives(&self, server: &str, volume: &str) {
        let path = format!("/servers/{server}/os-volume_attachments");
        let wanted: Value = json!({"volumeAttachment": {"volumeId": volume}});
        let answer = self
            .demo
            .compute("2.100", Method::POST, &path, Some(&wanted))
            .await;
        answer.expect(200);
        self.demo.volume_is(volume, "in-use").await;
        until("the attachment is over", || async {
            let running = workflow::find(self.env.db.read(), server).await;
            running.expect("the journal").is_empty().then_some(())
        })
        .await;
    }

    /// The server loses the volume; one that it has not it is given before.
    async fn detaching(&self, server: &str, volume: &str) -> World<DetachVolume> {
        if self.row(server).await.volumes.is_empty() {
            self.gives(server, volume).await;
        }
        let state = states::DetachVolume {
            server_id: server.to_owned(),
            asked: asked(),
            before: Vec::new(),
            volume: self.row(server).await.volumes[0].clone(),
            begun: false,
        };
        self.world(server, state)
    }
}

/// A server gets a volume; each trial leaves both as it found them.
pub async fn attaches(stage: Stage) {
    let target = stage.running().await;
    let volume = stage.demo.volume(json!({"size": 1})).await;
    let world = async || stage.attaching(&target.id, &volume);
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let count = usize::from(record.status == Status::Done);
        stage.agrees(trial, record, &volume, count).await;
        if count > 0 {
            stage.frees(&record.subject, &volume).await;
        }
    };
    torture::<AttachVolume>(stage.plan("tortured attachment"), world, audit).await;
    stage.cloud.audit().await;
}

/// A server loses a volume; where the trial took it away, it is given it again.
pub async fn detaches(stage: Stage) {
    let target = stage.running().await;
    let volume = stage.demo.volume(json!({"size": 1})).await;
    let world = async || stage.detaching(&target.id, &volume).await;
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let count = usize::from(record.status != Status::Done);
        stage.agrees(trial, record, &volume, count).await;
    };
    torture::<DetachVolume>(stage.plan("tortured detachment"), world, audit).await;
    stage.cloud.audit().await;
}

/// A server's guest is shown a larger volume; it has the volume whatever happens.
pub async fn extends(stage: Stage) {
    let target = stage.running().await;
    let volume = stage.demo.volume(json!({"size": 1})).await;
    stage.gives(&target.id, &volume).await;
    let world = async || {
        let state = states::ExtendVolume {
            server_id: target.id.clone(),
            asked: asked(),
            volume_id: volume.clone(),
        };
        stage.world::<ExtendVolume>(&target.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        stage.agrees(trial, record, &volume, 1).await;
    };
    torture::<ExtendVolume>(stage.plan("tortured extension"), world, audit).await;
    stage.cloud.audit().await;
}

/// A server on no host gets a volume, and loses it; each trial leaves both as it found them.
pub async fn of_shelved(stage: Stage) {
    let target = super::sizes::offloaded(&stage).await;
    let volume = stage.demo.volume(json!({"size": 1})).await;
    let world = async || stage.attaching(&target.id, &volume);
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let count = usize::from(record.status == Status::Done);
        stage.keeps_for_shelved(trial, record, &volume, count).await;
        if count > 0 {
            stage.frees(&record.subject, &volume).await;
        }
    };
    let plan = stage.plan("tortured attachment to a shelved server");
    torture::<AttachVolume>(plan, world, audit).await;
    let world = async || stage.detaching(&target.id, &volume).await;
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let count = usize::from(record.status != Status::Done);
        stage.keeps_for_shelved(trial, record, &volume, count).await;
    };
    let plan = stage.plan("tortured detachment from a shelved server");
    torture::<DetachVolume>(plan, world, audit).await;
    stage.cloud.audit().await;
}
