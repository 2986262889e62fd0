//! Volumes of servers that move: compute puts a new one in the place of the old.

mod served;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use volume::{EventSink, NotReplaced, SinkError};
use workflow::testing::found;

use super::*;
use crate::Answer;

/// Remembers what it is asked to replace. The second field: it knows nothing of that any more.
#[derive(Default)]
struct Compute(Mutex<Vec<[String; 3]>>, AtomicBool);

#[async_trait::async_trait]
impl EventSink for Compute {
    async fn send(&self, _: &str, _: &str, _: &str) -> Result<(), SinkError> {
        Ok(())
    }

    async fn replace(&self, server: &str, volume: &str, new: &str) -> Result<(), NotReplaced> {
        let mut asked = self.0.lock().expect("unpoisoned");
        asked.push([server, volume, new].map(str::to_owned));
        match asked.len() {
            1 => Err(NotReplaced::Away("away".into())),
            _ if self.1.load(Ordering::SeqCst) => Err(NotReplaced::Refused("it ended".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Cinder {
    /// Attaches a volume to a server as compute does; the attachment.
    async fn has_attached(&self, volume: &str, server: &str) -> Value {
        let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}});
        let made = self
            .post(SERVICE, "/attachments", body)
            .await
            .is(200)
            .json();
        let id = made["attachment"]["id"].as_str().expect("an id");
        let connector = json!({"attachment": {"connector": {"host": "here"}}});
        let path = format!("/attachments/{id}");
        let shown = self.put(SERVICE, &path, connector).await.is(200).json();
        let path = format!("{path}/action");
        let done = json!({"os-complete": {}});
        self.post(SERVICE, &path, done).await.is(204);
        shown["attachment"].clone()
    }

    /// Says how the replacing of a volume ended.
    async fn completes(&self, volume: &str, new: &str, failed: bool) -> Answer {
        let said = json!({"os-migrate_volume_completion": {"new_volume": new, "error": failed}});
        self.act(SERVICE, volume, said).await
    }

    /// The volume that compute is asked to put in the place of another one.
    async fn twin(&self, compute: &Compute, volume: &str) -> String {
        found(|| async {
            let asked = compute.0.lock().expect("unpoisoned");
            match asked.as_slice() {
                [_, .., [_, of, new]] if of == volume => Ok(new.clone()),
                _ => Err(format!("compute was asked for {asked:?}")),
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_volume_of_a_server_moves_as_compute_replaces_it() {
    for cinder in Cinder::pairs().await {
        let compute = Arc::new(Compute::default());
        cinder.volumes.set_event_sink(compute.clone());
        let id = cinder.of_type("quick").await;
        write(&cinder.lies(0, &id), b"mine");
        let old = cinder.has_attached(&id, SERVER).await;
        cinder
            .act(ALICE, &id, retype("cheap", "on-demand"))
            .await
            .is(202);
        let twin = cinder.twin(&compute, &id).await;
        let asked = compute.0.lock().expect("unpoisoned").clone();
        assert_eq!(asked[0][..2], [SERVER.to_owned(), id.clone()]);
        let path = format!("/volumes/{twin}");
        let shown = cinder.get(SERVICE, &path).await.is(200).json();
        let new = &shown["volume"];
        assert_eq!(new["migration_status"], format!("target:{id}"));
        assert_eq!(
            (&new["status"], &new["size"]),
            (&json!("available"), &json!(1))
        );
        // It is for compute alone, and in no list.
        cinder.get(ALICE, &path).await.is(404);
        cinder.delete(ADMIN, &path).await.is(400);
        let all = cinder
            .get(ADMIN, "/volumes?all_tenants=1")
            .await
            .is(200)
            .json();
        assert_eq!(all["volumes"].as_array().map(Vec::len), Some(1));
        let body = json!({"attachment": {"volume_uuid": twin, "instance_uuid": SERVER}});
        cinder.post(ALICE, "/attachments", body).await.is(400);
        // What moves is not taken, grown or moved again.
        for action in [
            to(SLOW),
            json!({"os-extend": {"new_size": 2}}),
            json!({"os-begin_detaching": null}),
        ] {
            cinder.act(ADMIN, &id, action).await.is(400);
        }
        cinder.completes(&id, &twin, false).await.is(400);
        cinder.completes(&twin, &id, false).await.is(403);

        let attachment = cinder.has_attached(&twin, SERVER).await;
        let folder = cinder.settings.backends[1].volume_dir.canonicalize();
        let disk = folder.expect("a folder").join(&id).join("disk.raw");
        assert_eq!(attachment["connection_info"]["device_path"], json!(disk));
        let body = json!({"attachment": {"volume_uuid": twin, "instance_uuid": SERVER}});
        cinder.post(SERVICE, "/attachments", body).await.is(400);
        write(&disk, b"mine");
        let path = format!("/attachments/{}", old["id"].as_str().expect("an id"));
        cinder.delete(SERVICE, &path).await.is(200);
        let said = cinder.completes(&id, &twin, false).await.is(200).json();
        assert_eq!(said, json!({"save_volume_id": id}));
        let moved = cinder.moved(&id, "success").await;
        assert_eq!(
            (&moved["status"], &moved["volume_type"]),
            (&json!("in-use"), &json!("cheap"))
        );
        assert_eq!(moved["os-vol-host-attr:host"], SLOW);
        assert_eq!(moved["attachments"][0]["attachment_id"], attachment["id"]);
        assert!(!cinder.lies(0, &id).exists());
        assert_eq!(read(&cinder.lies(1, &id)), *b"mine");
        cinder.completes(&id, &twin, false).await.is(404);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_volume_that_compute_does_not_replace_stays() {
    for cinder in Cinder::pairs().await {
        let compute = Arc::new(Compute::default());
        cinder.volumes.set_event_sink(compute.clone());
        let general = json!({"volume_type": {"name": "any"}});
        cinder.post(ADMIN, "/types", general).await.is(200);
        let id = cinder.of_type("any").await;
        let (from, other) = match cinder.pool_of(&id).await.as_str() {
            FAST => (0, SLOW),
            _ => (1, FAST),
        };
        let old = cinder.has_attached(&id, SERVER).await;
        let locked = json!({"os-migrate_volume": {"host": other, "lock_volume": true}});
        cinder.act(ADMIN, &id, locked).await.is(202);
        let twin = cinder.twin(&compute, &id).await;
        assert_eq!(cinder.show(ALICE, &id).await["status"], "in-use");
        // It fails after the new one was attached: that comes back first.
        let attachment = cinder.has_attached(&twin, SERVER).await;
        let path = format!("/attachments/{}", attachment["id"].as_str().expect("an id"));
        // What a server may have open is nobody else's to take, whatever an administrator says.
        let forget =
            json!({"os-reset_status": {"status": "available", "attach_status": "detached"}});
        let detach = json!({"os-force_detach": {"attachment_id": attachment["id"]}});
        for volume in [&id, &twin] {
            for action in [&forget, &detach] {
                let said = cinder.act(ADMIN, volume, action.clone()).await;
                let why = said.is(400).says();
                assert!(why.contains("swap_volume"), "{why}");
            }
        }
        let said = json!({"os-migrate_volume_completion": {"new_volume": twin, "error": true}});
        let why = cinder.act(ADMIN, &id, said).await.is(400).says();
        assert!(why.contains("swap_volume"), "{why}");
        cinder.delete(SERVICE, &path).await.is(200);
        compute.1.store(true, Ordering::SeqCst);
        cinder.completes(&id, &twin, true).await.is(200);
        let stays = cinder.moved(&id, "error").await;
        assert_eq!(stays["status"], "in-use");
        assert_eq!(stays["attachments"][0]["attachment_id"], old["id"]);
        cinder.is_gone(&format!("/volumes/{twin}")).await;
        until(|| async { !cinder.lies(1 - from, &id).exists() }).await;
        assert!(cinder.lies(from, &id).exists());
        cinder.is_clean().await;
    }
}
