//! What an image says of the guest's hardware: words of lists, or nothing.

use compute_model::accepted::{Fate, Refusal, Row, Takes};
use compute_model::{create_fields, extra_specs, image_properties};
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

async fn boot(user: &User, flavor: &str, image: &str) -> Answer {
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none",
    }});
    user.asks_for_server(&body).await
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
            let image = demo
                .image_with(&json!({*property: value, "kernel_id": kernel}))
                .await;
            let said = boot(&demo, &flavor, &image).await.fault(400);
            assert!(
                said.starts_with("Invalid image metadata. Error: ") && said.contains(property),
                "{property}={value:?}: {said}"
            );
            assert!(!said.contains('\n') && said.len() < 300, "{said}");
        }
    }
    for value in ["quiet\ninit=/bin/sh", &"x".repeat(2048)] {
        let image = demo.image_with(&json!({"os_command_line": value})).await;
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
        let image = demo.image_with(&properties).await;
        let answer = boot(&demo, &flavor, &image).await;
        assert_eq!(answer.status, 202, "{properties}: {}", answer.text);
    }
}

/// A name that a row is about.
fn name(row: &Row) -> String {
    row.name
        .replace("{N}", "0")
        .replace("{key}", "x")
        .replace("{group}", "1")
        .replace("{class}", "VCPU")
        .replace("{trait}", "CUSTOM_X")
        .replace("{:path}", "")
}

/// A value that a row takes and that asks for something: for a row that refuses, one that it refuses.
fn wish(row: &Row) -> String {
    let (fine, _) = harmless(row);
    let words = |words: &[&str]| {
        let odd = words.iter().find(|word| !fine.contains(word));
        odd.or(words.first())
            .map_or_else(String::new, |word| (*word).to_owned())
    };
    match row.takes {
        Takes::OneOf(list) | Takes::AnyCase(list) => words(list),
        Takes::Bool | Takes::Flag => "true".to_owned(),
        Takes::Int(..) => "2".to_owned(),
        _ => match row.name {
            "hw:cpu_dedicated_mask" | "hw:cpu_realtime_mask" | "hw:numa_cpus.{N}" => "0".to_owned(),
            "hw:mem_page_size" | "hw_mem_page_size" => "large".to_owned(),
            "pci_passthrough:alias" => "gpu:1".to_owned(),
            _ => "x".to_owned(),
        },
    }
}

/// The values that a row takes beside those that it refuses, and why it refuses.
fn harmless(row: &Row) -> (&'static [&'static str], Option<&'static str>) {
    match row.fate {
        Fate::Refused { unless, why } => (unless, Some(why)),
        Fate::Partly { only, why, .. } => (only, Some(why)),
        Fate::Honoured(_) | Fate::Hint(_) => (&[], None),
    }
}

/// What is done elsewhere, with the test that shows it: what no walk over rows can see.
const SEEN_ELSEWHERE: &[&str] = &[
    "aggregate_instance_extra_specs:{key}", // scheduler: filters_by_name
    "hw_auto_disk_config",                  // below
    "hw_rescue_bus",                        // model: rescue
    "hw_rescue_device",                     // model: rescue
    "img_bdm_v2",                           // volume_images
    "img_block_device_mapping",             // volume_images
    "img_config_drive",                     // below
    "img_root_device_name",                 // volume_images
    "kernel_id",                            // advisories
    "os_admin_user",                        // guest_agents
    "os_require_quiesce",                   // guest_agents
    "os_shutdown_timeout",                  // agent: act
    "ramdisk_id",                           // advisories
    "resources:{class}",                    // scheduler: filters_by_name
];

/// Whether a walk over rows in a crate of its own shows that a row is honoured.
fn is_walked(by: &[&str]) -> bool {
    by.iter().any(|file| {
        file.starts_with("compute/model/src/guest_hardware")
            || file.starts_with("compute/scheduler/src/filters")
            || *file == "compute/agent/src/spec.rs"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_image_property_is_honoured_a_hint_or_refused_in_its_sentence() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    for row in image_properties::PROPERTIES {
        let (name, value) = (name(row), wish(row));
        let (fine, why) = harmless(row);
        if let Some(why) = why {
            let image = demo.image_with(&json!({&name: value})).await;
            let refusal = Refusal {
                what: "Image property",
                name: name.clone(),
                value,
                why,
            };
            let said = boot(&demo, &flavor, &image).await.fault(400);
            assert_eq!(said, refusal.to_string());
        }
        if let Some(value) = fine.first() {
            let image = demo.image_with(&json!({&name: value})).await;
            let answer = boot(&demo, &flavor, &image).await;
            assert_eq!(answer.status, 202, "{name}={value}: {}", answer.text);
        }
        match row.fate {
            Fate::Hint(_) => {
                let image = demo.image_with(&json!({&name: wish(row)})).await;
                let answer = boot(&demo, &flavor, &image).await;
                assert_eq!(answer.status, 202, "{name}: {}", answer.text);
            }
            Fate::Honoured(by) => {
                assert!(
                    is_walked(by) || SEEN_ELSEWHERE.contains(&row.name),
                    "{name}"
                );
            }
            Fate::Refused { .. } | Fate::Partly { .. } => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_extra_spec_is_honoured_a_hint_or_refused_in_its_sentence() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let flavor = cloud.tiny().await;
    let image = cloud.image(&demo).await;
    let specs = format!("/flavors/{flavor}/os-extra_specs");
    for row in extra_specs::SPECS {
        let (name, value) = (name(row), wish(row));
        let (fine, why) = harmless(row);
        // The oldest version: nothing is checked when the flavor gets it.
        let set = async |value: &str| {
            let body = json!({"extra_specs": {&name: value}});
            admin
                .compute("2.1", Method::POST, &specs, Some(&body))
                .await
                .expect(200);
            let answer = boot(&demo, &flavor, &image).await;
            let path = format!("{specs}/{name}");
            admin.compute("2.1", Method::DELETE, &path, None).await;
            answer
        };
        if let Some(why) = why {
            let refusal = Refusal {
                what: "Flavor extra spec",
                name: name.clone(),
                value: value.clone(),
                why,
            };
            assert_eq!(set(&value).await.fault(400), refusal.to_string());
        }
        if let Some(value) = fine.first() {
            let answer = set(value).await;
            assert_eq!(answer.status, 202, "{name}={value}: {}", answer.text);
        }
        match row.fate {
            Fate::Hint(_) => {
                let answer = set(&value).await;
                assert_eq!(answer.status, 202, "{name}={value}: {}", answer.text);
            }
            Fate::Honoured(by) => {
                assert!(
                    is_walked(by) || SEEN_ELSEWHERE.contains(&row.name),
                    "{name}"
                );
            }
            Fate::Refused { .. } | Fate::Partly { .. } => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_disk_is_honoured_a_hint_or_refused_in_its_sentence() {
    const PREFIX: &str = "server.block_device_mapping_v2.";
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let image = cloud.image(&demo).await;
    let ask = async |field: &str, value: Value| {
        let mut disk = json!({
            "uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0,
        });
        disk[field] = value;
        let body = json!({"server": {
            "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none",
            "block_device_mapping_v2": [disk],
        }});
        demo.asks_for_server(&body).await
    };
    for row in create_fields::FIELDS {
        let Some(field) = row.name.strip_prefix(PREFIX) else {
            continue;
        };
        let value = match field {
            "delete_on_termination" => json!(false),
            "image_id" | "snapshot_id" | "volume_id" => json!(image),
            _ => json!("x"),
        };
        match row.fate {
            Fate::Hint(_) => {
                let answer = ask(field, value).await;
                assert_eq!(answer.status, 202, "{field}: {}", answer.text);
            }
            // Nova's own words for this one.
            Fate::Refused { .. } if field == "volume_type" => {
                let said = ask(field, value).await.fault(400);
                assert!(
                    said.starts_with("Block Device Mapping is Invalid: Specifying a volume_type")
                );
            }
            Fate::Refused { why, .. } => {
                let said = ask(field, value.clone()).await.fault(400);
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let refusal = Refusal {
                    what: "Field",
                    name: row.name.to_owned(),
                    value: text,
                    why,
                };
                assert_eq!(said, refusal.to_string());
            }
            Fate::Honoured(_) | Fate::Partly { .. } => {}
        }
    }
    for (field, value, code, words) in [
        ("delete_on_termination", json!(true), 202, ""),
        ("device_type", json!("disk"), 202, ""),
        ("device_type", json!("cdrom"), 202, ""),
        (
            "device_type",
            json!("floppy"),
            400,
            "device_type=\"floppy\" cannot be honoured: disks of servers are disks or CDs, and no floppy disk holds a GiB.",
        ),
        ("disk_bus", json!("virtio"), 202, ""),
        (
            "disk_bus",
            json!("nope"),
            400,
            "The provided disk bus \"nope\" is not valid.",
        ),
        ("disk_bus", json!("scsi"), 202, ""),
        (
            "disk_bus",
            json!("fdc"),
            400,
            "disk_bus=\"fdc\" cannot be honoured: disks sit on the buses virtio, scsi, ide, sata or usb.",
        ),
        ("tag", json!("system"), 202, ""),
        ("volume_size", json!(1), 202, ""),
        (
            "volume_size",
            json!(7),
            400,
            "The root disk has the 1 GiB of the flavor, not volume_size=7.",
        ),
        ("no_device", json!(true), 202, ""),
    ] {
        let answer = ask(field, value.clone()).await;
        assert_eq!(answer.status, code, "{field}={value}: {}", answer.text);
        assert!(
            answer.text.contains(&words.replace('"', "\\\"")),
            "{field}={value}: {}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_may_demand_a_config_drive_and_forbid_that_its_disk_is_grown() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let image = demo
        .image_with(&json!({"img_config_drive": "mandatory"}))
        .await;
    let answer = boot(&demo, &flavor, &image).await.expect(202);
    let path = format!(
        "/servers/{}",
        answer["server"]["id"].as_str().expect("an id")
    );
    let shown = demo
        .compute("latest", Method::GET, &path, None)
        .await
        .expect(200);
    assert_eq!(shown["server"]["config_drive"], "True");

    for property in ["hw_auto_disk_config", "auto_disk_config"] {
        let image = demo.image_with(&json!({property: "Disabled"})).await;
        let body = |word: &str| {
            json!({"server": {
                "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none", "OS-DCF:diskConfig": word,
            }})
        };
        let ask = async |word| {
            demo.compute("latest", Method::POST, "/servers", Some(&body(word)))
                .await
        };
        assert_eq!(
            ask("AUTO").await.fault(400),
            format!("Requested image {image} has automatic disk resize disabled.")
        );
        ask("MANUAL").await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_nobody_verifies_are_refused() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let image = cloud.image(&demo).await;
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "trusted_image_certificates": ["a", "b"],
    }});
    let said = demo.asks_for_server(&body).await;
    assert_eq!(
        said.fault(400),
        "Field server.trusted_image_certificates=\"a,b\" cannot be honoured: signatures of images are not verified."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_flavor_and_image_want_differently_is_refused_when_a_server_is_created() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let flavor = cloud.tiny().await;
    let specs = format!("/flavors/{flavor}/os-extra_specs");
    let body = json!({"extra_specs": {"hw:pmu": "true", "hw:cpu_max_sockets": "1"}});
    admin
        .compute("latest", Method::POST, &specs, Some(&body))
        .await
        .expect(200);
    let image = demo.image_with(&json!({"hw_pmu": "false"})).await;
    assert_eq!(
        boot(&demo, &flavor, &image).await.fault(400),
        "Conflicting values for pmu found in the flavor (true) and the image (false)."
    );
    let image = demo.image_with(&json!({"hw_cpu_max_sockets": "2"})).await;
    let said = boot(&demo, &flavor, &image).await.fault(400);
    assert!(
        said.starts_with("Image vCPU topology limits (sockets=2"),
        "{said}"
    );
}
