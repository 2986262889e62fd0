//! Servers that boot from a volume, hit anywhere: an image is made of them, and their volume gets another one.

use compute_conductor::workflows::rebuild::RebuildVolume;
use compute_conductor::workflows::snapshot::volumes::SnapshotVolumes;
use compute_model::image::ServerImage;

use super::*;

impl Stage {
    /// A running server on a volume.
    async fn rooted(&self) -> Row {
        let image = self.pattern.image.as_ref().expect("an image").id.clone();
        let disks = json!([{
            "boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image,
            "volume_size": 1, "delete_on_termination": true,
        }]);
        let wanted = json!({
            "name": "rooted", "flavorRef": "tiny", "networks": "none", "block_device_mapping_v2": disks,
        });
        let server = self.cloud.boot_with(&self.demo, wanted).await;
        server.reaches("ACTIVE").await;
        self.row(&server.id).await
    }

    async fn snapshots(&self) -> Vec<String> {
        let path = format!("/volume/v3/{}/snapshots", self.demo.project_id);
        let list = self.demo.get(&path).await.expect(200);
        let list = list["snapshots"].as_array().expect("a list").iter();
        list.map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

/// An image of a server's volumes; each trial makes another one.
pub async fn images(stage: Stage) {
    let target = stage.rooted().await;
    let world = async || {
        let image_id = uuid::Uuid::new_v4().to_string();
        let record = json!({
            "id": image_id, "name": "copy", "disk_format": "raw", "container_format": "bare",
            "instance_uuid": target.id,
        });
        stage
            .demo
            .post("/image/v2/images", &record)
            .await
            .expect(201);
        let row = stage
            .change(&target.id, |row| {
                row.task_state = Some(TaskState::ImageSnapshotPending);
                row.epoch += 1;
            })
            .await;
        let state = states::SnapshotVolumes {
            image: states::Snapshot {
                server_id: target.id.clone(),
                asked: asked(),
                epoch: row.epoch,
                image_id,
                token: stage.sealed(),
                backup: None,
            },
            name: "copy".to_owned(),
            bus: "virtio".to_owned(),
            root_device: "/dev/vda".to_owned(),
            volumes: row.volumes.clone(),
            local_disks: row.local_disks.clone(),
        };
        stage.world::<SnapshotVolumes>(&target.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        assert_eq!(
            (row.vm_state, row.task_state),
            (VmState::Active, None),
            "{trial:?}"
        );
        stage
            .demo
            .volume_is(&row.volumes[0].volume_id, "in-use")
            .await;
        let id = record.state["image"]["image_id"].as_str().expect("an id");
        let path = format!("/image/v2/images/{id}");
        let image = stage.demo.get(&path).await;
        if record.status == Status::Done {
            let image = image.expect(200);
            assert_eq!(image["status"], "active", "{trial:?}");
            let mapping = image["block_device_mapping"].as_str().expect("a list");
            let made = stage.snapshots().await;
            assert_eq!(made.len(), 1, "{trial:?}");
            assert!(mapping.contains(&made[0]), "{trial:?}: {mapping}");
            stage.demo.delete(&path).await.expect(204);
            let path = format!("/volume/v3/{}/snapshots/{}", stage.demo.project_id, made[0]);
            stage.demo.delete(&path).await.expect(202);
        } else {
            assert_eq!(image.status, 404, "{trial:?}");
        }
        testing::until(&format!("{trial:?}: no snapshot is left"), async || {
            stage.snapshots().await.is_empty().then_some(())
        })
        .await;
    };
    torture::<SnapshotVolumes>(stage.plan("tortured image of volumes"), world, audit).await;
    stage.cloud.audit().await;
}

/// A rebuild; each trial begins where the one before left the server.
pub async fn rebuilds(stage: Stage) {
    let target = stage.rooted().await;
    let image = ServerImage {
        id: stage.demo.image("raw", vec![7; 1 << 20]).await,
        disk_format: "raw".to_owned(),
        container_format: "bare".to_owned(),
        ..ServerImage::default()
    };
    let world = async || {
        let row = stage
            .change(&target.id, |row| {
                row.vm_state = VmState::Active;
                row.task_state = Some(TaskState::Rebuilding);
                row.fault = None;
                row.epoch += 1;
            })
            .await;
        let state = states::RebuildVolume {
            server_id: row.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            was: VmState::Active,
            image: image.clone(),
            token: stage.sealed(),
            given: Given::default(),
            since: None,
            lost: false,
            power_state: None,
        };
        stage.world::<RebuildVolume>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let claimed = record.state["epoch"].as_i64().expect("a number");
        assert_eq!(row.task_state, None, "{trial:?}");
        // Whatever came of it, the volume is whole and the server's.
        let root = row.volumes.first().expect("a root volume");
        assert!(root.boot, "{trial:?}");
        let lost = record.state["lost"] == json!(true);
        if !lost {
            stage.demo.volume_is(&root.volume_id, "in-use").await;
            assert!(root.connection.is_some(), "{trial:?}");
            assert_eq!(stage.guests(&row.id).await.len(), 1, "{trial:?}");
            assert_eq!(stage.spec(&row).await.volumes.len(), 1, "{trial:?}");
        }
        match record.status {
            Status::Done => {
                assert_eq!(row.vm_state, VmState::Active, "{trial:?}");
                assert_eq!(row.epoch, claimed + 1, "{trial:?}");
                let own = row.volume_image.as_ref().map(|own| &own.id);
                assert_eq!(own, Some(&image.id), "{trial:?}");
            }
            _ if row.fault.is_none() => {
                // It had settled before it was asked to turn round.
                assert_eq!(row.vm_state, VmState::Active, "{trial:?}");
                assert_eq!(row.epoch, claimed + 1, "{trial:?}");
            }
            _ => {
                let state = if lost {
                    VmState::Error
                } else {
                    VmState::Active
                };
                assert_eq!(row.vm_state, state, "{trial:?}");
                assert!(row.epoch > claimed, "what comes late is refused: {trial:?}");
            }
        }
    };
    torture::<RebuildVolume>(stage.plan("tortured rebuild of a volume"), world, audit).await;
    stage.server(&target.id).delete().await.vanishes().await;
    stage.cloud.audit().await;
}
