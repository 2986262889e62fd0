//! The same where a target serves the volumes of one of the back ends.

use std::path::Path;

use hypervisor::VolumeSource;

use super::*;

/// What serves volumes by NBD.
const DAEMON: &str = "qemu-storage-daemon";

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_moves_to_a_back_end_that_serves_it_and_back() {
    if child::find(Path::new(DAEMON)).is_none() {
        skips::skip(format!("{DAEMON} is not installed"));
        return;
    }
    let scene = Scene::with(&format!("{TWO}target_helper = nbd\n")).await;
    scene.begins().await;
    let moved = scene.ends().await;
    assert_eq!(moved["migration_status"], "success");
    assert_eq!(moved["volume_type"], "cheap");
    scene.told("Success").await;
    let has = scene.cloud.kept(&scene.server).await.volumes;
    assert_eq!(has.len(), 1, "{has:?}");
    assert_eq!(has[0].id, scene.volume);
    assert!(matches!(has[0].source, VolumeSource::Nbd(_)), "{has:?}");
    let all = scene.attachments().await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["volume_id"], scene.volume.as_str());
    until("the audit finds nothing", || async {
        let found = scene.cloud.cloud().audit().await.expect("the audit");
        found.is_empty().then_some(())
    })
    .await;
    assert!(scene.disk("slow").exists() && !scene.disk("fast").exists());

    let back = json!({"os-retype": {"new_type": "quick", "migration_policy": "on-demand"}});
    act(&scene.demo, &scene.volume, &back).await.expect(202);
    let moved = scene.ends().await;
    assert_eq!(moved["migration_status"], "success");
    scene.agrees("fast").await;
    scene.server.delete().await.vanishes().await;
    scene.demo.volume_is(&scene.volume, "available").await;
    scene.cloud.audit().await;
}
