use hypervisor::{
    ConfigDrive, CpuLimits, DirectBoot, DiskBus, Ephemeral, GuestHardware, ImageFormat, ImageRef,
    InputBus, Nic, NicModel, Random, Rates, Rescue, RescueDevice, RootDisk, Tap, Topology,
    UsbModel, VideoModel, WatchdogAction,
};
use proptest::prelude::*;

use super::*;
use crate::record::Base;

mod shown_disks;
mod volume_disks;

const ID: &str = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";

fn settings() -> QemuSettings {
    QemuSettings {
        image_folders: vec!["/cache".into()],
        ..QemuSettings::default()
    }
}

fn lines(
    spec: ServerSpec,
    base: Option<Base>,
    accel: Accel,
    taps: &[Option<RawFd>],
    incoming: Option<RawFd>,
) -> String {
    let layout = Layout::new(Path::new("/state"), ID).unwrap();
    let record = Record {
        base,
        machine: spec.machine_type.clone(),
        ..Record::new(&spec)
    };
    let settings = settings();
    let inputs = Inputs {
        layout: &layout,
        record: &record,
        settings: &settings,
        accel,
        qmp: 9,
        agent: record.spec.hardware.guest_agent.then_some(8),
        taps,
        volumes: &[50, 51, 52][..files(&record.spec)],
        incoming,
    };
    let args = build(&inputs).unwrap();
    assert_eq!(proof::unmeant(&inputs, &args), Vec::<String>::new());
    args.join("\n").replace("\n-", "\n\n-")
}

/// How many of its volumes are files.
fn files(spec: &ServerSpec) -> usize {
    let volumes = spec.volumes.iter();
    volumes
        .filter(|volume| volume.source.file().is_some())
        .count()
}

fn nic(port: &str, tap: Option<&str>) -> Nic {
    let tap = tap.map(|device| Tap {
        device: device.into(),
        netns: Some("kn-1".into()),
    });
    Nic {
        port_id: port.into(),
        mac: "FA:16:3E:00:00:01".into(),
        tap,
        mtu: 1442,
        model: None,
    }
}

#[test]
fn a_plain_server_from_an_image() {
    let mut spec = ServerSpec::minimal(ID, "a name, with=options");
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.nics = vec![nic(
        "4c5ba8ad-6f5e-4f2d-9b2b-000000000001",
        Some("tap4c5ba8ad-6f"),
    )];
    spec.config_drive = Some(ConfigDrive::default());
    let base = Base {
        path: "/cache/base".into(),
        format: ImageFormat::Qcow2,
    };
    insta::assert_snapshot!(lines(spec, Some(base), Accel::Tcg, &[Some(12)], None));
}

#[test]
fn a_server_with_everything_else() {
    let mut spec = ServerSpec::minimal(ID, "all");
    spec.vcpus = 4;
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.ephemeral = vec![Ephemeral {
        size_gb: 2,
        guest_format: None,
        ..Ephemeral::default()
    }];
    spec.swap_mb = 64;
    spec.nics = vec![Nic {
        model: Some(NicModel::E1000),
        ..nic("p,1", None)
    }];
    spec.direct_boot = Some(DirectBoot {
        kernel: "/cache/k".into(),
        ramdisk: Some("/cache/r".into()),
        cmdline: Some("console=ttyS0 a,b".parse().unwrap()),
    });
    spec.machine_type = Some("pc-q35-7.2".parse().unwrap());
    spec.disk_bus = Some(DiskBus::Scsi);
    spec.video_model = Some(VideoModel::None);
    spec.cpu_limits = CpuLimits::default();
    let base = Base {
        path: "/cache/raw,odd".into(),
        format: ImageFormat::Raw,
    };
    insta::assert_snapshot!(lines(spec, Some(base), Accel::Kvm, &[None], Some(33)));
}

/// A server with each kind of disk, rescued.
fn rescued(device: Option<RescueDevice>) -> String {
    let image = |path: &str| ImageRef {
        id: "image".into(),
        path: path.into(),
        format: ImageFormat::Qcow2,
        virtual_size: 1 << 30,
    };
    let mut spec = ServerSpec::minimal(ID, "rescued");
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: Some(image("/cache/base")),
    });
    spec.ephemeral = vec![Ephemeral {
        size_gb: 2,
        guest_format: None,
        ..Ephemeral::default()
    }];
    spec.swap_mb = 64;
    spec.volumes = vec![Volume {
        id: "4c5ba8ad-6f5e-4f2d-9b2b-000000000001".into(),
        source: hypervisor::VolumeSource::File {
            path: "/volumes/one".into(),
        },
        read_only: false,
        shared: false,
        boot_order: None,
        cdrom: false,
        tag: None,
        limits: hypervisor::VolumeLimits::default(),
        bus: None,
        boot: false,
    }];
    spec.config_drive = Some(ConfigDrive::default());
    spec.rescue = Some(Rescue {
        number: 5,
        image: image("/cache/rescue"),
        direct_boot: None,
        config_drive: None,
        device,
    });
    let base = |path: &str| {
        Some(Base {
            path: path.into(),
            format: ImageFormat::Qcow2,
        })
    };
    let layout = Layout::new(Path::new("/state"), ID).unwrap();
    let record = Record {
        base: base("/cache/base"),
        rescue_base: base("/cache/rescue"),
        machine: Some("pc-i440fx-7.2".parse().unwrap()),
        ..Record::new(&spec.started())
    };
    let volumes = vec![50; record.spec.volumes.len()];
    let settings = settings();
    check(&spec, &settings).unwrap();
    let inputs = Inputs {
        layout: &layout,
        record: &record,
        settings: &settings,
        accel: Accel::Tcg,
        qmp: 9,
        agent: record.spec.hardware.guest_agent.then_some(8),
        taps: &[],
        volumes: &volumes,
        incoming: None,
    };
    let args = build(&inputs).unwrap();
    assert_eq!(proof::unmeant(&inputs, &args), Vec::<String>::new());
    let disks = args
        .into_iter()
        .filter(|arg| arg.contains("drive=") || arg.contains("rescue"));
    disks.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rescued_server_boots_from_the_disk_of_the_rescue_before_its_root_disk() {
    insta::assert_snapshot!(rescued(None));
}

#[test]
fn a_stable_rescue_comes_after_the_disks_that_the_server_has() {
    let device = RescueDevice {
        cdrom: true,
        bus: Some(DiskBus::Ide),
    };
    insta::assert_snapshot!(rescued(Some(device)));
}

/// The arguments that one wish adds, removes or changes.
fn differences(spec: ServerSpec, accel: Accel, wish: impl FnOnce(&mut ServerSpec)) -> Vec<String> {
    let of = |spec: ServerSpec| -> Vec<String> {
        let text = lines(spec, None, accel, &[], None);
        text.split("\n\n")
            .map(|line| line.replace('\n', " "))
            .collect()
    };
    let before = of(spec.clone());
    let mut wished = spec;
    wish(&mut wished);
    let after = of(wished);
    let lost = before
        .iter()
        .filter(|line| !after.contains(line))
        .map(|line| format!("- {line}"));
    let mut left = before.clone();
    let gained = after
        .iter()
        .filter(|line| match left.iter().position(|other| other == *line) {
            Some(at) => {
                left.remove(at);
                false
            }
            None => true,
        });
    let gained: Vec<String> = gained.map(|line| format!("+ {line}")).collect();
    lost.chain(gained).collect()
}

#[test]
fn each_wish_changes_the_arguments() {
    type Wish = fn(&mut GuestHardware);
    let wishes: &[(&str, Wish)] = &[
        ("boot menu", |hardware| hardware.boot_menu = true),
        ("CD on IDE", |hardware| {
            hardware.cdrom_bus = Some(DiskBus::Ide)
        }),
        ("CD on SCSI", |hardware| {
            hardware.cdrom_bus = Some(DiskBus::Scsi)
        }),
        ("topology", |hardware| {
            hardware.topology = Some(Topology {
                sockets: 1,
                cores: 2,
                threads: 2,
            });
        }),
        ("hidden", |hardware| hardware.hide_hypervisor = true),
        ("no HPET", |hardware| hardware.hpet = Some(false)),
        ("packed rings", |hardware| hardware.packed_ring = true),
        ("no PMU", |hardware| hardware.pmu = Some(false)),
        ("USB pointer", |hardware| {
            hardware.input = Some(InputBus::Usb)
        }),
        ("virtio pointer", |hardware| {
            hardware.input = Some(InputBus::Virtio)
        }),
        ("no random numbers", |hardware| {
            hardware.random = Random::Off
        }),
        ("few random numbers", |hardware| {
            hardware.random = Random::Limited {
                bytes: 64,
                period_ms: 500,
            };
        }),
        ("serial ports", |hardware| hardware.more_serial_ports = 2),
        ("USB controller", |hardware| {
            hardware.usb = Some(UsbModel::NecXhci)
        }),
        ("video memory", |hardware| hardware.video_ram_mb = Some(32)),
        ("watchdog", |hardware| {
            hardware.watchdog = Some(WatchdogAction::Reset)
        }),
        ("Windows", |hardware| hardware.windows = true),
        ("guest agent", |hardware| hardware.guest_agent = true),
        ("bytes", |hardware| {
            hardware.disk_limits.bytes = Rates {
                total: 0,
                read: 1000,
                write: 2000,
            };
        }),
        ("operations", |hardware| {
            hardware.disk_limits.operations = Rates {
                total: 50,
                read: 0,
                write: 0,
            };
        }),
    ];
    let mut spec = ServerSpec::minimal(ID, "wishes");
    spec.vcpus = 4;
    spec.machine_type = Some("pc".parse().unwrap());
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec.swap_mb = 1;
    spec.config_drive = Some(ConfigDrive::default());
    let mut text = String::new();
    for (name, wish) in wishes {
        for accel in [Accel::Kvm, Accel::Tcg] {
            let changed = differences(spec.clone(), accel, |spec| wish(&mut spec.hardware));
            assert!(!changed.is_empty(), "{name}");
            let changed = changed.join("\n");
            if accel == Accel::Kvm || !text.contains(&changed) {
                text.push_str(&format!("{name} ({accel:?})\n{changed}\n\n"));
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_wish_that_a_machine_cannot_have_is_refused() {
    let with = |wish: fn(&mut ServerSpec)| {
        let mut spec = ServerSpec::minimal(ID, "odd");
        wish(&mut spec);
        check(&spec, &settings())
    };
    let unsupported = |result| matches!(result, Err(DriverError::Unsupported { .. }));
    assert!(unsupported(with(|spec| {
        spec.hardware.cdrom_bus = Some(DiskBus::Xen);
    })));
    assert!(unsupported(with(|spec| {
        spec.video_model = Some(VideoModel::Virtio);
        spec.hardware.video_ram_mb = Some(8);
    })));
    let five = |spec: &mut ServerSpec| {
        spec.ephemeral = vec![
            Ephemeral {
                size_gb: 1,
                guest_format: None,
                ..Ephemeral::default()
            };
            4
        ];
        spec.config_drive = Some(ConfigDrive::default());
        spec.disk_bus = Some(DiskBus::Ide);
    };
    assert!(unsupported(with(five)));
    assert!(
        with(|spec| {
            spec.ephemeral = vec![
                Ephemeral {
                    size_gb: 1,
                    guest_format: None,
                    ..Ephemeral::default()
                };
                4
            ];
            spec.config_drive = Some(ConfigDrive::default());
            spec.disk_bus = Some(DiskBus::Ide);
            spec.hardware.cdrom_bus = Some(DiskBus::Sata);
        })
        .is_ok()
    );
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let mut spec = ServerSpec::minimal(ID, "odd");
    spec.disk_bus = Some(DiskBus::Xen);
    assert!(
        matches!(check(&spec, &settings()), Err(DriverError::Unsupported { what }) if what.contains("xen"))
    );
    let mut spec = ServerSpec::minimal(ID, "odd");
    spec.nics = vec![Nic {
        mac: "fa:16:3e,id=x".into(),
        ..nic("p", None)
    }];
    assert!(matches!(
        check(&spec, &settings()),
        Err(DriverError::BadSpec { .. })
    ));
}

/// Files of the host that a description may not name as its image, kernel or ramdisk.
#[test]
fn only_files_of_the_image_cache_are_given_to_a_guest() {
    let image = |path: &str| hypervisor::ImageRef {
        id: "i".into(),
        path: path.into(),
        format: ImageFormat::Raw,
        virtual_size: 512,
    };
    let boot = |kernel: &str, ramdisk: &str| DirectBoot {
        kernel: kernel.into(),
        ramdisk: Some(ramdisk.into()),
        cmdline: None,
    };
    let mut spec = ServerSpec::minimal(ID, "cache");
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: Some(image("/cache/base")),
    });
    spec.direct_boot = Some(boot("/cache/k", "/cache/r"));
    assert!(check(&spec, &settings()).is_ok());
    for odd in [
        "/etc/hostname",
        "/cache",
        "/cache/..",
        "/cache/../etc/hostname",
        "/cache/a/b",
        "/",
    ] {
        let mut disk = spec.clone();
        disk.root_disk = Some(RootDisk {
            size_gb: 1,
            image: Some(image(odd)),
        });
        let mut kernel = spec.clone();
        kernel.direct_boot = Some(boot(odd, "/cache/r"));
        let mut ramdisk = spec.clone();
        ramdisk.direct_boot = Some(boot("/cache/k", odd));
        for spec in [disk, kernel, ramdisk] {
            let refused = check(&spec, &settings());
            assert!(matches!(refused, Err(DriverError::BadSpec { .. })), "{odd}");
            // What an earlier version kept is looked at again.
            let record = Record {
                base: Some(Base {
                    path: spec
                        .root_disk
                        .as_ref()
                        .and_then(|root| root.image.clone())
                        .unwrap()
                        .path,
                    format: ImageFormat::Raw,
                }),
                ..Record::new(&spec)
            };
            let refused = build(&Inputs {
                layout: &Layout::new(Path::new("/state"), ID).unwrap(),
                record: &record,
                settings: &settings(),
                accel: Accel::Tcg,
                qmp: 9,
                agent: record.spec.hardware.guest_agent.then_some(8),
                taps: &[],
                volumes: &[],
                incoming: None,
            });
            assert!(refused.is_err(), "{odd}");
        }
    }
}

#[test]
fn most_made_up_descriptions_are_refused_and_many_are_not() {
    // A fixed run of numbers, so that the share is the same every time.
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let taken = (0..4000)
        .filter(|_| proof::arguments(&(0..200).map(|_| next()).collect::<Vec<_>>()))
        .count();
    assert!(
        (200..3800).contains(&taken),
        "{taken} of 4000 made arguments"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_description_yields_an_option_a_key_a_file_or_a_device_that_was_not_meant(
        input in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        proof::arguments(&input);
    }
}
