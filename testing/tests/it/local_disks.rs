//! Disks on the host beside the root: what flavors promise, what requests make of it, and how long it lasts.

use http::Method;
use hypervisor::{Ephemeral, FileSystem};
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

/// A flavor with a root of 1 GiB, so many GiB of ephemeral disk and MiB of swap.
pub async fn flavor(cloud: &TestCloud, id: &str, ephemeral: u32, swap: u32) -> String {
    let admin = cloud.admin().await;
    let body = json!({"flavor": {
        "id": id, "name": id, "vcpus": 1, "ram": 64, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": ephemeral, "swap": swap,
    }});
    let made = admin.post("/compute/v2.1/flavors", &body).await;
    made.expect(200);
    id.to_owned()
}

pub fn root(image: &str) -> Value {
    json!({"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": image})
}

/// A disk with more fields.
pub fn with(mut disk: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        disk[name] = value.clone();
    }
    disk
}

pub fn blank(more: Value) -> Value {
    let disk = json!({"boot_index": -1, "source_type": "blank", "destination_type": "local"});
    with(disk, more)
}

/// Looks at a server after each action that ends its guest or makes it anew.
pub async fn after_each_start(server: &Server, image: &str, look: impl AsyncFn()) {
    for (action, status) in [
        (json!({"os-stop": null}), "SHUTOFF"),
        (json!({"os-start": null}), "ACTIVE"),
        (json!({"reboot": {"type": "HARD"}}), "ACTIVE"),
        (json!({"rebuild": {"imageRef": image}}), "ACTIVE"),
    ] {
        let answer = server.action(action).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        server.reaches(status).await;
        look().await;
    }
}

/// The answer to a request for a server with these disks in one of the notations.
pub async fn ask(
    user: &User,
    (flavor, image): (&str, Option<&str>),
    disks: (&str, Value),
) -> testing::Answer {
    let mut server = json!({"name": "disks", "flavorRef": flavor, "networks": "none"});
    server[disks.0] = disks.1;
    if let Some(image) = image {
        server["imageRef"] = json!(image);
    }
    let body = json!({ "server": server });
    user.asks_for_server(&body).await
}

pub const NEW: &str = "block_device_mapping_v2";
const OLD: &str = "block_device_mapping";

async fn boot(cloud: &TestCloud, user: &User, of: (&str, &str), disks: (&str, Value)) -> Server {
    let mut server =
        json!({"name": "disks", "flavorRef": of.0, "imageRef": of.1, "networks": "none"});
    if !disks.0.is_empty() {
        server[disks.0] = disks.1;
    }
    cloud.boot_with(user, server).await
}

fn ephemeral(size_gb: u64, format: FileSystem) -> Ephemeral {
    Ephemeral {
        size_gb,
        guest_format: Some(format),
        ..Ephemeral::default()
    }
}

/// GiB that the only host has given away.
async fn disk_used(cloud: &TestCloud) -> Value {
    let admin = cloud.admin().await;
    let path = "/os-hypervisors/detail";
    let mut shown = admin
        .compute("2.87", Method::GET, path, None)
        .await
        .expect(200);
    shown["hypervisors"][0]["local_gb_used"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_flavor_promises_is_there_and_counted_until_the_server_goes() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = demo.image_with(&json!({"os_type": "linux"})).await;
    let flavor = flavor(&cloud, "roomy", 3, 1500).await;
    let server = boot(&cloud, &demo, (&flavor, &image), ("", Value::Null)).await;
    server.reaches("ACTIVE").await;
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.ephemeral, [ephemeral(3, FileSystem::Ext4)]);
    assert_eq!(guest.swap_mb, 1500);
    assert_eq!(disk_used(&cloud).await, 6, "swap is rounded up");

    // A volume comes after them.
    let volume = demo.volume(json!({"size": 1})).await;
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    let made = demo
        .compute("latest", Method::POST, &path, Some(&body))
        .await;
    made.expect(202);
    let attached = demo.volume_is(&volume, "in-use").await;
    assert_eq!(attached["attachments"][0]["device"], "/dev/vdd");

    // They are what they were after each of these.
    after_each_start(&server, &image, async || {
        let now = cloud.kept(&server).await;
        assert_eq!(
            (now.ephemeral, now.swap_mb),
            (guest.ephemeral.clone(), 1500)
        );
    })
    .await;
    // As with Nova's libvirt driver, a rebuild keeps none.
    let keep = json!({"rebuild": {"imageRef": image, "preserve_ephemeral": true}});
    assert!(
        server
            .action(keep)
            .await
            .fault(501)
            .contains("preserve_ephemeral")
    );
    server.delete().await.vanishes().await;
    demo.volume_is(&volume, "available").await;
    assert_eq!(disk_used(&cloud).await, 0);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_shares_out_what_its_flavor_promises() {
    let cloud = TestCloud::with(
        "[DEFAULT]\ndefault_ephemeral_format = ext3\nmax_local_block_devices = 4\n",
    )
    .await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let flavor = flavor(&cloud, "roomy", 5, 512).await;
    let disks = json!([
        root(&image),
        blank(json!({"volume_size": 2, "guest_format": "ext4", "delete_on_termination": true})),
        blank(json!({"volume_size": 3})),
        blank(json!({"volume_size": 100, "guest_format": "swap"})),
    ]);
    let server = boot(&cloud, &demo, (&flavor, &image), (NEW, disks)).await;
    server.reaches("ACTIVE").await;
    let shared = [
        ephemeral(2, FileSystem::Ext4),
        ephemeral(3, FileSystem::Ext3),
    ];
    let guest = cloud.kept(&server).await;
    assert_eq!(
        (guest.ephemeral.as_slice(), guest.swap_mb),
        (&shared[..], 100)
    );
    assert_eq!(
        disk_used(&cloud).await,
        7,
        "what the flavor promises is kept free"
    );

    // Another size leaves them, and brings its own swap; what is taken back is what was asked for before.
    let larger = self::flavor(&cloud, "larger", 6, 1024).await;
    let smaller = self::flavor(&cloud, "smaller", 4, 512).await;
    let to = |flavor: &str| json!({"resize": {"flavorRef": flavor}});
    server.action(to(&smaller)).await.fault(400);
    server.action(to(&larger)).await.expect(202);
    server.reaches("VERIFY_RESIZE").await;
    let resized = cloud.kept(&server).await;
    assert_eq!(
        (resized.ephemeral.as_slice(), resized.swap_mb),
        (&shared[..], 1024)
    );
    server
        .action(json!({"revertResize": null}))
        .await
        .expect(202);
    server.reaches("ACTIVE").await;
    let back = cloud.kept(&server).await;
    assert_eq!(
        (back.ephemeral.as_slice(), back.swap_mb),
        (&shared[..], 100)
    );

    // On the shelf they are lost; it comes back with new ones.
    server.action(json!({"shelve": null})).await.expect(202);
    server.reaches("SHELVED_OFFLOADED").await;
    assert!(cloud.guest(&server).await.is_none());
    assert_eq!(disk_used(&cloud).await, 0);
    server.action(json!({"unshelve": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    let anew = cloud.kept(&server).await;
    assert_eq!(
        (anew.ephemeral.as_slice(), anew.swap_mb),
        (&shared[..], 100)
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_flavor_makes_the_disk_of_its_promise_larger() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let small = flavor(&cloud, "small", 1, 0).await;
    let large = flavor(&cloud, "large", 2, 64).await;
    let server = boot(&cloud, &demo, (&small, &image), ("", Value::Null)).await;
    server.reaches("ACTIVE").await;
    server
        .action(json!({"resize": {"flavorRef": large}}))
        .await
        .expect(202);
    server.reaches("VERIFY_RESIZE").await;
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.ephemeral, [ephemeral(2, FileSystem::Vfat)]);
    assert_eq!(guest.swap_mb, 64);
    server
        .action(json!({"confirmResize": null}))
        .await
        .expect(204);
    server.reaches("ACTIVE").await;
    server
        .action(json!({"resize": {"flavorRef": small}}))
        .await
        .fault(400);
    // While it is rescued its other disks are away, and then there again.
    server.action(json!({"rescue": null})).await.expect(200);
    server.reaches("RESCUE").await;
    assert_eq!(cloud.kept(&server).await.started().ephemeral, []);
    server.action(json!({"unrescue": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    assert_eq!(
        cloud.kept(&server).await.started().ephemeral,
        guest.ephemeral
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_beyond_the_promise_are_refused_in_novas_words() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let flavor = flavor(&cloud, "roomy", 5, 512).await;
    let ephemeral = "Ephemeral disks requested are larger than the instance type allows. If no size is given in one \
                     block device mapping, flavor ephemeral size will be used.";
    let swap = |size: u32| blank(json!({"guest_format": "swap", "volume_size": size}));
    let invalid = "Block Device Mapping is Invalid: ";
    for (disks, said) in [
        (vec![blank(json!({"volume_size": 6}))], ephemeral.to_owned()),
        (
            vec![blank(json!({})), blank(json!({"volume_size": 1}))],
            ephemeral.to_owned(),
        ),
        (
            vec![swap(513)],
            "Swap drive requested is larger than instance type allows.".to_owned(),
        ),
        (
            vec![swap(1), swap(1)],
            format!("{invalid}More than one swap drive requested."),
        ),
        (
            vec![blank(json!({"volume_size": 1})); 3],
            format!("{invalid}You specified more local devices than the limit allows"),
        ),
        (
            vec![blank(json!({"uuid": image}))],
            format!("{invalid}Invalid device UUID."),
        ),
        (
            vec![json!({"source_type": "image", "destination_type": "local", "uuid": image})],
            format!("{invalid}Mapping image to local is not supported."),
        ),
        (
            vec![json!({"source_type": "volume", "destination_type": "volume"})],
            format!("{invalid}Missing device UUID."),
        ),
        (
            vec![blank(json!({"volume_type": "x"}))],
            format!(
                "{invalid}Specifying a volume_type with destination_type=local is not supported."
            ),
        ),
        (
            vec![blank(json!({"guest_format": "zfs"}))],
            format!(
                "{invalid}guest_format=\"zfs\" cannot be honoured: a disk is swap, or formatted with one of ext2, ext3, \
                 ext4, vfat, xfs, ntfs."
            ),
        ),
        (
            vec![blank(json!({"delete_on_termination": false}))],
            format!("{invalid}A disk on a host ends with its server."),
        ),
        (
            vec![blank(json!({"device_type": "cdrom", "disk_bus": "virtio"}))],
            format!(
                "{invalid}disk_bus=\"virtio\" cannot be honoured: disks sit on virtio, scsi, ide, sata or usb, CDs on scsi, \
                 ide or sata."
            ),
        ),
        (
            vec![blank(json!({"disk_bus": "fdc"}))],
            "Field server.block_device_mapping_v2.disk_bus=\"fdc\" cannot be honoured: disks sit on the buses virtio, \
             scsi, ide, sata or usb."
                .to_owned(),
        ),
        (
            vec![blank(json!({"boot_index": 2}))],
            format!(
                "{invalid}Boot sequence for the instance and image/block device mapping combination is not valid."
            ),
        ),
    ] {
        let mut all = vec![root(&image)];
        all.extend(disks);
        let answer = ask(&demo, (&flavor, Some(&image)), (NEW, json!(all))).await;
        assert_eq!(answer.fault(400), said);
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_notation_means_the_same_disks() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let flavor = flavor(&cloud, "roomy", 5, 512).await;
    let data = demo.volume(json!({"size": 1})).await;
    let disks = json!([
        {"virtual_name": "ephemeral0", "volume_size": 2, "device_name": "/dev/vdb"},
        {"virtual_name": "swap", "device_name": "/dev/vdc"},
        {"volume_id": data, "device_name": "/dev/vdd", "delete_on_termination": false},
        {"device_name": "/dev/vde", "no_device": true},
    ]);
    let server = boot(&cloud, &demo, (&flavor, &image), (OLD, disks)).await;
    server.reaches("ACTIVE").await;
    let guest = cloud.kept(&server).await;
    assert!(guest.root_disk.is_some_and(|disk| disk.image.is_some()));
    assert_eq!(
        (guest.ephemeral, guest.swap_mb),
        (vec![ephemeral(2, FileSystem::Vfat)], 512)
    );
    assert_eq!(guest.volumes.len(), 1);
    assert!(!guest.volumes[0].boot);
    let attached = demo.volume_is(&data, "in-use").await;
    assert_eq!(attached["attachments"][0]["device"], "/dev/vdd");
    server.delete().await.vanishes().await;
    demo.volume_is(&data, "available").await;

    // Without an image the first volume is booted from, and its snapshot makes another.
    let bootable = demo.volume(json!({"size": 1, "imageRef": image})).await;
    let body = json!({"snapshot": {"volume_id": bootable}});
    let snapshots = format!("/volume/v3/{}/snapshots", demo.project_id);
    let made = demo.post(&snapshots, &body).await.expect(202);
    let snapshot = made["snapshot"]["id"].as_str().expect("an id").to_owned();
    until("the snapshot is made", || async {
        let shown = demo
            .get(&format!("{snapshots}/{snapshot}"))
            .await
            .expect(200);
        (shown["snapshot"]["status"] == "available").then_some(())
    })
    .await;
    let disks = json!([
        {"virtual_name": "swap"},
        {"snapshot_id": snapshot, "device_name": "vda", "delete_on_termination": true},
        {"volume_id": data, "device_name": "vdb"},
    ]);
    let made = ask(&demo, (&flavor, None), (OLD, disks)).await.expect(202);
    let server = demo.made(&made);
    assert_eq!(server.reaches("ACTIVE").await["image"], "");
    let guest = cloud.kept(&server).await;
    let boots: Vec<_> = guest.volumes.iter().map(|volume| volume.boot).collect();
    assert_eq!((guest.root_disk, boots), (None, vec![true, false]));
    server.delete().await.vanishes().await;
    until("the new volume is gone", || async {
        (demo.all_volumes().await.len() == 2).then_some(())
    })
    .await;

    let invalid = "Block Device Mapping is Invalid: ";
    let boot =
        "Boot sequence for the instance and image/block device mapping combination is not valid.";
    let refused = [
        (Some(image.as_str()), json!([{"device_name": "vdb"}]), format!("{invalid}Unrecognized legacy format.")),
        (
            Some(image.as_str()),
            json!([{"virtual_name": "ephemeral01"}]),
            format!("{invalid}Unrecognized legacy format."),
        ),
        (None, json!([{"virtual_name": "swap"}]), format!("{invalid}{boot}")),
        (
            Some(image.as_str()),
            json!([{"volume_id": data, "connection_info": "{}"}]),
            "Field server.block_device_mapping.connection_info=\"{}\" cannot be honoured: the volume service says how a \
             volume is reached."
                .to_owned(),
        ),
    ];
    for (image, disks, said) in refused {
        let answer = ask(&demo, (&flavor, image), (OLD, disks)).await;
        assert_eq!(answer.fault(400), said);
    }
    let both = json!({"server": {
        "name": "both", "flavorRef": flavor, "imageRef": image, "networks": "none",
        OLD: [{"virtual_name": "swap"}], NEW: [root(&image)],
    }});
    let answer = demo.asks_for_server(&both).await;
    assert_eq!(
        answer.fault(400),
        "Using different block_device_mapping syntaxes is not allowed in the same request."
    );
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_may_share_out_what_the_flavor_promises() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = flavor(&cloud, "roomy", 3, 64).await;
    let disks = json!([
        {"source_type": "blank", "destination_type": "local", "volume_size": 2, "boot_index": -1},
        {"source_type": "blank", "destination_type": "local", "volume_size": 32, "boot_index": -1,
         "guest_format": "swap"},
    ]);
    let named = json!({"bdm_v2": "True", "block_device_mapping": disks.to_string()});
    let image = demo.image_with(&named).await;
    let wanted =
        json!({"name": "shared", "flavorRef": flavor, "imageRef": image, "networks": "none"});
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    let guest = cloud.kept(&server).await;
    let sizes: Vec<_> = guest.ephemeral.iter().map(|disk| disk.size_gb).collect();
    assert_eq!((sizes, guest.swap_mb), (vec![2], 32));
    cloud.audit().await;
}
