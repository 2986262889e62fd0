use serde_json::{Value, json};

use super::*;

const ID: &str = "7f3c1a52-0000-4000-8000-00000000dead";

fn read(mapping: &Value, present: bool) -> Result<Vec<ImageDisk>, BadMapping> {
    let mut said = BTreeMap::from([(MAPPING.to_owned(), mapping.to_string())]);
    if present {
        said.insert(PRESENT_NOTATION.to_owned(), "True".to_owned());
    }
    of(&said)
}

#[test]
fn what_is_written_of_a_server_is_read_again() {
    let disk = |boot: bool, boot_order: Option<u32>, name: &str| SnapshotDisk {
        snapshot_id: ID.to_owned(),
        size: 3,
        boot,
        boot_order,
        bus: "virtio".to_owned(),
        cdrom: false,
        device_name: name.to_owned(),
        delete_on_termination: boot,
    };
    let said = properties(
        &[
            disk(true, None, "/dev/vda"),
            disk(false, None, "/dev/vdb"),
            disk(false, Some(1), "/dev/vdc"),
        ],
        &[],
        "/dev/vda",
    );
    assert_eq!(said[ROOT_DEVICE], "/dev/vda");
    let disks = of(&said).expect("it is our own");
    let told: Vec<_> = disks
        .iter()
        .map(|disk| (disk.boot_index, disk.size, disk.delete_on_termination))
        .collect();
    let expected = [(0, true), (-1, false), (1, false)];
    assert_eq!(
        told,
        expected.map(|(index, ends)| (Some(index), Some(3), ends))
    );
    assert_eq!(disks[0].source, DiskSource::Snapshot(ID.to_owned()));
    assert_eq!(disks[1].device_name.as_deref(), Some("/dev/vdb"));
    assert!(without(said).is_empty());
}

#[test]
fn empty_disks_on_the_host_are_read_again() {
    let shown = |boot_order: Option<u32>| DiskDevice {
        bus: Some(crate::hardware::DiskBus::Scsi),
        boot_order,
        ..DiskDevice::default()
    };
    let ephemeral = |format: Option<FileSystem>| Wanted::Ephemeral {
        size_gb: Some(2),
        format,
    };
    let swap = Wanted::Swap { size_mb: Some(64) };
    let said = properties(
        &[],
        &[
            (ephemeral(Some(FileSystem::Ext4)), shown(Some(1))),
            (ephemeral(None), DiskDevice::default()),
            (swap, shown(None)),
        ],
        "/dev/vda",
    );
    let disks = of(&said).expect("it is our own");
    let told: Vec<_> = disks
        .iter()
        .map(|disk| {
            assert!(disk.local && disk.source == DiskSource::Blank, "{disk:?}");
            let (format, bus) = (disk.guest_format.as_deref(), disk.bus.as_deref());
            (disk.boot_index, disk.size, format, bus)
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), Some(2), Some("ext4"), Some("scsi")),
            (Some(-1), Some(2), None, None),
            (Some(-1), Some(64), Some("swap"), Some("scsi")),
        ]
    );
}

/// The form in which Nova 2025 writes it, with every field.
#[test]
fn the_list_that_nova_writes_is_read() {
    let mapping = json!([{
        "boot_index": 0, "delete_on_termination": false, "destination_type": "volume", "device_name": "/dev/vda",
        "device_type": "disk", "disk_bus": "virtio", "encrypted": null, "encryption_format": null,
        "encryption_options": null, "encryption_secret_uuid": null, "guest_format": null, "image_id": null,
        "no_device": null, "snapshot_id": ID, "source_type": "snapshot", "tag": null, "volume_id": null,
        "volume_size": 1, "volume_type": null,
    }]);
    let disks = read(&mapping, true).expect("as Nova writes");
    assert_eq!(disks.len(), 1);
    assert_eq!((disks[0].local, disks[0].size), (false, Some(1)));
}

#[test]
fn in_the_older_notation_the_disk_of_the_roots_name_is_booted_from() {
    let mapping = json!([
        {"device_name": "vda", "snapshot_id": ID, "volume_size": "2", "delete_on_termination": "true"},
        {"device_name": "/dev/vdb", "volume_id": ID},
        {"device_name": "vdc", "virtual_name": "swap"},
        {"device_name": "vdd", "no_device": true},
    ]);
    let disks = read(&mapping, false).expect("the older notation");
    let told: Vec<_> = disks
        .iter()
        .map(|disk| (disk.boot_index, disk.local))
        .collect();
    assert_eq!(told, [(Some(0), false), (None, false), (None, true)]);
    assert_eq!(
        (disks[0].size, disks[0].delete_on_termination),
        (Some(2), true)
    );
    assert_eq!(disks[1].source, DiskSource::Volume(ID.to_owned()));
    assert_eq!(disks[2].source, DiskSource::Blank);
    assert_eq!(disks[2].guest_format.as_deref(), Some("swap"));
}

#[test]
fn an_image_without_the_property_names_no_disk() {
    assert_eq!(of(&BTreeMap::new()), Ok(Vec::new()));
    for empty in ["", " ", "[]"] {
        let said = BTreeMap::from([(MAPPING.to_owned(), empty.to_owned())]);
        assert_eq!(of(&said), Ok(Vec::new()), "{empty:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let one = |field: &str, value: Value| {
        let mut disk =
            json!({"source_type": "snapshot", "destination_type": "volume", "snapshot_id": ID});
        disk[field] = value;
        json!([disk])
    };
    assert!(read(&one("boot_index", json!("0")), true).is_ok());
    for (present, odd) in [
        (true, json!("text")),
        (true, json!({"snapshot_id": ID})),
        (true, json!([ID])),
        (true, json!([[]])),
        (true, json!([{}])),
        (true, json!([{"source_type": "snapshot"}])),
        (true, json!([{"source_type": "volume", "volume_id": null}])),
        (true, json!([{"source_type": "image"}])),
        (true, json!(vec![json!({"source_type": "blank"}); MOST + 1])),
        (true, one("snapshot_id", json!("../../etc"))),
        (true, one("snapshot_id", json!(7))),
        (true, one("snapshot_id", json!("é".repeat(18)))),
        (true, one("source_type", json!("disk"))),
        (true, one("destination_type", json!("remote"))),
        (true, one("volume_size", json!(0))),
        (true, one("volume_size", json!(-1))),
        (true, one("volume_size", json!(1_u64 << 40))),
        (true, one("volume_size", json!("much"))),
        (true, one("volume_size", json!(1.5))),
        (true, one("boot_index", json!("first"))),
        (true, one("device_name", json!(""))),
        (true, one("device_name", json!("vda,readonly=on"))),
        (true, one("device_name", json!("v".repeat(300)))),
        (true, one("volume_type", json!("x".repeat(256)))),
        (true, one("tag", json!("x".repeat(61)))),
        (true, one("virtual_name", json!("swap"))),
        (true, one("encrypted", json!(true))),
        (true, one("encryption_format", json!("luks"))),
        (true, one("connection_info", json!("{}"))),
        (true, one("colour", json!("red"))),
        (false, one("boot_index", json!(0))),
        (false, json!([{"device_name": "vda"}])),
        (false, json!([{"device_name": "vda", "snapshot_id": "x"}])),
        (false, json!([{"device_name": "v d a", "snapshot_id": ID}])),
    ] {
        assert!(read(&odd, present).is_err(), "{odd}");
    }
    for text in ["[", "nothing", "[null]", "\u{0}"] {
        let said = BTreeMap::from([(MAPPING.to_owned(), text.to_owned())]);
        assert!(of(&said).is_err(), "{text:?}");
    }
}
