//! Disks on the host and volumes that are shown as their owner wants: buses, CDs, an order of booting; and tags, by which
//! the guest is told where they are.

use compute_metadata::{Settings, sign};
use http::{Method, Request};
use hypervisor::{DiskBus, DiskDevice};
use secrecy::SecretString;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};
use tower::ServiceExt;

use crate::local_disks::{NEW, after_each_start, ask, blank, flavor, root, with};

async fn boot(cloud: &TestCloud, user: &User, of: (&str, Option<&str>), disks: Value) -> Server {
    let mut server = json!({
        "name": "shown", "flavorRef": of.0, "networks": "none", "config_drive": true, NEW: disks,
    });
    if let Some(image) = of.1 {
        server["imageRef"] = json!(image);
    }
    cloud.boot_with(user, server).await
}

/// What the config drive says of devices.
async fn on_drive(cloud: &TestCloud, server: &Server) -> Value {
    let drive = cloud.kept(server).await.config_drive;
    let files = drive.expect("a config drive").files;
    let mut files = files.iter();
    let meta = files.find(|file| file.path == "openstack/latest/meta_data.json");
    let meta: Value = serde_json::from_slice(&meta.expect("meta data").bytes.0).expect("JSON");
    meta["devices"].clone()
}

/// What the metadata service says of devices.
async fn by_service(cloud: &TestCloud, server: &Server) -> Value {
    let secret = "the shared secret";
    let settings = Settings {
        shared_secret: SecretString::from(secret),
        dhcp_domain: "test".to_owned(),
        vendordata_jsonfile_path: None,
    };
    let router = compute_metadata::router(cloud.cloud().db.clone(), settings).expect("a router");
    let request = Request::get("/openstack/latest/meta_data.json")
        .header("x-instance-id", &server.id)
        .header("x-tenant-id", &server.user.project_id)
        .header("x-instance-id-signature", sign(secret, &server.id))
        .body(axum::body::Body::empty())
        .expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
    let meta: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    meta["devices"].clone()
}

fn shown(bus: Option<DiskBus>, boot_order: Option<u32>, tag: &str) -> DiskDevice {
    DiskDevice {
        bus,
        cdrom: false,
        boot_order,
        tag: (!tag.is_empty()).then(|| tag.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_sit_on_their_buses_and_guests_find_those_with_tags() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let flavor = flavor(&cloud, "roomy", 3, 64).await;
    let data = demo.volume(json!({"size": 1})).await;
    let disks = json!([
        with(root(&image), json!({"tag": "system"})),
        blank(json!({"volume_size": 2, "boot_index": 1, "disk_bus": "scsi", "tag": "scratch"})),
        blank(json!({"guest_format": "swap", "disk_bus": "usb", "tag": "swap"})),
        {"source_type": "volume", "destination_type": "volume", "uuid": data, "tag": "data"},
    ]);
    let server = boot(&cloud, &demo, (&flavor, Some(&image)), disks).await;
    server.reaches("ACTIVE").await;
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.root_device, shown(None, None, "system"));
    let scratch = &guest.ephemeral[0];
    assert_eq!(scratch.size_gb, 2);
    assert_eq!(
        scratch.device,
        shown(Some(DiskBus::Scsi), Some(1), "scratch")
    );
    assert_eq!(guest.swap_device, shown(Some(DiskBus::Usb), None, "swap"));
    let attached = demo.volume_is(&data, "in-use").await;
    assert_eq!(attached["attachments"][0]["device"], "/dev/vdb");

    // The fake host gives the n-th disk the n-th place.
    let device = |bus: &str, address: &str, serial: Value, tag: &str| json!({"type": "disk", "bus": bus, "address": address, "serial": serial, "tags": [tag]});
    let devices = json!([
        device("pci", "0000:00:04.0", Value::Null, "system"),
        device("scsi", "0:0:1:0", Value::Null, "scratch"),
        device("usb", "none", Value::Null, "swap"),
        device("pci", "0000:00:07.0", json!(data), "data"),
    ]);
    assert_eq!(on_drive(&cloud, &server).await, devices);
    assert_eq!(by_service(&cloud, &server).await, devices);

    // They are so after each of these.
    after_each_start(&server, &image, async || {
        let now = cloud.kept(&server).await;
        assert_eq!(
            (now.root_device, now.ephemeral, now.swap_device),
            (
                guest.root_device.clone(),
                guest.ephemeral.clone(),
                guest.swap_device.clone()
            )
        );
        assert_eq!(on_drive(&cloud, &server).await, devices);
        assert_eq!(by_service(&cloud, &server).await, devices);
    })
    .await;

    // A volume that it gets while it runs has a tag, and a place from the next start on.
    let more = demo.volume(json!({"size": 1})).await;
    let body = json!({"volumeAttachment": {"volumeId": more, "tag": "more"}});
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let made = demo
        .compute("latest", Method::POST, &path, Some(&body))
        .await;
    made.expect(202);
    demo.volume_is(&more, "in-use").await;
    server.reaches("ACTIVE").await;
    let plugged = device("none", "none", json!(more), "more");
    assert_eq!(by_service(&cloud, &server).await[4], plugged);
    let again = json!({"reboot": {"type": "HARD"}});
    server.action(again).await.expect(202);
    server.reaches("ACTIVE").await;
    let started = device("pci", "0000:00:08.0", json!(more), "more");
    assert_eq!(by_service(&cloud, &server).await[4], started);

    // It loses that place with the volume.
    let one = format!("{path}/{more}");
    let lost = demo.compute("latest", Method::DELETE, &one, None).await;
    lost.expect(202);
    until("the server does not have it", || async {
        let listed = demo.compute("latest", Method::GET, &path, None).await;
        let listed = listed.expect(200)["volumeAttachments"].take();
        (listed.as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    let made = demo
        .compute("latest", Method::POST, &path, Some(&body))
        .await;
    made.expect(202);
    demo.volume_is(&more, "in-use").await;
    server.reaches("ACTIVE").await;
    assert_eq!(by_service(&cloud, &server).await[4], plugged);
    server.delete().await.vanishes().await;
    demo.volume_is(&data, "available").await;
    demo.volume_is(&more, "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_the_host_is_tried_after_a_volume_and_a_volume_may_be_a_cd() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let flavor = flavor(&cloud, "roomy", 3, 64).await;
    let disks = json!([
        {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1,
         "disk_bus": "sata", "delete_on_termination": true},
        blank(json!({"boot_index": 1})),
        {"boot_index": 2, "source_type": "blank", "destination_type": "volume", "volume_size": 1,
         "device_type": "cdrom", "delete_on_termination": true},
    ]);
    let server = boot(&cloud, &demo, (&flavor, None), disks).await;
    assert_eq!(server.reaches("ACTIVE").await["image"], "");
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.root_disk, None);
    assert_eq!(guest.ephemeral[0].device, shown(None, Some(1), ""));
    let volumes: Vec<_> = guest
        .volumes
        .iter()
        .map(|one| (one.bus, one.cdrom, one.boot_order))
        .collect();
    assert_eq!(
        volumes,
        [
            (Some(DiskBus::Sata), false, None),
            (Some(DiskBus::Ide), true, Some(2))
        ]
    );
    let admin = cloud.admin().await;
    let path = format!("/servers/{}", server.id);
    let shown = admin.compute("latest", Method::GET, &path, None).await;
    let shown = shown.expect(200);
    assert_eq!(
        shown["server"]["OS-EXT-SRV-ATTR:root_device_name"],
        "/dev/sda"
    );
    // An image of it names its volumes as they are shown.
    let copy = crate::volume_images::imaged(&server, "copy").await;
    let mapping = copy["block_device_mapping"].as_str().expect("a mapping");
    let mapping: Value = serde_json::from_str(mapping).expect("JSON");
    let said = |number: usize| {
        (
            mapping[number]["disk_bus"].clone(),
            mapping[number]["device_type"].clone(),
        )
    };
    assert_eq!(said(0), (json!("sata"), json!("disk")));
    assert_eq!(said(1), (json!("ide"), json!("cdrom")));
    // And the disk of its host that its request named, in its place.
    let orders = [0, 1, 2].map(|number| mapping[number]["boot_index"].clone());
    assert_eq!(orders, [json!(0), json!(2), json!(1)]);
    assert_eq!(mapping[2]["source_type"], "blank");
    let wanted =
        json!({"name": "copied", "flavorRef": flavor, "imageRef": copy["id"], "networks": "none"});
    let copied = cloud.boot_with(&demo, wanted).await;
    copied.reaches("ACTIVE").await;
    let again = cloud.kept(&copied).await;
    assert_eq!(again.ephemeral, guest.ephemeral);
    assert_eq!(again.volumes[1].boot_order, Some(2));
    for server in [server, copied] {
        server.delete().await.vanishes().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_that_cannot_be_shown_as_asked_are_refused() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let without_usb = demo.image_with(&json!({"hw_usb_model": "none"})).await;
    let flavor = flavor(&cloud, "roomy", 3, 64).await;
    let volume = |more: Value| {
        let blank = json!({"source_type": "blank", "destination_type": "volume", "volume_size": 1});
        with(blank, more)
    };
    let invalid = "Block Device Mapping is Invalid: ";
    for (image, disk, said) in [
        (
            &image,
            volume(json!({"device_name": "/dev/vda"})),
            "The volume cannot be assigned the same device name as the root device vda".to_owned(),
        ),
        (
            &image,
            volume(json!({"device_type": "cdrom", "disk_bus": "usb"})),
            format!(
                "{invalid}disk_bus=\"usb\" cannot be honoured: disks sit on virtio, scsi, ide, sata or usb, CDs on scsi, \
                 ide or sata."
            ),
        ),
        (
            &image,
            volume(json!({"device_type": "lun"})),
            "Field server.block_device_mapping_v2.device_type=\"lun\" cannot be honoured: disks of servers are disks or \
             CDs, and no floppy disk holds a GiB."
                .to_owned(),
        ),
        (
            &without_usb,
            blank(json!({"disk_bus": "usb"})),
            format!(
                "{invalid}disk_bus=\"usb\" cannot be honoured: the server has no USB controller (hw_usb_model is none)."
            ),
        ),
        (
            &image,
            blank(json!({"boot_index": 0})),
            format!(
                "{invalid}Boot sequence for the instance and image/block device mapping combination is not valid."
            ),
        ),
    ] {
        let disks = json!([root(image), disk]);
        let answer = ask(&demo, (&flavor, Some(image)), (NEW, disks)).await;
        assert_eq!(answer.fault(400), said);
    }
    assert!(demo.all_volumes().await.is_empty(), "nothing was made");
    cloud.audit().await;
}
