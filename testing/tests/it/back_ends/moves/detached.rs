//! Volumes that are to be detached while they move.

use compute_db::servers;
use compute_model::Server as Row;
use compute_model::volume::AttachedVolume;
use compute_rpc::workflows::{Asked, DETACH_VOLUME, DETACH_VOLUME_VERSION, DetachVolume};
use workflow::{Record, Status, WorkflowId};

use super::*;

/// The kind of compute's work that replaces a volume.
const SWAP: &str = "swap_volume";

impl Scene {
    async fn row(&self) -> Row {
        let row = servers::find(self.cloud.cloud().db.read(), &self.server.id).await;
        row.expect("a row")
    }

    /// The work that replaces the volume.
    async fn replacing(&self) -> Record {
        until("the volume is being replaced", || async {
            let all = workflow::find(self.cloud.cloud().db.read(), &self.server.id).await;
            let mut all = all.expect("the journal").into_iter();
            all.find(|one| one.kind == SWAP)
        })
        .await
    }

    /// A detachment of this that was accepted after these changes.
    async fn accepted(&self, volume: AttachedVolume, before: Vec<String>) -> WorkflowId {
        let state = DetachVolume {
            server_id: self.server.id.clone(),
            asked: Asked::default(),
            before,
            volume,
            begun: false,
        };
        let kind = (DETACH_VOLUME, DETACH_VOLUME_VERSION);
        let journal = self.cloud.cloud().db.write();
        let begun = workflow::insert(journal, kind, &self.server.id, &state).await;
        begun.expect("a row")
    }

    async fn over(&self, id: WorkflowId) -> Record {
        until("it is over", || async {
            let record = workflow::get(self.cloud.cloud().db.read(), id).await;
            let record = record.expect("a journal").expect("a row");
            (record.status != Status::Running).then_some(record)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_moves_is_not_detached_before_it_has_moved() {
    let mut scene = Scene::open().await;
    detach(&scene.server, &scene.volume).await;
    // Of no type: either back end may have it.
    scene.volume = scene.demo.volume(json!({"size": 1})).await;
    attach(&scene.server, &scene.volume).await;
    let shown = scene.shown().await;
    let host = shown["os-vol-host-attr:host"].as_str().expect("a host");
    let (host, pool) = host.split_once('@').expect("a back end");
    let to = match pool.starts_with("fast#") {
        true => "slow",
        false => "fast",
    };
    scene.slow();
    let moves = json!({"os-migrate_volume": {"host": format!("{host}@{to}")}});
    act(&scene.admin, &scene.volume, &moves).await.expect(202);
    scene.twin().await;
    // Who is no administrator does not see that it moves.
    scene.demo.volume_is(&scene.volume, "in-use").await;
    let path = format!(
        "/servers/{}/os-volume_attachments/{}",
        scene.server.id, scene.volume
    );
    let asked = scene
        .demo
        .compute("latest", Method::DELETE, &path, None)
        .await;
    let refused = asked.fault(400);
    assert!(refused.contains("status must be 'in-use'"), "{refused}");
    scene.faults(&Faults::default());
    assert_eq!(scene.ends().await["migration_status"], "success");
    scene.agrees(to).await;
    detach(&scene.server, &scene.volume).await;
    assert!(files(&scene.cloud, &scene.server).await.is_empty());
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detachment_that_waited_for_a_move_takes_what_the_server_has_then() {
    let scene = Scene::open().await;
    scene.slow();
    scene.begins().await;
    scene.twin().await;
    let swap = scene.replacing().await;
    let old = scene.row().await.volumes.remove(0);
    let begun = scene.accepted(old, vec![swap.id.to_string()]).await;
    scene.faults(&Faults::default());
    assert_eq!(scene.over(swap.id).await.status, Status::Done);
    // The volume service may be about to clear the old copy, and then refuses it.
    let has = match scene.over(begun).await.status {
        Status::Done => 0,
        _ => 1,
    };
    assert_eq!(scene.row().await.volumes.len(), has);
    assert_eq!(files(&scene.cloud, &scene.server).await.len(), has);
    assert_eq!(scene.attachments().await.len(), has);
    assert_eq!(scene.ends().await["migration_status"], "success");
    scene.server.delete().await.vanishes().await;
    scene.demo.volume_is(&scene.volume, "available").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_attachment_that_is_over_the_guest_loses_nothing() {
    let scene = Scene::open().await;
    let ended = AttachedVolume {
        attachment_id: uuid::Uuid::new_v4().to_string(),
        ..scene.row().await.volumes.remove(0)
    };
    let begun = scene.accepted(ended, Vec::new()).await;
    assert_eq!(scene.over(begun).await.status, Status::Done);
    scene.demo.volume_is(&scene.volume, "in-use").await;
    scene.agrees("fast").await;
    scene.server.delete().await.vanishes().await;
    scene.cloud.audit().await;
}
