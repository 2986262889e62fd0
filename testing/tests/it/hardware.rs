//! What an image says of the guest's hardware: words of lists, or nothing.

use http::Method;
use serde_json::{Value, json};
use testing::{Answer, TestCloud, User};

/// What somebody would try who wants a file of the host, or a program there, or a broken one.
const HOSTILE: &[&str] = &[
    "initrd=/etc/hostname",
    "pc,initrd=/etc/hostname",
    "pc,kernel=/etc/hostname",
    "pc,dumpdtb=/tmp/x",
    "pc,firmware=/etc/hostname",
    "kernel=/etc/hostname",
    "dumpdtb=/tmp/x",
    "firmware=/etc/hostname",
    "pc,help",
    "help",
    "?",
    ",help",
    "pc\nquit",
    "../../etc/hostname",
    "",
];

/// Properties that name hardware.
const PROPERTIES: &[&str] = &[
    "hw_machine_type",
    "hw_disk_bus",
    "hw_cdrom_bus",
    "hw_video_model",
    "hw_vif_model",
    "hw_firmware_type",
    "hw_scsi_model",
    "hw_sound_model",
    "hw_architecture",
    "os_type",
];

/// An image like `image` with more properties.
async fn with(user: &User, properties: &Value) -> String {
    let id = user.image("raw", vec![0; 1 << 20]).await;
    let patch: Vec<Value> = properties
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| json!({"op": "add", "path": format!("/{name}"), "value": value}))
        .collect();
    let path = format!("/image/v2/images/{id}");
    let kind = "application/openstack-images-v2.1-json-patch";
    user.send(
        Method::PATCH,
        &path,
        &[("content-type", kind)],
        Some(&json!(patch)),
    )
    .await
    .expect(200);
    id
}

async fn boot(user: &User, flavor: &str, image: &str) -> Answer {
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none",
    }});
    user.compute("latest", Method::POST, "/servers", Some(&body))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_hardware_is_no_word_of_the_list_is_refused_by_name() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let kernel = cloud.image(&demo).await;
    let long = "a".repeat(65);
    for property in PROPERTIES {
        for value in HOSTILE.iter().copied().chain([long.as_str()]) {
            let image = with(&demo, &json!({*property: value, "kernel_id": kernel})).await;
            let said = boot(&demo, &flavor, &image).await.fault(400);
            assert!(
                said.starts_with("Invalid image metadata. Error: ") && said.contains(property),
                "{property}={value:?}: {said}"
            );
            assert!(!said.contains('\n') && said.len() < 300, "{said}");
        }
    }
    for value in ["quiet\ninit=/bin/sh", &"x".repeat(2048)] {
        let image = with(&demo, &json!({"os_command_line": value})).await;
        let said = boot(&demo, &flavor, &image).await.fault(400);
        assert!(said.contains("os_command_line"), "{said}");
    }
    let listed = demo.compute("latest", Method::GET, "/servers", None).await;
    assert_eq!(listed.expect(200)["servers"], json!([]));
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_that_nova_knows_is_taken() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let good = [
        json!({"hw_machine_type": "pc", "hw_disk_bus": "virtio", "hw_vif_model": "e1000"}),
        json!({"hw_machine_type": "pc-q35-7.2", "hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}),
        json!({"hw_video_model": "none", "hw_firmware_type": "bios", "os_type": "Linux"}),
        json!({"hw_vif_model": "VirtualE1000", "hw_cpu_cores": "2", "img_config_drive": "optional"}),
        json!({"os_command_line": "root=/dev/vda quiet a=b,c", "hw_rng_model": "virtio"}),
        json!({"hw_architecture": "amd64", "colour": "red, initrd=/x"}),
    ];
    for properties in good {
        let image = with(&demo, &properties).await;
        let answer = boot(&demo, &flavor, &image).await;
        assert_eq!(answer.status, 202, "{properties}: {}", answer.text);
    }
}
