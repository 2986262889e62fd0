//! Volumes as a user has them: what a guest writes to one outlives its server.

use serde_json::{Value, json};

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;
use crate::user::User;

const VOLUMES: &str = "/volume/v3/volumes";

async fn is(demo: &User, id: &str, status: &str) {
    let path = format!("{}/{id}", VOLUMES);
    eventually(&format!("the volume is {status}"), TIMEOUT, async || {
        let shown = demo.get(&path).await;
        (shown["volume"]["status"] == status).then_some(())
    })
    .await;
}

async fn attach(demo: &User, server: &str, volume: &str) {
    let path = format!("/compute/v2.1/servers/{server}/os-volume_attachments");
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    demo.post(&path, &body).await;
    is(demo, volume, "in-use").await;
}

/// The bytes of a disk as its guest sees it; none when it has no such disk.
async fn size(guest: &Guest, disk: &str) -> Option<u64> {
    let sectors = guest
        .try_run(&format!("cat /sys/block/{disk}/size"))
        .await?;
    sectors.parse::<u64>().ok().map(|sectors| sectors * 512)
}

#[test]
fn what_is_on_a_volume_outlives_its_server_and_boots_another() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let body = json!({"volume": {"size": 1, "name": "data"}});
        let made = demo.post(VOLUMES, &body).await;
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        is(&demo, &id, "available").await;

        let first = demo.create(&site, "first", json!({})).await;
        demo.reaches(&first, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &first).await, &site.key);
        guest.answers().await;
        attach(&demo, &first, &id).await;
        let seen = eventually("the guest sees the disk", TIMEOUT, async || {
            size(&guest, "vdb").await
        })
        .await;
        assert_eq!(seen, 1 << 30);
        let serial = guest.run("cat /sys/block/vdb/serial").await;
        assert_eq!(serial, id[..20]);
        guest
            .run("echo kept | dd of=/dev/vdb bs=512 conv=sync 2>/dev/null && sync")
            .await;

        // It grows under the guest.
        let path = format!("{}/{id}/action", VOLUMES);
        let body = json!({"os-extend": {"new_size": 2}});
        demo.post(&path, &body).await;
        eventually("the guest sees it grow", TIMEOUT, async || {
            (size(&guest, "vdb").await == Some(2 << 30)).then_some(())
        })
        .await;
        is(&demo, &id, "in-use").await;

        // It is there after a hard reboot, and gone from the guest when it is detached.
        demo.act(&first, json!({"reboot": {"type": "HARD"}})).await;
        demo.reaches(&first, "ACTIVE").await;
        guest.answers().await;
        assert_eq!(guest.run("head -c 4 /dev/vdb").await, "kept");
        let path = format!("/compute/v2.1/servers/{first}/os-volume_attachments/{id}");
        demo.delete(&path).await;
        is(&demo, &id, "available").await;
        assert_eq!(size(&guest, "vdb").await, None);
        demo.remove(&first).await;

        // Another server has what the first one wrote; its own root is a volume made of the image.
        let disks: Value = json!([
            {"boot_index": 0, "source_type": "image", "destination_type": "volume",
             "uuid": site.image, "volume_size": 1, "delete_on_termination": true},
            {"source_type": "volume", "destination_type": "volume", "uuid": id},
        ]);
        let wanted = json!({"block_device_mapping_v2": disks});
        let second = demo.create(&site, "second", wanted).await;
        demo.reaches(&second, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &second).await, &site.key);
        guest.answers().await;
        assert_eq!(guest.run("head -c 4 /dev/vdb").await, "kept");
        demo.remove(&second).await;
        is(&demo, &id, "available").await;
        demo.delete(&format!("{}/{id}", VOLUMES)).await;
        eventually("no volume is left", TIMEOUT, async || {
            let list = demo.get(VOLUMES).await;
            list["volumes"]
                .as_array()
                .is_some_and(Vec::is_empty)
                .then_some(())
        })
        .await;
        cloud.finish().await;
    });
}
