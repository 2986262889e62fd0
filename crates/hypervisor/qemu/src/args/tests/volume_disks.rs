//! Volumes among the disks of a server, and where devices sit when a guest wakes.

use super::*;
use crate::addresses::Address;

pub(super) fn volume(number: u8, boot: bool) -> hypervisor::Volume {
    hypervisor::Volume {
        id: format!("0d7b1a2c-6a3e-4f0e-9f41-0000000000{number:02x}"),
        source: hypervisor::VolumeSource::File {
            path: "/no/name/for/qemu".into(),
        },
        read_only: false,
        shared: false,
        boot_order: None,
        cdrom: false,
        tag: None,
        limits: hypervisor::VolumeLimits::default(),
        bus: None,
        boot,
    }
}

/// The names of the devices of disks, in order, with what else is looked for.
fn disk_devices(text: &str, keys: &[&str]) -> Vec<String> {
    let devices = text.lines().filter(|line| line.contains("drive="));
    let wanted = |piece: &&str| keys.iter().any(|key| piece.starts_with(key));
    devices
        .map(|line| line.split(',').filter(wanted).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn volumes_come_behind_the_servers_own_disks_as_descriptors() {
    let mut spec = ServerSpec::minimal(ID, "volumes");
    spec.machine_type = Some("pc".parse().unwrap());
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.swap_mb = 1;
    spec.config_drive = Some(ConfigDrive::default());
    spec.volumes = vec![volume(1, false), volume(2, false)];
    spec.volumes[1].read_only = true;
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    let names = [
        volumes::node(&spec.volumes[0].id),
        volumes::node(&spec.volumes[1].id),
    ];
    assert_eq!(
        disk_devices(&text, &["id", "bootindex", "bus", "serial"]),
        [
            "id=disk-root bootindex=1",
            "id=disk-swap",
            &format!("id=disk-{} serial={}", names[0], spec.volumes[0].id),
            &format!("id=disk-{} serial={}", names[1], spec.volumes[1].id),
            "id=disk-config",
        ]
    );
    assert!(names.iter().all(|name| name.len() <= 31), "{names:?}");
    for (number, name) in names.iter().enumerate() {
        let (fd, set) = (50 + number, 100 + number);
        assert!(
            text.contains(&format!("-add-fd\nfd={fd},set={set},opaque={name}")),
            "{text}"
        );
        assert!(text.contains(&format!("/dev/fdset/{set}")));
    }
    assert!(!text.contains("/no/name"));
    // Booted from, a volume takes the root disk's turn.
    spec.volumes[0].boot = true;
    spec.volumes[1].boot_order = Some(1);
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    let boots = disk_devices(&text, &["bootindex"]);
    assert_eq!(boots, ["", "", "bootindex=1", "bootindex=2", ""]);
    // On q35 each has a root port, but that from which the server boots.
    spec.machine_type = Some("q35".parse().unwrap());
    let text = lines(spec, None, Accel::Tcg, &[], None);
    let buses = disk_devices(&text, &["bus", "addr"]);
    assert_eq!(buses, ["", "", "", "bus=spare8 addr=0.0", ""]);
    assert!(text.contains("pcie-root-port,id=spare8,"));
}

#[test]
fn a_volume_that_another_machine_serves_is_a_socket_of_the_servers_folder() {
    let mut spec = ServerSpec::minimal(ID, "served");
    let mut served = volume(1, false);
    let source = serde_json::json!({
        "nbd": {"host": "10.0.0.1", "port": 10_809, "export": "of,another=machine"},
    });
    served.source = serde_json::from_value(source).unwrap();
    served.read_only = true;
    served.limits.rates.bytes.total = 10;
    let id = served.id.clone();
    let name = volumes::node(&id);
    spec.volumes = vec![served, volume(2, false)];
    let text = lines(spec, None, Accel::Tcg, &[], None);
    let below = format!(
        "{{\"discard\":\"unmap\",\"driver\":\"nbd\",\"export\":\"{id}\",\"read-only\":true,\"reconnect-delay\":60,\"server\":{{\"path\":\"volumes/{id}.nbd\",\"type\":\"unix\"}}}}"
    );
    assert!(
        text.contains(&format!("\"file\":{below},\"node-name\":\"{name}\"")),
        "{text}"
    );
    assert!(!text.contains("10.0.0.1") && !text.contains("another"));
    // The file beside it has its own number, and the first descriptor.
    assert!(text.contains("-add-fd\nfd=50,set=101,"), "{text}");
}

#[test]
fn a_guest_wakes_with_its_devices_where_they_were() {
    let mut spec = ServerSpec::minimal(ID, "woken");
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.nics = vec![nic("p", None)];
    spec.volumes = vec![volume(1, false)];
    spec.machine_type = Some("q35".parse().unwrap());
    let node = volumes::node(&spec.volumes[0].id);
    let at = |bus: &str, place| Address {
        bus: Some(bus.to_owned()),
        place: Some(place),
    };
    let settings = settings();
    let record = Record {
        machine: spec.machine_type.clone(),
        addresses: Addresses::from([
            ("spare0".to_owned(), at("pcie.0", 8)),
            ("spare1".to_owned(), at("pcie.0", 16)),
            ("disk-root".to_owned(), at("pcie.0", 40)),
            (format!("disk-{node}"), at("spare1", 0)),
            ("nic-p".to_owned(), at("pcie.0", 0x58)),
            // The disk on it was taken away before.
            ("scsi0".to_owned(), at("pcie.0", 48)),
        ]),
        ..Record::new(&spec)
    };
    let mut inputs = Inputs {
        layout: &Layout::new(Path::new("/state"), ID).unwrap(),
        record: &record,
        settings: &settings,
        accel: Accel::Tcg,
        qmp: 9,
        agent: record.spec.hardware.guest_agent.then_some(8),
        taps: &[None],
        volumes: &[50],
        incoming: Some(33),
    };
    let args = build(&inputs).unwrap();
    assert_eq!(proof::unmeant(&inputs, &args), Vec::<String>::new());
    let text = args.join("\n");
    for words in [
        "virtio-blk-pci,bus=pcie.0,addr=5.0,drive=root",
        &format!("virtio-blk-pci,bus=spare1,addr=0.0,drive={node}"),
        "virtio-scsi-pci,id=scsi0,bus=pcie.0,addr=6.0",
        "bus=pcie.0,addr=b.0",
    ] {
        assert!(text.contains(words), "{words} {text}");
    }
    assert_eq!(text.matches("pcie-root-port").count(), 2);
    // One that starts afresh does not look at them.
    inputs.incoming = None;
    let text = build(&inputs).unwrap().join("\n");
    assert_eq!(text.matches("pcie-root-port").count(), 9);
    assert!(!text.contains("bus=pcie.0"));
}

#[test]
fn volumes_that_contradict_each_other_are_refused() {
    let with = |volumes: Vec<hypervisor::Volume>| {
        let mut spec = ServerSpec::minimal(ID, "odd");
        spec.volumes = volumes;
        check(&spec, &settings())
    };
    assert!(with(vec![volume(1, true), volume(2, false)]).is_ok());
    let mut nameless = volume(1, false);
    nameless.id = "../x".into();
    for odd in [
        vec![volume(1, false), volume(1, false)],
        vec![volume(1, true), volume(2, true)],
        vec![nameless],
    ] {
        assert!(matches!(with(odd), Err(DriverError::BadSpec { .. })));
    }
    let mut read_only = volume(1, false);
    (read_only.read_only, read_only.bus) = (true, Some(DiskBus::Ide));
    let refused = with(vec![read_only]);
    assert!(matches!(refused, Err(DriverError::Unsupported { .. })));
    let many = (1..=5).map(|number| hypervisor::Volume {
        bus: Some(DiskBus::Ide),
        ..volume(number, false)
    });
    let refused = with(many.collect());
    assert!(matches!(refused, Err(DriverError::Unsupported { .. })));
}

#[test]
fn limits_of_a_volume_are_over_its_file_under_its_own_name() {
    let mut spec = ServerSpec::minimal(ID, "limits");
    let mut limited = volume(1, false);
    limited.read_only = true;
    limited.limits.rates.bytes.total = 10;
    limited.limits.bursts.bytes.total = 20;
    limited.limits.rates.operations.read = 30;
    limited.limits.operation_bytes = 40;
    spec.volumes = vec![limited, volume(2, false)];
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    let [one, two] = [0, 1].map(|number: usize| volumes::node(&spec.volumes[number].id));
    let object = format!(
        "{{\"id\":\"limits-{one}\",\"limits\":{{\"bps-total\":10,\"bps-total-max\":20,\"iops-read\":30,\"iops-size\":40}},\"qom-type\":\"throttle-group\"}}"
    );
    let node = format!(
        "{{\"discard\":\"unmap\",\"driver\":\"throttle\",\"file\":{{\"discard\":\"unmap\",\"driver\":\"raw\",\"file\":{{\"discard\":\"unmap\",\"driver\":\"file\",\"filename\":\"/dev/fdset/100\",\"read-only\":true}},\"read-only\":true}},\"node-name\":\"{one}\",\"read-only\":true,\"throttle-group\":\"limits-{one}\"}}"
    );
    let places = [object, node].map(|wanted| {
        text.find(&wanted)
            .unwrap_or_else(|| panic!("{wanted}\n{text}"))
    });
    assert!(places[0] < places[1], "QEMU looks for the group at once");
    assert!(!text.contains(&format!("limits-{two}")));
}
