//! Servers that are rescued, and servers that are made anew.

use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_rescued_server_boots_from_an_image_and_is_itself_again_afterwards() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "broken").await;
    let own = server.reaches("ACTIVE").await["image"]["id"].clone();
    let healthy = cloud.kept(&server).await;
    let answer = server
        .action_at("2.1", &json!({"rescue": null}))
        .await
        .expect(200);
    assert_eq!(
        answer["adminPass"].as_str().map(str::len),
        Some(12),
        "{answer}"
    );
    server.reaches("RESCUE").await;
    let rescue = cloud.kept(&server).await.rescue.expect("rescued");
    assert_eq!(
        own,
        json!(rescue.image.id),
        "without a word it is the server's own image"
    );
    assert_eq!(rescue.device, None);
    let log = server
        .action_at("2.1", &json!({"os-getConsoleOutput": {}}))
        .await
        .expect(200);
    let booted = format!("booted from the rescue image {}", rescue.image.id);
    assert!(
        log["output"]
            .as_str()
            .is_some_and(|log| log.contains(&booted)),
        "{log}"
    );
    server.action(json!({"unrescue": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    let after = cloud.kept(&server).await;
    assert_eq!(
        (after.rescue, after.root_disk),
        (None, healthy.root_disk.clone())
    );

    let tools = demo
        .image_with(&json!({"hw_rescue_device": "cdrom", "hw_rescue_bus": "scsi"}))
        .await;
    let body = json!({"rescue": {"adminPass": "let me in", "rescue_image_ref": tools}});
    let answer = server.action_at("2.1", &body).await.expect(200);
    assert_eq!(answer["adminPass"], "let me in");
    server.reaches("RESCUE").await;
    let second = cloud.kept(&server).await.rescue.expect("rescued");
    let device = second.device.expect("beside the other disks");
    assert!(device.cdrom && device.bus == Some(hypervisor::DiskBus::Scsi));
    assert_eq!(second.image.id, tools);
    assert_ne!(
        second.number, rescue.number,
        "each rescue has a disk of its own"
    );
    // A rescued server goes like any other.
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_of_a_rescue_finds_the_disk_of_the_rescue() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "broken").await;
    server.reaches("ACTIVE").await;
    let kernel = cloud.image(&demo).await;
    let said = json!({"kernel_id": kernel, "hw_rescue_device": "disk", "hw_rescue_bus": "scsi"});
    let tools = demo.image_with(&said).await;
    let rescue = json!({"rescue": {"rescue_image_ref": tools}});
    server.action(rescue).await.expect(200);
    server.reaches("RESCUE").await;
    let boot = cloud.kept(&server).await.started().direct_boot;
    let line = boot.and_then(|boot| boot.cmdline).expect("a line");
    assert_eq!(
        line.as_str(),
        "root=/dev/sda console=tty0 console=ttyS0",
        "the server's own root is /dev/vda"
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_that_cannot_be_is_refused_and_one_that_fails_leaves_the_servers_own_disk() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "broken").await;
    server.reaches("ACTIVE").await;
    let id = server.id.clone();
    let with = |image: &str| json!({"rescue": {"rescue_image_ref": image}});
    let nowhere = "7f3c1a52-0000-4000-8000-00000000dead";
    let iso = demo.image_with(&json!({"hw_rescue_bus": "usb"})).await;
    let floppy = demo
        .image_with(&json!({"hw_rescue_device": "floppy"}))
        .await;
    for (image, said) in [
        (nowhere, "Can not find requested image".to_owned()),
        (
            iso.as_str(),
            format!(
                "Instance {id} cannot be rescued: hw_rescue_bus=\"usb\": disks sit on virtio, scsi, ide or sata, CDs on \
                 scsi, ide or sata"
            ),
        ),
        (
            floppy.as_str(),
            format!(
                "Instance {id} cannot be rescued: hw_rescue_device=\"floppy\": servers are rescued from a disk or a cdrom"
            ),
        ),
    ] {
        let refused = server.action_at("latest", &with(image)).await;
        assert_eq!(refused.fault(400), said);
    }
    assert_eq!(server.show().await["status"], "ACTIVE");

    cloud.fail_next(Verb::Reboot);
    server
        .action_at("2.1", &json!({"rescue": null}))
        .await
        .expect(200);
    assert_eq!(
        server.fails().await,
        "Failed to rescue instance: The hypervisor did not do what it was told."
    );
    // The way out: it starts from its own disk, whatever the host was told before.
    server
        .action(json!({"reboot": {"type": "HARD"}}))
        .await
        .expect(202);
    server.reaches("ACTIVE").await;
    assert_eq!(cloud.kept(&server).await.rescue, None);
    // From an error it may be rescued, too; a failed end leaves it in error.
    server
        .action_at("2.1", &json!({"rescue": null}))
        .await
        .expect(200);
    server.reaches("RESCUE").await;
    cloud.fail_next(Verb::Reboot);
    server.action(json!({"unrescue": null})).await.expect(202);
    server.fails().await;
    server
        .action_at("2.1", &json!({"rescue": null}))
        .await
        .expect(200);
    server.reaches("RESCUE").await;
    server.action(json!({"unrescue": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_server_is_new_and_keeps_its_id_ports_and_place() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.0.0.0/24").await;
    let wanted = json!({
        "name": "old", "flavorRef": cloud.tiny().await, "imageRef": cloud.image(&demo).await,
        "networks": [{"uuid": network}],
    });
    let server = cloud.boot_with(&demo, wanted).await;
    let before = server.reaches("ACTIVE").await;
    let (ports, old) = (server.ports().await, cloud.kept(&server).await);
    let other = demo.image_with(&json!({"hw_disk_bus": "scsi"})).await;
    let body = json!({"rebuild": {
        "imageRef": other, "name": "new", "metadata": {"a": "b"}, "adminPass": "secret", "description": "fresh",
        "accessIPv4": "192.0.2.1", "OS-DCF:diskConfig": "MANUAL", "user_data": "aGVsbG8=", "hostname": "renamed",
    }});
    let answer = server.action_at("latest", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let link = answer
        .headers
        .get("location")
        .expect("a location")
        .to_str()
        .expect("text")
        .to_owned();
    assert!(link.ends_with(&format!("/servers/{}", server.id)), "{link}");
    let shown = answer.expect(202)["server"].take();
    for (field, value) in [
        ("status", "REBUILD"),
        ("name", "new"),
        ("adminPass", "secret"),
        ("description", "fresh"),
        ("accessIPv4", "192.0.2.1"),
        ("user_data", "aGVsbG8="),
        ("OS-EXT-SRV-ATTR:hostname", "renamed"),
    ] {
        assert_eq!(shown[field], value, "{field}: {shown}");
    }
    assert_eq!(shown["metadata"], json!({"a": "b"}));
    assert_eq!(shown["image"]["id"], json!(other));
    let after = server.reaches("ACTIVE").await;
    assert_eq!(after["hostId"], before["hostId"]);
    assert_eq!(after["addresses"], before["addresses"]);
    assert_eq!(server.ports().await, ports);
    let new = cloud.kept(&server).await;
    assert_eq!(
        new.disk_bus,
        Some(hypervisor::DiskBus::Scsi),
        "the new image's words count"
    );
    let admin = cloud.admin().await;
    let path = format!("/servers/{}", server.id);
    let shown = admin.compute("latest", Method::GET, &path, None).await;
    let shown = shown.expect(200);
    let root = &shown["server"]["OS-EXT-SRV-ATTR:root_device_name"];
    assert_eq!(root, "/dev/sda", "its root is named after the new bus");
    assert!(new.epoch > old.epoch);

    // Stopped, it stays so. Older versions answer less.
    server.stop().await.reaches("SHUTOFF").await;
    let body = json!({"rebuild": {"imageRef": other}});
    let mut shown = server.action_at("2.53", &body).await.expect(202);
    let shown = shown["server"].take();
    assert!(shown["adminPass"].is_string(), "{shown}");
    for absent in [
        "key_name",
        "user_data",
        "OS-EXT-STS:vm_state",
        "config_drive",
    ] {
        assert_eq!(shown.get(absent), None, "{shown}");
    }
    server.reaches("SHUTOFF").await;
    assert_eq!(server.show().await["OS-EXT-STS:power_state"], 4);
    // From an error it is a way out.
    cloud.fail_next(Verb::EnsureRunning);
    server.action(body.clone()).await.expect(202);
    assert_eq!(
        server.fails().await,
        "Failed to rebuild instance: The hypervisor did not do what it was told."
    );
    server.action(body).await.expect(202);
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_cannot_be_is_refused_and_changes_nothing() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "old").await;
    let before = server.reaches("ACTIVE").await;
    let image = before["image"]["id"].as_str().expect("an image").to_owned();
    let with = |more: Value| {
        let mut rebuild = json!({"imageRef": image, "name": "never"});
        let more = more.as_object().cloned().expect("an object");
        rebuild.as_object_mut().expect("an object").extend(more);
        json!({"rebuild": rebuild})
    };
    let certificates = "Field server.trusted_image_certificates=\"a\" cannot be honoured: signatures of images are not \
                        verified.";
    for (more, code, said) in [
        (
            json!({"imageRef": "7f3c1a52-0000-4000-8000-00000000dead"}),
            400,
            "Can not find requested image",
        ),
        (
            json!({"key_name": "nobody"}),
            400,
            "Invalid key_name provided.",
        ),
        (
            json!({"trusted_image_certificates": ["a"]}),
            400,
            certificates,
        ),
        (
            json!({"preserve_ephemeral": true}),
            501,
            "A rebuild makes ephemeral disks anew: preserve_ephemeral is not supported.",
        ),
    ] {
        assert_eq!(
            server.action_at("latest", &with(more)).await.fault(code),
            said
        );
    }
    let many: serde_json::Map<String, Value> = (0..200)
        .map(|number| (number.to_string(), json!("x")))
        .collect();
    let refused = server
        .action_at("latest", &with(json!({"metadata": many})))
        .await;
    assert_eq!(
        refused.fault(403),
        "Maximum number of metadata items exceeds 128"
    );
    let after = server.show().await;
    assert_eq!(
        (&after["name"], &after["status"]),
        (&before["name"], &json!("ACTIVE"))
    );

    // The server stays on its host, which has to suit another image.
    let foreign = demo
        .image_with(&json!({"hw_architecture": "aarch64"}))
        .await;
    assert_eq!(
        server
            .action_at("latest", &with(json!({"imageRef": foreign})))
            .await
            .fault(400),
        "No valid host was found. There are not enough hosts available: not for such a flavor or image."
    );
    let unchanged = server.show().await;
    assert_eq!(
        (&unchanged["image"]["id"], &unchanged["status"]),
        (&json!(image), &json!("ACTIVE"))
    );

    // Of two at once, one wins.
    let (one, two) = (with(json!({})), json!({"os-stop": null}));
    let (one, two) = tokio::join!(server.action_at("2.1", &one), server.action_at("2.1", &two));
    let mut codes = [one.status.as_u16(), two.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [202, 409]);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
