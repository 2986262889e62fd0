//! Servers that are made with volumes, and boot from them.

use http::Method;
use hypervisor_fake::Faults;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

use crate::volume_images::imaged;

const NOTHING: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// How many volumes a project has.
async fn count(user: &User) -> usize {
    user.all_volumes().await.len()
}

/// A server as asked, with these disks.
async fn boot(cloud: &TestCloud, user: &User, disks: Value) -> Server {
    let flavor = cloud.tiny().await;
    let wanted = json!({
        "name": "booted", "flavorRef": flavor, "networks": "none", "block_device_mapping_v2": disks,
    });
    cloud.boot_with(user, wanted).await
}

/// The volumes of a server by its own record, in order.
async fn of_server(server: &Server) -> Vec<String> {
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let answer = server
        .user
        .compute("latest", Method::GET, &path, None)
        .await;
    let list = answer.expect(200)["volumeAttachments"].take();
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one["volumeId"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_boots_from_a_volume_made_of_an_image_beside_an_empty_one() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let disks = json!([
        {"boot_index": -1, "source_type": "blank", "destination_type": "volume", "volume_size": 2},
        {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image,
         "volume_size": 1, "delete_on_termination": true, "tag": "system"},
    ]);
    let server = boot(&cloud, &demo, disks).await;
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["image"], "", "its root is a volume");
    let had = of_server(&server).await;
    assert_eq!(had.len(), 2);
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.root_disk, None);
    let plugged: Vec<_> = guest
        .volumes
        .iter()
        .map(|one| (&one.id, one.boot))
        .collect();
    assert_eq!(plugged, [(&had[0], true), (&had[1], false)]);
    let root = demo.volume_is(&had[0], "in-use").await;
    assert_eq!(
        (&root["size"], &root["bootable"]),
        (&json!(1), &json!("true"))
    );
    assert_eq!(root["attachments"][0]["device"], "/dev/vda");
    let data = demo.volume_is(&had[1], "in-use").await;
    assert_eq!(data["attachments"][0]["device"], "/dev/vdb");

    // The root stays where it is.
    let path = format!("/servers/{}/os-volume_attachments/{}", server.id, had[0]);
    let refused = demo.compute("latest", Method::DELETE, &path, None).await;
    assert_eq!(refused.fault(400), "Cannot detach a root device volume");
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    assert_eq!(cloud.kept(&server).await.volumes.len(), 2);

    server.delete().await.vanishes().await;
    demo.volume_is(&had[1], "available").await;
    until("the root volume is gone", || async {
        (count(&demo).await == 1).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_booted_from_boots_again_and_its_snapshot_too() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = demo.image_with(&json!({"hw_disk_bus": "scsi"})).await;
    let id = demo.volume(json!({"size": 1, "imageRef": image})).await;
    let disks = |kind: &str, id: &str| json!([{"boot_index": 0, "source_type": kind, "destination_type": "volume", "uuid": id}]);
    for _ in 0..2 {
        let mut root = disks("volume", &id);
        // It has the size that it has.
        root[0]["volume_size"] = json!(7);
        let server = boot(&cloud, &demo, root).await;
        server.reaches("ACTIVE").await;
        // What its image says of hardware holds, and it takes no disk of the host.
        let guest = cloud.kept(&server).await;
        assert_eq!(guest.disk_bus, Some(hypervisor::DiskBus::Scsi));
        assert_eq!(guest.local_disk_gb(), 0);
        let second = json!({"server": {
            "name": "second", "flavorRef": "tiny", "networks": "none",
            "block_device_mapping_v2": disks("volume", &id),
        }});
        let refused = demo.asks_for_server(&second).await;
        assert!(refused.fault(400).starts_with("Invalid volume"));
        server.delete().await.vanishes().await;
        demo.volume_is(&id, "available").await;
    }
    let body = json!({"snapshot": {"volume_id": id}});
    let path = format!("/volume/v3/{}/snapshots", demo.project_id);
    let made = demo.post(&path, &body).await.expect(202);
    let snapshot = made["snapshot"]["id"].as_str().expect("an id").to_owned();
    let path = format!("{path}/{snapshot}");
    until("the snapshot is made", || async {
        let shown = demo.get(&path).await.expect(200);
        (shown["snapshot"]["status"] == "available").then_some(())
    })
    .await;
    let server = boot(&cloud, &demo, disks("snapshot", &snapshot)).await;
    server.reaches("ACTIVE").await;
    let had = of_server(&server).await;
    assert!(had.len() == 1 && had[0] != id);
    assert_eq!(
        cloud.kept(&server).await.disk_bus,
        Some(hypervisor::DiskBus::Scsi)
    );
    server.delete().await.vanishes().await;
    demo.volume_is(&had[0], "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_built_leaves_no_volume_behind() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let kept = demo.volume(json!({"size": 1})).await;
    let faults = Faults {
        fail_start_of: Some("booted".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    let disks = json!([
        {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image,
         "volume_size": 1},
        {"source_type": "volume", "destination_type": "volume", "uuid": kept},
    ]);
    let server = boot(&cloud, &demo, disks).await;
    server.fails().await;
    demo.volume_is(&kept, "available").await;
    until("only the volume of before is left", || async {
        (count(&demo).await == 1).then_some(())
    })
    .await;
    assert_eq!(of_server(&server).await, Vec::<String>::new());
    server.delete().await.vanishes().await;
    // A quota that is used up is the volume service's word.
    let admin = cloud.admin().await;
    let path = format!(
        "/volume/v3/{}/os-quota-sets/{}",
        admin.project_id, demo.project_id
    );
    let body = json!({"quota_set": {"volumes": 1}});
    admin.put(&path, &body).await.expect(200);
    cloud.set_faults(&Faults::default());
    let disks = json!([{"boot_index": 0, "source_type": "image", "destination_type": "volume",
                        "uuid": image, "volume_size": 1}]);
    let server = boot(&cloud, &demo, disks).await;
    let why = server.fails().await;
    assert!(why.contains("volume"), "{why}");
    server.delete().await.vanishes().await;
    assert_eq!(count(&demo).await, 1);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_volume_is_made_a_server_leaves_nothing() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let disks = json!([{"boot_index": 0, "source_type": "image", "destination_type": "volume",
                        "uuid": image, "volume_size": 1, "delete_on_termination": true}]);
    for round in 0..6_u64 {
        let server = boot(&cloud, &demo, disks.clone()).await;
        tokio::time::sleep(std::time::Duration::from_millis(round * 25)).await;
        server.delete().await.vanishes().await;
    }
    until("no volume is left", || async {
        (count(&demo).await == 0).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_that_make_no_sense_are_refused() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let blank = demo.volume(json!({"size": 1})).await;
    let flavor = cloud.tiny().await;
    let root = |more: Value| {
        let mut root = json!({"boot_index": 0, "destination_type": "volume"});
        for (key, value) in more.as_object().into_iter().flatten() {
            root[key] = value.clone();
        }
        root
    };
    let local = json!({"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": image});
    let data = |more: Value| {
        let mut data =
            json!({"source_type": "volume", "destination_type": "volume", "uuid": blank});
        for (key, value) in more.as_object().into_iter().flatten() {
            data[key] = value.clone();
        }
        data
    };
    let cases = [
        // A root that is empty, of nothing, of no size, or there twice.
        (
            400,
            "",
            json!([root(json!({"source_type": "volume", "uuid": blank}))]),
        ),
        (
            400,
            "",
            json!([root(json!({"source_type": "volume", "uuid": NOTHING}))]),
        ),
        (
            400,
            "",
            json!([root(json!({"source_type": "snapshot", "uuid": NOTHING}))]),
        ),
        (
            400,
            "",
            json!([root(json!({"source_type": "image", "uuid": image}))]),
        ),
        (
            400,
            "",
            json!([root(
                json!({"source_type": "image", "uuid": NOTHING, "volume_size": 1})
            )]),
        ),
        (400, "", json!([data(json!({}))])),
        (400, image.as_str(), json!([data(json!({}))])),
        (
            400,
            image.as_str(),
            json!([
                local,
                root(json!({"source_type": "image", "uuid": image, "volume_size": 1}))
            ]),
        ),
        (
            400,
            image.as_str(),
            json!([root(json!({"source_type": "volume", "uuid": blank}))]),
        ),
        // A volume that is there twice, or of a type of its own.
        (
            400,
            image.as_str(),
            json!([local, data(json!({})), data(json!({}))]),
        ),
        (
            400,
            image.as_str(),
            json!([local, data(json!({"volume_type": "x"}))]),
        ),
        (
            400,
            image.as_str(),
            json!([local, data(json!({"disk_bus": "fdc"}))]),
        ),
        (
            400,
            image.as_str(),
            json!([local, data(json!({"guest_format": "ext4"}))]),
        ),
        (
            400,
            image.as_str(),
            json!([
                local,
                data(json!({"device_type": "cdrom", "disk_bus": "virtio"}))
            ]),
        ),
        (
            400,
            image.as_str(),
            json!([local, data(json!({"destination_type": "local"}))]),
        ),
        (
            400,
            image.as_str(),
            json!([local, {"source_type": "blank", "destination_type": "volume"}]),
        ),
        // A gap in the sequence.
        (
            400,
            image.as_str(),
            json!([local, data(json!({"boot_index": 2}))]),
        ),
    ];
    for (status, image, disks) in cases {
        let mut server = json!({
            "name": "odd", "flavorRef": flavor, "networks": "none", "block_device_mapping_v2": disks,
        });
        if !image.is_empty() {
            server["imageRef"] = json!(image);
        }
        let body = json!({ "server": server });
        let answer = demo.asks_for_server(&body).await;
        assert_eq!(answer.status, status, "{disks}: {}", answer.text);
    }
    // One volume for two servers.
    let body = json!({"server": {
        "name": "two", "flavorRef": flavor, "networks": "none", "imageRef": image, "max_count": 2,
        "block_device_mapping_v2": [local, data(json!({}))],
    }});
    let answer = demo.asks_for_server(&body).await;
    answer.fault(400);
    demo.volume_is(&blank, "available").await;
    assert_eq!(count(&demo).await, 1);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_are_tried_in_the_order_of_their_numbers_also_by_servers_of_its_image() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let blank = |index: i64| {
        json!({
            "boot_index": index, "source_type": "blank", "destination_type": "volume", "volume_size": 1,
            "delete_on_termination": true,
        })
    };
    let root = json!({
        "boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1,
        "delete_on_termination": true,
    });
    let server = boot(&cloud, &demo, json!([blank(2), root, blank(-1), blank(1)])).await;
    server.reaches("ACTIVE").await;
    let order = async |server: &Server| {
        let guest = cloud.kept(server).await;
        let all = guest.volumes.iter();
        all.map(|one| (one.boot, one.boot_order))
            .collect::<Vec<_>>()
    };
    let expected = [
        (true, None),
        (false, Some(2)),
        (false, None),
        (false, Some(1)),
    ];
    assert_eq!(order(&server).await, expected);

    // One that goes leaves no gap in its image.
    let had = of_server(&server).await;
    let path = format!("/servers/{}/os-volume_attachments/{}", server.id, had[3]);
    demo.compute("latest", Method::DELETE, &path, None)
        .await
        .expect(202);
    until("it is gone from the guest", || async {
        (order(&server).await.len() == 3).then_some(())
    })
    .await;
    demo.volume_is(&had[3], "available").await;
    let copy = imaged(&server, "copy").await;
    let wanted = json!({"name": "again", "flavorRef": cloud.tiny().await, "imageRef": copy["id"], "networks": "none"});
    let again = cloud.boot_with(&demo, wanted).await;
    again.reaches("ACTIVE").await;
    let expected = [(true, None), (false, Some(1)), (false, None)];
    assert_eq!(order(&again).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_root_on_a_volume_the_image_says_what_the_hardware_is() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = demo.image_with(&json!({"hw_disk_bus": "scsi"})).await;
    let flavor = cloud.tiny().await;
    let bootable = demo
        .volume(json!({"size": 1, "imageRef": cloud.image(&demo).await}))
        .await;
    for root in [
        json!({"source_type": "blank", "volume_size": 1, "delete_on_termination": true}),
        json!({"source_type": "volume", "uuid": bootable}),
    ] {
        let mut root = root;
        root["boot_index"] = json!(0);
        root["destination_type"] = json!("volume");
        let wanted = json!({
            "name": "beside", "flavorRef": flavor, "imageRef": image, "networks": "none",
            "block_device_mapping_v2": [root],
        });
        let server = cloud.boot_with(&demo, wanted).await;
        let shown = server.reaches("ACTIVE").await;
        assert_eq!(shown["image"]["id"], json!(image), "it was named");
        let guest = cloud.kept(&server).await;
        assert_eq!(guest.root_disk, None);
        assert_eq!(guest.disk_bus, Some(hypervisor::DiskBus::Scsi));
        assert!(guest.volumes.len() == 1 && guest.volumes[0].boot);
        server.delete().await.vanishes().await;
    }
    until("only the volume of before is left", || async {
        (count(&demo).await == 1).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_have_an_empty_volume_for_its_root() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let disks = json!([{
        "boot_index": 0, "source_type": "blank", "destination_type": "volume", "volume_size": 1,
        "delete_on_termination": true,
    }]);
    let server = boot(&cloud, &demo, disks).await;
    assert_eq!(server.reaches("ACTIVE").await["image"], "");
    // It is rescued by an image that says how it is shown, and by no other.
    let image = cloud.image(&demo).await;
    let rescue = json!({"rescue": {"rescue_image_ref": image}});
    let said = format!(
        "Instance {} cannot be rescued: Cannot rescue a volume-backed instance: its rescue image names no \
         hw_rescue_device and hw_rescue_bus",
        server.id
    );
    assert_eq!(server.action(rescue.clone()).await.fault(400), said);
    let device = json!({"hw_rescue_device": "disk"});
    demo.set_properties(&image, &device).await;
    server.action(rescue).await.expect(200);
    server.reaches("RESCUE").await;
    server.action(json!({"unrescue": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    until("its volume goes with it", async || {
        (count(&demo).await == 0).then_some(())
    })
    .await;
    cloud.audit().await;
}
