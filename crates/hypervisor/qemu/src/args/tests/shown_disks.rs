//! Disks of the host that are shown as their owner wants: buses of their own, CDs, an order of booting, told places.

use hypervisor::{DiskDevice, DiskPlace, PlaceBus};

use super::*;
use crate::addresses::Address;

fn on(bus: DiskBus) -> DiskDevice {
    DiskDevice {
        bus: Some(bus),
        ..DiskDevice::default()
    }
}

fn tagged(bus: Option<DiskBus>) -> DiskDevice {
    DiskDevice {
        bus,
        tag: Some("a tag, of,id=any text".to_owned()),
        ..DiskDevice::default()
    }
}

fn blank(device: DiskDevice) -> Ephemeral {
    Ephemeral {
        size_gb: 1,
        guest_format: None,
        device,
    }
}

/// A server with a root, so many empty disks as are given, and swap.
fn server(root: DiskDevice, ephemeral: &[DiskDevice], swap: DiskDevice) -> ServerSpec {
    let mut spec = ServerSpec::minimal(ID, "shown");
    spec.machine_type = Some("pc".parse().unwrap());
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.root_device = root;
    spec.ephemeral = ephemeral.iter().cloned().map(blank).collect();
    spec.swap_mb = 1;
    spec.swap_device = swap;
    spec
}

/// The devices of disks, in order, without their names.
fn devices(spec: &ServerSpec) -> Vec<String> {
    check(spec, &settings()).unwrap();
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    let disks = text.lines().filter(|line| line.contains("drive="));
    let known = |piece: &&str| !piece.starts_with("id=");
    disks
        .map(|line| line.split(',').filter(known).collect::<Vec<_>>().join(","))
        .collect()
}

#[test]
fn each_disk_sits_on_its_own_bus_as_a_disk_or_a_cd() {
    let cd = DiskDevice {
        cdrom: true,
        ..on(DiskBus::Scsi)
    };
    let mut spec = server(on(DiskBus::Sata), &[cd, on(DiskBus::Usb)], on(DiskBus::Ide));
    assert_eq!(
        devices(&spec),
        [
            "ide-hd,bus=sata0.0,drive=root,bootindex=1",
            "scsi-cd,bus=scsi0.0,scsi-id=0,drive=ephemeral0",
            "usb-storage,bus=usb.0,port=2,drive=ephemeral1",
            "ide-hd,bus=ide.0,unit=0,drive=swap",
        ]
    );
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    for controller in [
        "ich9-ahci,id=sata0",
        "virtio-scsi-pci,id=scsi0",
        "qemu-xhci,id=usb",
    ] {
        assert_eq!(text.matches(controller).count(), 1, "{controller}");
    }
    // The controller that the pointer has is theirs, too.
    spec.hardware.input = Some(InputBus::Usb);
    let text = lines(spec.clone(), None, Accel::Tcg, &[], None);
    assert_eq!(text.matches("qemu-xhci").count(), 1);
    spec.hardware.input = None;
    // q35 has no IDE.
    spec.machine_type = Some("q35".parse().unwrap());
    assert_eq!(devices(&spec)[3], "ide-hd,bus=sata0.1,drive=swap");
}

#[test]
fn disks_beside_the_root_are_tried_in_their_order() {
    let tried = |order| DiskDevice {
        boot_order: Some(order),
        ..DiskDevice::default()
    };
    let mut spec = server(
        DiskDevice::default(),
        &[tried(2), DiskDevice::default()],
        tried(1),
    );
    assert_eq!(
        devices(&spec),
        [
            "virtio-blk-pci,drive=root,bootindex=1",
            "virtio-blk-pci,drive=ephemeral0,bootindex=3",
            "virtio-blk-pci,drive=ephemeral1",
            "virtio-blk-pci,drive=swap,bootindex=2",
        ]
    );
    spec.ephemeral[1].device = tried(2);
    let twice = check(&spec, &settings());
    assert!(
        matches!(twice, Err(DriverError::BadSpec { .. })),
        "{twice:?}"
    );
    spec.ephemeral[1].device = tried(0);
    let first = check(&spec, &settings());
    assert!(
        matches!(first, Err(DriverError::BadSpec { .. })),
        "{first:?}"
    );
}

#[test]
fn what_a_bus_cannot_have_is_refused() {
    let cd = |bus| DiskDevice {
        cdrom: true,
        ..on(bus)
    };
    let usual = DiskDevice::default();
    let mut without_usb = server(usual.clone(), &[on(DiskBus::Usb)], usual.clone());
    without_usb.hardware.usb = Some(UsbModel::None);
    let usb = || on(DiskBus::Usb);
    for odd in [
        server(cd(DiskBus::Virtio), &[], usual.clone()),
        server(usual.clone(), &[cd(DiskBus::Usb)], usual.clone()),
        server(usual.clone(), &[], cd(DiskBus::Virtio)),
        server(on(DiskBus::Fdc), &[], usual.clone()),
        server(usb(), &[usb(), usb()], usb()),
        without_usb,
    ] {
        let refused = check(&odd, &settings());
        assert!(
            matches!(refused, Err(DriverError::Unsupported { .. })),
            "{odd:?}"
        );
    }
    check(&server(usual, &[usb(), usb()], usb()), &settings()).unwrap();
}

#[test]
fn on_q35_disks_of_ide_and_sata_share_six_ports() {
    let of = |sata: usize| {
        let ide = std::iter::repeat_n(on(DiskBus::Ide), 3);
        let disks: Vec<_> = ide
            .chain(std::iter::repeat_n(on(DiskBus::Sata), sata))
            .collect();
        // The last two are root and swap.
        let (beside, [root, swap]) = disks.split_last_chunk::<2>().expect("more than two");
        server(root.clone(), beside, swap.clone())
    };
    let crowded = of(4);
    assert_eq!(devices(&crowded).len(), 7, "pc has IDE");
    let q35 = |mut spec: ServerSpec| {
        spec.machine_type = Some("q35".parse().unwrap());
        spec
    };
    assert_eq!(devices(&q35(of(3))).len(), 6);
    let seven = |refused: Result<()>| {
        assert!(
            matches!(&refused, Err(DriverError::Unsupported { what }) if what == "more than six SATA disks"),
            "{refused:?}"
        );
    };
    seven(check(&q35(crowded.clone()), &settings()));
    // A guest that ran on q35 stays on that, whatever its description and the settings say by now.
    check(&crowded, &settings()).unwrap();
    let record = Record {
        machine: Some("pc-q35-7.2".parse().unwrap()),
        ..Record::new(&crowded)
    };
    let settings = settings();
    let inputs = Inputs {
        layout: &Layout::new(Path::new("/state"), ID).unwrap(),
        record: &record,
        settings: &settings,
        accel: Accel::Tcg,
        qmp: 9,
        agent: None,
        taps: &[],
        volumes: &[],
        incoming: None,
    };
    seven(build(&inputs).map(drop));
}

fn told(spec: &ServerSpec) -> Vec<DiskPlace> {
    let layout = Layout::new(Path::new("/state"), ID).unwrap();
    let (record, settings) = (Record::new(spec), settings());
    disk_places(&Inputs {
        layout: &layout,
        record: &record,
        settings: &settings,
        accel: Accel::Tcg,
        qmp: 9,
        agent: None,
        taps: &[],
        volumes: &[50, 51, 52][..spec.volumes.len()],
        incoming: None,
    })
    .unwrap()
}

#[test]
fn a_disk_with_a_tag_sits_where_its_guest_is_told() {
    let mut spec = server(
        tagged(None),
        &[
            tagged(Some(DiskBus::Scsi)),
            DiskDevice::default(),
            tagged(None),
        ],
        tagged(Some(DiskBus::Ide)),
    );
    let place = |disk: &str, bus, address: &str| DiskPlace {
        disk: disk.to_owned(),
        bus: Some(bus),
        address: Some(address.to_owned()),
    };
    // Before the disks: the bridge with ISA, the screen, random numbers and the controller of SCSI.
    let places = [
        place("root", PlaceBus::Pci, "0000:00:05.0"),
        place("ephemeral0", PlaceBus::Scsi, "0:0:0:0"),
        place("ephemeral2", PlaceBus::Pci, "0000:00:07.0"),
        place("swap", PlaceBus::Ide, "0:0:0:0"),
    ];
    assert_eq!(told(&spec), places);
    assert_eq!(
        devices(&spec),
        [
            "virtio-blk-pci,bus=pci.0,addr=5.0,drive=root,bootindex=1",
            "scsi-hd,bus=scsi0.0,scsi-id=0,drive=ephemeral0",
            "virtio-blk-pci,drive=ephemeral1",
            "virtio-blk-pci,bus=pci.0,addr=7.0,drive=ephemeral2",
            "ide-hd,bus=ide.0,unit=0,drive=swap",
        ]
    );
    // On q35 root ports come first, and a volume sits behind one.
    spec.machine_type = Some("q35".parse().unwrap());
    let volume = volume_disks::volume(1, false);
    spec.volumes = vec![hypervisor::Volume {
        tag: Some("data".to_owned()),
        ..volume.clone()
    }];
    let places = told(&spec);
    assert_eq!(places[0], place("root", PlaceBus::Pci, "0000:00:0e.0"));
    assert_eq!(
        places[3],
        DiskPlace {
            disk: "swap".to_owned(),
            bus: None,
            address: None
        },
        "metadata has no word for SATA"
    );
    assert_eq!(places[4], place(&volume.id, PlaceBus::Pci, "0000:09:00.0"));
    // A CD or disk on USB has no address there.
    spec.root_device = tagged(Some(DiskBus::Usb));
    assert_eq!(told(&spec)[0].bus, Some(PlaceBus::Usb));
    assert_eq!(told(&spec)[0].address, None);
}

#[test]
fn a_guest_that_wakes_has_its_disks_with_tags_where_they_were() {
    let spec = server(tagged(None), &[], tagged(Some(DiskBus::Usb)));
    let at = |bus: &str, place| Address {
        bus: Some(bus.to_owned()),
        place: Some(place),
    };
    let settings = settings();
    let record = Record {
        machine: spec.machine_type.clone(),
        addresses: Addresses::from([
            ("disk-root".to_owned(), at("pci.0", 80)),
            ("usb".to_owned(), at("pci.0", 32)),
            ("disk-swap".to_owned(), at("usb.0", 3)),
        ]),
        ..Record::new(&spec)
    };
    let inputs = Inputs {
        layout: &Layout::new(Path::new("/state"), ID).unwrap(),
        record: &record,
        settings: &settings,
        accel: Accel::Tcg,
        qmp: 9,
        agent: None,
        taps: &[],
        volumes: &[],
        incoming: Some(33),
    };
    let args = build(&inputs).unwrap();
    assert_eq!(proof::unmeant(&inputs, &args), Vec::<String>::new());
    let text = args.join("\n");
    for words in [
        "virtio-blk-pci,bus=pci.0,addr=a.0,drive=root",
        "qemu-xhci,id=usb,bus=pci.0,addr=4.0",
        "usb-storage,bus=usb.0,port=3,drive=swap",
    ] {
        assert!(text.contains(words), "{words} {text}");
    }
}
