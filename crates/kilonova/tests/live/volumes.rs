//! Volumes as a user has them: what a guest writes to one outlives its server.

use serde_json::{Value, json};

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;
use crate::user::{User, id, text};

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

/// Shows what a guest left in its root file system.
const MARK: &str = "cat /root/mark 2>/dev/null || true";

#[test]
fn an_image_of_a_server_on_a_volume_boots_with_what_its_guest_wrote_and_a_rebuild_without() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let root = json!([{
            "boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": site.image,
            "volume_size": 1, "delete_on_termination": true,
        }]);
        let wanted = json!({"block_device_mapping_v2": root});
        let first = demo.create(&site, "first", wanted).await;
        demo.reaches(&first, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &first).await, &site.key);
        guest.answers().await;
        guest.run("echo kept > /root/mark && sync").await;
        let made = demo
            .act(&first, json!({"createImage": {"name": "copy"}}))
            .await;
        let copy = text(&made["image_id"]);
        demo.reaches(&first, "ACTIVE").await;
        let shown = demo.get(&format!("/image/v2/images/{copy}")).await;
        assert_eq!(
            (&shown["status"], &shown["size"]),
            (&json!("active"), &json!(0))
        );
        guest.run("echo later > /root/mark && sync").await;

        // The new server's guest finds what the first one's had written by then.
        let second = demo
            .create(&site, "second", json!({"imageRef": copy}))
            .await;
        demo.reaches(&second, "ACTIVE").await;
        let again = Guest::new(demo.floating_ip(&site, &second).await, &site.key);
        again.answers().await;
        assert_eq!(again.run(MARK).await, "kept");
        assert_eq!(guest.run(MARK).await, "later");

        // Rebuilt from the image of before, its volume is new; rebuilt from its own image, it is the copy again.
        for (image, mark) in [(&site.image, ""), (&copy, "kept")] {
            let body = json!({"rebuild": {"imageRef": image}});
            demo.act_at("2.93", &second, body).await;
            demo.reaches(&second, "ACTIVE").await;
            again.answers().await;
            assert_eq!(again.run(MARK).await, mark);
        }
        demo.remove(&second).await;
        demo.delete(&format!("/image/v2/images/{copy}")).await;
        let list = demo.get("/volume/v3/snapshots").await;
        let list = list["snapshots"].as_array().cloned().unwrap_or_default();
        assert_eq!(list.len(), 1, "of the first server's volume");
        let path = format!("/volume/v3/snapshots/{}", id(&list[0]));
        demo.delete(&path).await;
        eventually("the snapshot is gone", TIMEOUT, async || {
            let gone = demo.send(reqwest::Method::GET, &path, None).await;
            (gone.status() == 404).then_some(())
        })
        .await;
        demo.remove(&first).await;
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
