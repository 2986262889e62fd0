use super::*;
use crate::server::ServerKey;
use crate::testing::server;

fn text(server: &Server, path: &str) -> Option<String> {
    let guest = Guest {
        server,
        dhcp_domain: "novalocal",
        random_seed: &[7; 512],
        admin_password: None,
        files: &[("/etc/x".to_owned(), b"content".to_vec())],
        vendor_data: None,
        password: None,
        user_data: Some(b"#!/bin/sh\n\xff".to_vec()),
    };
    at(&guest, path).map(|document| String::from_utf8_lossy(&document.body).into_owned())
}

fn with_key() -> Server {
    let mut server = server("11111111-2222-3333-4444-555555555555");
    server.key = Some(ServerKey {
        name: "mine".into(),
        kind: "ssh".into(),
        data: "ssh-ed25519 AAAA me".into(),
    });
    server
}

#[test]
fn the_root_lists_versions_as_nova_does() {
    let listing = text(&with_key(), "/").expect("root");
    assert!(listing.starts_with("1.0\n2007-01-19\n"));
    assert!(listing.ends_with("2009-04-04\nlatest"));
}

#[test]
fn the_key_is_found_the_way_ec2_clients_look_for_it() {
    let server = with_key();
    assert_eq!(
        text(&server, "/latest/meta-data/public-keys/").as_deref(),
        Some("0=mine")
    );
    assert_eq!(
        text(&server, "/latest/meta-data/public-keys/0/openssh-key").as_deref(),
        Some("ssh-ed25519 AAAA me")
    );
}

#[test]
fn keys_appear_with_their_versions() {
    let server = with_key();
    assert!(text(&server, "/1.0/meta-data/instance-type").is_none());
    assert_eq!(
        text(&server, "/2007-08-29/meta-data/instance-type").as_deref(),
        Some("tiny")
    );
    assert!(
        text(&server, "/2009-04-04/meta-data/")
            .expect("listing")
            .contains("placement/")
    );
    assert!(text(&server, "/openstack/2012-08-10/network_data.json").is_some());
    assert!(text(&server, "/openstack/2012-08-10/vendor_data2.json").is_none());
    assert!(text(&server, "/openstack/2099-01-01/meta_data.json").is_none());
}

#[test]
fn user_data_comes_byte_for_byte() {
    let server = with_key();
    let guest = Guest {
        server: &server,
        dhcp_domain: "",
        random_seed: &[],
        admin_password: None,
        files: &[],
        vendor_data: None,
        password: None,
        user_data: Some(vec![0, 255, 10]),
    };
    for path in ["/latest/user-data", "/openstack/latest/user_data"] {
        assert_eq!(
            at(&guest, path).map(|found| found.body),
            Some(vec![0, 255, 10])
        );
    }
}

#[test]
fn a_config_drive_holds_the_same_documents_and_the_password_only_there() {
    let server = with_key();
    let files = [("/etc/x".to_owned(), b"content".to_vec())];
    let guest = Guest {
        server: &server,
        dhcp_domain: "novalocal",
        random_seed: &[7; 512],
        admin_password: Some("secret"),
        files: &files,
        vendor_data: None,
        password: None,
        user_data: Some(b"#!".to_vec()),
    };
    let drive = config_drive(&guest);
    let find = |path: &str| {
        let found = drive.iter().find(|(name, _)| name == path);
        found.map(|(_, body)| String::from_utf8_lossy(body).into_owned())
    };
    let meta = find("openstack/latest/meta_data.json").expect("meta data");
    let meta: Value = serde_json::from_str(&meta).expect("JSON");
    assert_eq!(meta["admin_pass"], "secret");
    assert_eq!(meta["hostname"], "n.novalocal");
    assert_eq!(meta["files"][0]["content_path"], "/content/0000");
    assert_eq!(find("openstack/content/0000").as_deref(), Some("content"));
    assert_eq!(find("openstack/latest/user_data").as_deref(), Some("#!"));
    assert!(find("ec2/latest/meta-data.json").is_some());
    assert!(find("openstack/latest/network_data.json").is_some());
    assert!(!drive.iter().any(|(name, _)| name.ends_with("/password")));
}

#[test]
fn disks_with_tags_are_shown_with_where_the_guest_finds_them() {
    use crate::disk_device::{DiskPlace, PlaceBus};
    use crate::image::ServerImage;
    use crate::volume::AttachedVolume;
    let mut server = with_key();
    server.image = Some(ServerImage::default());
    server.flavor.swap = 1;
    server.local_disks.root.tag = Some("system".into());
    server.local_disks.swap.tag = Some("scratch".into());
    server.volumes = vec![AttachedVolume {
        volume_id: "v".into(),
        attachment_id: String::new(),
        bdm_uuid: String::new(),
        device: "/dev/sda".into(),
        tag: Some("data".into()),
        delete_on_termination: false,
        boot: false,
        boot_order: None,
        bus: None,
        cdrom: false,
        connection: None,
        detaching: false,
    }];
    let place = |disk: &str, bus, address: &str| DiskPlace {
        disk: disk.to_owned(),
        bus,
        address: Some(address.to_owned()),
    };
    server.disk_places = vec![
        place("v", Some(PlaceBus::Scsi), "0:0:1:0"),
        place("root", Some(PlaceBus::Pci), "0000:00:05.0"),
    ];
    let devices = |server: &Server| {
        let meta = text(server, "/openstack/latest/meta_data.json").expect("meta data");
        let meta: Value = serde_json::from_str(&meta).expect("JSON");
        meta["devices"].clone()
    };
    let shown = serde_json::json!([
        {"type": "disk", "bus": "pci", "address": "0000:00:05.0", "serial": null, "tags": ["system"]},
        {"type": "disk", "bus": "none", "address": "none", "serial": null, "tags": ["scratch"]},
        {"type": "disk", "bus": "scsi", "address": "0:0:1:0", "serial": "v", "tags": ["data"]},
    ]);
    assert_eq!(devices(&server), shown);
    // A root on a volume is none of the host's; a volume that the guest is to let go of is not there any more.
    server.image = None;
    server.volumes[0].detaching = true;
    assert_eq!(devices(&server), serde_json::json!([shown[1]]));
    let first = text(&server, "/openstack/2015-10-15/meta_data.json").expect("meta data");
    assert!(!first.contains("devices"));
}

#[test]
fn disks_beside_the_root_are_mapped_by_their_names() {
    let mut server = with_key();
    server.flavor.ephemeral = 1;
    server.flavor.swap = 1;
    server.local_disks.swap.bus = Some(crate::hardware::DiskBus::Scsi);
    let of = |name: &str| {
        text(
            &server,
            &format!("/latest/meta-data/block-device-mapping/{name}"),
        )
    };
    assert_eq!(of("ephemeral0").as_deref(), Some("/dev/vdb"));
    assert_eq!(of("swap").as_deref(), Some("/dev/sda"));
}
