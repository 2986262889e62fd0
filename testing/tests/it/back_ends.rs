//! Two back ends of volumes on one host: a server has a volume of each, and a volume moves from one to the other.

mod moves;

use std::collections::BTreeSet;
use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};
use testing::{Answer, Server, TestCloud, User, until};

const TWO: &str = "
[volume]
enabled_backends = fast, slow
[fast]
volume_dir = $state_path/fast
volume_backend_name = FLASH
[slow]
volume_dir = $state_path/slow
";

/// A type of volumes of the back end with this name.
async fn type_of(admin: &User, name: &str, backend: &str) {
    let path = format!("/volume/v3/{}/types", admin.project_id);
    let specs = json!({"volume_backend_name": backend});
    let body = json!({"volume_type": {"name": name, "extra_specs": specs}});
    admin.post(&path, &body).await.expect(200);
}

async fn attach(server: &Server, volume: &str) {
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    let user = &server.user;
    let made = user
        .compute("2.100", Method::POST, &path, Some(&body))
        .await;
    made.expect(200);
    user.volume_is(volume, "in-use").await;
}

async fn detach(server: &Server, volume: &str) {
    let path = format!("/servers/{}/os-volume_attachments/{volume}", server.id);
    let user = &server.user;
    let done = user.compute("latest", Method::DELETE, &path, None).await;
    done.expect(202);
    user.volume_is(volume, "available").await;
}

/// The files that the guest has as volumes.
async fn files(cloud: &TestCloud, server: &Server) -> BTreeSet<PathBuf> {
    let volumes = cloud.kept(server).await.volumes.into_iter();
    volumes
        .map(|volume| {
            let path = volume.source.file().expect("a file");
            path.to_owned()
        })
        .collect()
}

async fn act(user: &User, volume: &str, action: &Value) -> Answer {
    let path = format!("{}/{volume}/action", user.volumes());
    user.post(&path, action).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_a_volume_of_each_back_end() {
    let cloud = TestCloud::with(TWO).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    type_of(&admin, "quick", "FLASH").await;
    type_of(&admin, "cheap", "slow").await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let quick = demo
        .volume(json!({"size": 1, "volume_type": "quick"}))
        .await;
    let cheap = demo
        .volume(json!({"size": 1, "volume_type": "cheap"}))
        .await;
    let state = cloud.state_path().canonicalize().expect("a folder");
    let disk = |back_end: &str, id: &str| state.join(back_end).join(id).join("disk.raw");
    attach(&server, &quick).await;
    attach(&server, &cheap).await;
    let both = BTreeSet::from([disk("fast", &quick), disk("slow", &cheap)]);
    assert_eq!(files(&cloud, &server).await, both);

    // What it gave back moves, and comes again from its new place.
    let retype = json!({"os-retype": {"new_type": "cheap", "migration_policy": "on-demand"}});
    detach(&server, &quick).await;
    act(&demo, &quick, &retype).await.expect(202);
    until("the volume moved", || async {
        let path = format!("{}/{quick}", demo.volumes());
        let shown = demo.get(&path).await.expect(200)["volume"].take();
        (shown["volume_type"] == "cheap" && shown["status"] == "available").then_some(())
    })
    .await;
    assert!(!disk("fast", &quick).exists());
    attach(&server, &quick).await;
    let both = BTreeSet::from([disk("slow", &cheap), disk("slow", &quick)]);
    assert_eq!(files(&cloud, &server).await, both);
    // Only the volume service replaces a volume, and only one that moves, by what it moves to.
    let put = |id: &str| format!("/servers/{}/os-volume_attachments/{id}", server.id);
    let body = json!({"volumeAttachment": {"volumeId": cheap}});
    for (id, code) in [(&cheap, 409), (&quick, 400)] {
        let answer = admin
            .compute("2.1", Method::PUT, &put(id), Some(&body))
            .await;
        assert_eq!(answer.status, code);
    }
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    assert_eq!(files(&cloud, &server).await, both);
    detach(&server, &quick).await;
    detach(&server, &cheap).await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_may_have_files_of_every_back_end_and_of_no_other_folder() {
    let cloud = TestCloud::with(TWO).await;
    let config = cloud.config();
    let state = cloud.state_path();
    let mut folders = Vec::new();
    for companion in config.companions() {
        folders.extend(companion.guest_files(&state));
    }
    assert_eq!(folders, [state.join("fast"), state.join("slow")]);
}
