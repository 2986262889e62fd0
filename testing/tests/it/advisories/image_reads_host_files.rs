//! An image makes the host read a file of its own: OSSA-2014-009, 2016-001, 2016-007, 2023-002, 2024-001, 2024-002,
//! 2026-002.

use serde_json::json;
use testing::{TestCloud, User};

/// A qcow2 header of version 3 for a disk of one MiB, with its tables.
fn qcow2() -> Vec<u8> {
    let mut bytes = vec![0_u8; 4 << 16];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[4..8].copy_from_slice(&3_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&16_u32.to_be_bytes());
    bytes[24..32].copy_from_slice(&(1_u64 << 20).to_be_bytes());
    bytes[36..40].copy_from_slice(&1_u32.to_be_bytes());
    bytes[40..48].copy_from_slice(&(1_u64 << 16).to_be_bytes());
    bytes[48..56].copy_from_slice(&(2_u64 << 16).to_be_bytes());
    bytes[56..60].copy_from_slice(&1_u32.to_be_bytes());
    bytes[96..100].copy_from_slice(&4_u32.to_be_bytes());
    bytes[100..104].copy_from_slice(&104_u32.to_be_bytes());
    bytes
}

/// The same with a backing file.
fn with_backing_file() -> Vec<u8> {
    let mut bytes = qcow2();
    bytes[8..16].copy_from_slice(&512_u64.to_be_bytes());
    bytes[16..20].copy_from_slice(&11_u32.to_be_bytes());
    bytes[512..523].copy_from_slice(b"/etc/passwd");
    bytes
}

/// The same with its data in another file: incompatible feature 2 and the header extension that names the file.
fn with_data_file() -> Vec<u8> {
    let mut bytes = qcow2();
    bytes[79] |= 4;
    bytes[104..108].copy_from_slice(&0x4441_5441_u32.to_be_bytes());
    bytes[108..112].copy_from_slice(&11_u32.to_be_bytes());
    bytes[112..123].copy_from_slice(b"/etc/passwd");
    bytes
}

/// A VMDK whose descriptor names an extent elsewhere.
fn with_foreign_extent() -> Vec<u8> {
    let mut text = b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
createType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n"
        .to_vec();
    text.resize(1 << 16, 0);
    text
}

async fn is_refused(cloud: &TestCloud, demo: &User, what: &str, format: &str, bytes: Vec<u8>) {
    let flavor = cloud.tiny().await;
    let (answer, id) = demo.upload(format, bytes).await;
    assert!(answer.status.is_client_error(), "{what}: {}", answer.text);
    let server =
        json!({"server": {"name": "s", "flavorRef": flavor, "imageRef": id, "networks": "none"}});
    let asked = demo.asks_for_server(&server);
    assert_eq!(asked.await.status, 400, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_names_another_file_is_refused_in_every_format_and_disguise() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let tries = [
        ("a backing file", "qcow2", with_backing_file()),
        ("a data file", "qcow2", with_data_file()),
        ("an extent elsewhere", "vmdk", with_foreign_extent()),
        ("a qcow2 that says raw", "raw", qcow2()),
        (
            "a qcow2 with a backing file that says raw",
            "raw",
            with_backing_file(),
        ),
        ("a VMDK that says raw", "raw", with_foreign_extent()),
        ("a qcow2 that says vmdk", "vmdk", qcow2()),
        ("a qcow2 that says ISO", "iso", qcow2()),
    ];
    for (what, format, bytes) in tries {
        is_refused(&cloud, &demo, what, format, bytes).await;
    }
    // Not the parser refuses everything: the plain file under its right name is taken.
    demo.upload("qcow2", qcow2()).await.0.expect(204);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_property_of_an_image_smuggles_an_option_into_the_hypervisor() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let smuggled = [
        "initrd=/etc/hostname",
        "pc,initrd=/etc/hostname",
        "pc,kernel=/etc/hostname",
        "pc,dumpdtb=/etc/hostname",
        "pc,firmware=/etc/hostname",
        "pc,help",
        "pc\ninitrd=/etc/hostname",
        "../../etc/hostname",
    ];
    let properties = [
        "hw_machine_type",
        "hw_disk_bus",
        "hw_cdrom_bus",
        "hw_vif_model",
        "hw_video_model",
        "hw_firmware_type",
    ];
    for property in properties {
        for value in smuggled {
            let image = cloud.image(&demo).await;
            let change = json!([{"op": "add", "path": format!("/{property}"), "value": value}]);
            let path = format!("/image/v2/images/{image}");
            let patched = demo.patch(&path, &change).await;
            if patched.status.is_client_error() {
                continue;
            }
            let server = json!({"server": {"name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none"}});
            let asked = demo.asks_for_server(&server).await;
            // Either the request is refused or the build: no guest may run with it.
            if asked.status == 202 {
                let server = demo.made(&asked.body);
                server.fails().await;
                server.delete().await.vanishes().await;
            } else {
                assert_eq!(asked.status, 400, "{property} = {value:?}: {}", asked.text);
            }
        }
    }
    cloud.audit().await;
}
