//! Volumes of servers that move to a back end which serves its volumes, and from one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use volume::{Helper, Nbd, Settings};
use workflow::testing::{found, until};

use super::{Compute, FAST, SERVER, SLOW, read, retype, two, write};
use crate::foreign::{by_nbd, can, has_nbd};
use crate::{ADMIN, Cinder, SERVICE};

/// The second back end serves its volumes.
fn one_serves(settings: &mut Settings) {
    two(settings);
    settings.backends[1].helper = Helper::Nbd(Nbd::default());
}

fn id_of(attachment: &Value) -> &str {
    attachment["id"].as_str().expect("an id")
}

impl Cinder {
    async fn with_compute(db: sql::Database) -> (Cinder, Arc<Compute>) {
        let cinder = Cinder::pair(db, one_serves).await;
        let compute = Arc::new(Compute::default());
        cinder.volumes.set_event_sink(compute.clone());
        (cinder, compute)
    }

    /// What serves an attachment dies, and hosts reach it again at the same place.
    async fn survives(&self, attachment: &Value) {
        let folder = self.settings.export_dir.join("slow/nbd");
        let pid = folder.join(id_of(attachment)).join("pid");
        let pid = fs::read_to_string(pid).expect("a daemon");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number"));
        kill(pid, Signal::SIGKILL).expect("killed");
        let source = by_nbd(&attachment["connection_info"]);
        found(|| async {
            match can(&source, "read -P 0x6d 4k 4k") {
                true => Ok(()),
                false => Err("it is not served".to_owned()),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_volume_of_a_server_moves_to_a_back_end_that_serves_it() {
    if !has_nbd() {
        return;
    }
    for db in sql::testing::engines().await {
        let (cinder, compute) = Cinder::with_compute(db).await;
        let id = cinder.of_type("quick").await;
        cinder.has_attached(&id, SERVER).await;
        let wish = retype("cheap", "on-demand");
        cinder.act(ADMIN, &id, wish).await.is(202);
        let twin = cinder.twin(&compute, &id).await;
        assert_eq!(cinder.exports().await, 0);
        let new = cinder.has_attached(&twin, SERVER).await;
        let source = by_nbd(&new["connection_info"]);
        assert!(can(&source, "write -P 0x6d 4k 4k"));
        assert!(can(&source, "flush"));
        assert_eq!(read(&cinder.lies(1, &id)), *b"mmmm");
        // It lies there under the id of the other one.
        cinder.survives(&new).await;
        cinder.completes(&id, &twin, false).await.is(200);
        let moved = cinder.moved(&id, "success").await;
        assert_eq!(moved["os-vol-host-attr:host"], SLOW);
        assert_eq!(moved["attachments"][0]["attachment_id"], new["id"]);
        assert!(!cinder.lies(0, &id).exists());
        assert!(can(&source, "read -P 0x6d 4k 4k"), "its host reads on");
        // It is the other one's from now on.
        cinder.survives(&new).await;
        cinder.is_clean().await;
        let path = format!("/attachments/{}", id_of(&new));
        cinder.delete(SERVICE, &path).await.is(200);
        assert!(!can(&source, "read 0 1"));
        assert_eq!(cinder.exports().await, 0);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_volume_of_a_server_moves_from_a_back_end_that_serves_it() {
    if !has_nbd() {
        return;
    }
    for db in sql::testing::engines().await {
        let (cinder, compute) = Cinder::with_compute(db).await;
        let id = cinder.of_type("cheap").await;
        let old = cinder.has_attached(&id, SERVER).await;
        let source = by_nbd(&old["connection_info"]);
        assert!(can(&source, "write -P 0x6d 4k 4k"));
        let wish = retype("quick", "on-demand");
        cinder.act(ADMIN, &id, wish).await.is(202);
        let twin = cinder.twin(&compute, &id).await;
        let new = cinder.has_attached(&twin, SERVER).await;
        let info = &new["connection_info"];
        let disk = info["device_path"].as_str().expect("a path");
        assert_ne!(info["driver_volume_type"], "nbd");
        write(&disk.into(), b"mine");
        // Until compute says that the server has the other one, it may write to this one.
        assert!(can(&source, "read -P 0x6d 4k 4k"));
        cinder.completes(&id, &twin, false).await.is(200);
        let moved = cinder.moved(&id, "success").await;
        assert_eq!(moved["os-vol-host-attr:host"], FAST);
        assert!(!can(&source, "read 0 1"), "what ended opens nothing");
        assert_eq!(cinder.exports().await, 0);
        assert!(!cinder.lies(1, &id).exists());
        assert_eq!(read(&cinder.lies(0, &id)), *b"mine");
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn what_was_served_of_a_volume_that_is_not_replaced_goes() {
    if !has_nbd() {
        return;
    }
    for db in sql::testing::engines().await {
        let (cinder, compute) = Cinder::with_compute(db).await;
        let id = cinder.of_type("quick").await;
        write(&cinder.lies(0, &id), b"mine");
        let old = cinder.has_attached(&id, SERVER).await;
        let wish = retype("cheap", "on-demand");
        cinder.act(ADMIN, &id, wish).await.is(202);
        let twin = cinder.twin(&compute, &id).await;
        let new = cinder.has_attached(&twin, SERVER).await;
        let source = by_nbd(&new["connection_info"]);
        assert!(can(&source, "read 0 1"));
        compute.1.store(true, Ordering::SeqCst);
        let path = format!("/attachments/{}", id_of(&new));
        cinder.delete(SERVICE, &path).await.is(200);
        cinder.completes(&id, &twin, true).await.is(200);
        let stays = cinder.moved(&id, "error").await;
        assert_eq!(stays["os-vol-host-attr:host"], FAST);
        assert_eq!(stays["attachments"][0]["attachment_id"], old["id"]);
        cinder.is_gone(&format!("/volumes/{twin}")).await;
        until(|| async { !cinder.lies(1, &id).exists() }).await;
        assert!(!can(&source, "read 0 1"));
        assert_eq!(cinder.exports().await, 0);
        assert_eq!(read(&cinder.lies(0, &id)), *b"mine");
        cinder.is_clean().await;
    }
}
