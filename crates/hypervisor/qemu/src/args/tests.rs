use hypervisor::{
    ConfigDrive, CpuLimits, DirectBoot, DiskBus, Ephemeral, ImageFormat, Nic, NicModel, RootDisk,
    Tap, VideoModel,
};
use proptest::prelude::*;

use super::*;

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
        taps,
        incoming,
    };
    let args = build(&inputs).unwrap();
    assert_eq!(proof::unmeant(&inputs, &args), Vec::<String>::new());
    args.join("\n").replace("\n-", "\n\n-")
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
                taps: &[],
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
