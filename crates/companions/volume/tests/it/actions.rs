//! What else is done with volumes.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::json;
use volume::{EventSink, NotReplaced, SinkError};
use workflow::testing::found;

use crate::{ADMIN, ALICE, Cinder, READER};

/// Remembers events; refuses the first.
#[derive(Default)]
struct Compute(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl EventSink for Compute {
    async fn send(&self, name: &str, server: &str, volume: &str) -> Result<(), SinkError> {
        let mut heard = self.0.lock().expect("unpoisoned");
        heard.push(format!("{name} {server} {volume}"));
        match heard.len() {
            1 => Err("away".into()),
            _ => Ok(()),
        }
    }

    async fn replace(&self, _: &str, _: &str, _: &str) -> Result<(), NotReplaced> {
        Err(NotReplaced::Refused("nobody asks for it here".to_owned()))
    }
}

#[tokio::test]
async fn a_volume_becomes_larger() {
    for cinder in Cinder::all().await {
        let id = cinder.volume(ALICE, json!({})).await;
        let to = |size: i64| json!({"os-extend": {"new_size": size}});
        cinder.act(READER, &id, to(2)).await.is(403);
        let refused = cinder.act(ALICE, &id, to(1)).await.is(400).says();
        assert!(
            refused.contains("must be greater than current size"),
            "{refused}"
        );
        cinder.act(ALICE, &id, to(3)).await.is(202);
        assert_eq!(cinder.becomes(&id, "available").await["size"], 3);
        let disk = cinder.disk(&id);
        assert_eq!(std::fs::metadata(disk).expect("a disk").len(), 3 << 30);
        cinder
            .put(
                ADMIN,
                "/os-quota-sets/a11ce",
                json!({"quota_set": {"gigabytes": 4}}),
            )
            .await
            .is(200);
        cinder.act(ALICE, &id, to(5)).await.is(413);
        assert_eq!(cinder.show(ALICE, &id).await["status"], "available");
    }
}

#[tokio::test]
async fn servers_hear_that_their_volume_is_larger() {
    let cinder = Cinder::start().await;
    let compute = Arc::new(Compute::default());
    cinder.volumes.set_event_sink(compute.clone());
    let id = cinder.volume(ALICE, json!({})).await;
    let server = "5e12e000-0000-4000-8000-000000000001";
    let attach = json!({"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdb"}});
    cinder.act(ALICE, &id, attach).await.is(202);
    let extend = json!({"os-extend": {"new_size": 2}});
    let path = format!("/volumes/{id}/action");
    cinder
        .at(41, ALICE, Method::POST, &path, Some(extend.clone()))
        .await
        .is(400);
    cinder.act(ALICE, &id, extend).await.is(202);
    assert_eq!(cinder.becomes(&id, "in-use").await["size"], 2);
    let event = format!("volume-extended {server} {id}");
    found(|| async {
        let heard = compute.0.lock().expect("unpoisoned").clone();
        match heard == [event.clone(), event.clone()] {
            true => Ok(()),
            false => Err(format!("{heard:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn flags_and_image_metadata_are_set() {
    for cinder in Cinder::all().await {
        let id = cinder.volume(ALICE, json!({})).await;
        cinder
            .act(ALICE, &id, json!({"os-set_bootable": {"bootable": "true"}}))
            .await
            .is(200);
        assert_eq!(cinder.show(ALICE, &id).await["bootable"], "true");
        let set = json!({"os-set_image_metadata": {"metadata": {"os": "x", "arch": "y"}}});
        let all = cinder.act(ALICE, &id, set).await.is(200).json();
        assert_eq!(all["metadata"], json!({"os": "x", "arch": "y"}));
        let shown = cinder.show(ALICE, &id).await;
        assert_eq!(
            shown["volume_image_metadata"],
            json!({"os": "x", "arch": "y"})
        );
        let unset = json!({"os-unset_image_metadata": {"key": "os"}});
        cinder.act(ALICE, &id, unset.clone()).await.is(200);
        cinder.act(ALICE, &id, unset).await.is(404);
        let all = cinder
            .act(READER, &id, json!({"os-show_image_metadata": {}}))
            .await
            .is(200)
            .json();
        assert_eq!(all["metadata"], json!({"arch": "y"}));
        let query = "/volumes?glance_metadata={'arch':'y'}";
        let found = cinder
            .get(ADMIN, &format!("{query}&all_tenants=1"))
            .await
            .is(200)
            .json();
        assert_eq!(found["volumes"].as_array().map(Vec::len), Some(1));
        cinder
            .act(READER, &id, json!({"os-set_bootable": {"bootable": true}}))
            .await
            .is(403);
    }
}

#[tokio::test]
async fn a_volume_gets_another_type() {
    for cinder in Cinder::all().await {
        for (name, backend) in [("fast", "file"), ("far", "ceph")] {
            let specs = json!({"volume_backend_name": backend});
            let kind = json!({"volume_type": {"name": name, "extra_specs": specs}});
            cinder.post(ADMIN, "/types", kind).await.is(200);
        }
        let id = cinder.volume(ALICE, json!({})).await;
        let to = |name: &str, policy: &str| json!({"os-retype": {"new_type": name, "migration_policy": policy}});
        cinder.act(ALICE, &id, to("far", "never")).await.is(400);
        let nowhere = cinder.act(ALICE, &id, to("far", "on-demand")).await;
        assert!(
            nowhere
                .is(400)
                .says()
                .contains("No valid backend was found.")
        );
        cinder
            .put(
                ADMIN,
                "/os-quota-sets/a11ce",
                json!({"quota_set": {"volumes_fast": 0}}),
            )
            .await
            .is(200);
        cinder.act(ALICE, &id, to("fast", "never")).await.is(413);
        cinder
            .put(
                ADMIN,
                "/os-quota-sets/a11ce",
                json!({"quota_set": {"volumes_fast": 1}}),
            )
            .await
            .is(200);
        cinder.act(ALICE, &id, to("fast", "never")).await.is(202);
        assert_eq!(cinder.show(ALICE, &id).await["volume_type"], "fast");
        cinder.act(ALICE, &id, to("fast", "never")).await.is(400);
    }
}

#[tokio::test]
async fn administrators_set_a_status_and_delete_by_force() {
    let cinder = Cinder::start().await;
    let id = cinder.volume(ALICE, json!({})).await;
    let reset = |status: &str| json!({"os-reset_status": {"status": status}});
    cinder.act(ALICE, &id, reset("error")).await.is(403);
    for wrong in ["nonsense", "deleting", "in-use"] {
        cinder.act(ADMIN, &id, reset(wrong)).await.is(400);
    }
    cinder
        .act(ADMIN, &id, json!({"os-reset_status": {}}))
        .await
        .is(400);
    cinder.act(ADMIN, &id, reset("maintenance")).await.is(202);
    cinder
        .delete(ALICE, &format!("/volumes/{id}"))
        .await
        .is(400);
    cinder
        .act(ALICE, &id, json!({"os-force_delete": {}}))
        .await
        .is(403);
    let done = json!({"os-extend_volume_completion": {"error": false}});
    let refused = cinder.act(ADMIN, &id, done).await.is(400).says();
    assert_eq!(refused, "Invalid volume: Volume is not being extended.");
    cinder
        .act(ADMIN, &id, json!({"os-force_delete": {}}))
        .await
        .is(202);
    cinder.is_gone(&format!("/volumes/{id}")).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn attachments_say_whether_a_volume_is_attached() {
    for cinder in Cinder::all().await {
        let id = cinder.volume(ALICE, json!({})).await;
        let reset = |word: &str| json!({"os-reset_status": {"attach_status": word}});
        let said = cinder.act(ADMIN, &id, reset("attached")).await.is(400);
        assert!(said.says().contains("does not have any attachments"));
        let attach = json!({"os-attach": {"host_name": "h", "mountpoint": "/dev/vdb"}});
        cinder.act(ALICE, &id, attach).await.is(202);
        cinder.act(ADMIN, &id, reset("attached")).await.is(202);
        assert_eq!(cinder.show(ALICE, &id).await["status"], "in-use");
        cinder.act(ADMIN, &id, reset("detached")).await.is(202);
        assert_eq!(cinder.show(ALICE, &id).await["status"], "available");
    }
}
