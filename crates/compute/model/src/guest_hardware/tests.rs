use super::*;
use crate::testing;

fn hardware(
    vcpus: u32,
    specs: &[(&str, &str)],
    properties: &[(&str, &str)],
) -> Result<GuestHardware, String> {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let flavor = Flavor {
        vcpus,
        extra_specs: owned(specs),
        ..testing::flavor("f")
    };
    GuestHardware::of(&flavor, &owned(properties))
}

#[test]
fn who_asks_for_nothing_has_the_usual_hardware() {
    assert_eq!(hardware(3, &[], &[]), Ok(GuestHardware::default()));
}

#[test]
fn a_topology_is_chosen_as_nova_chooses_it() {
    type Case<'a> = (
        u32,
        &'a [(&'a str, &'a str)],
        &'a [(&'a str, &'a str)],
        (u32, u32, u32),
    );
    let cases: &[Case] = &[
        (8, &[("hw:cpu_sockets", "2")], &[], (2, 4, 1)),
        (8, &[("hw:cpu_max_sockets", "2")], &[], (2, 4, 1)),
        (
            8,
            &[("hw:cpu_max_sockets", "2"), ("hw:cpu_max_cores", "2")],
            &[],
            (2, 2, 2),
        ),
        (8, &[("hw:cpu_threads", "2")], &[], (4, 1, 2)),
        (8, &[("hw:cpu_sockets", "3")], &[], (8, 1, 1)),
        (
            8,
            &[("hw:cpu_sockets", "2")],
            &[("hw_cpu_cores", "2")],
            (4, 2, 1),
        ),
        (
            6,
            &[("hw:cpu_sockets", "6")],
            &[("hw_cpu_max_sockets", "1")],
            (1, 6, 1),
        ),
        (1, &[], &[("hw_cpu_cores", "1")], (1, 1, 1)),
    ];
    for (vcpus, specs, properties, wanted) in cases {
        let topology = hardware(*vcpus, specs, properties)
            .unwrap()
            .topology
            .unwrap();
        let found = (topology.sockets, topology.cores, topology.threads);
        assert_eq!(found, *wanted, "{vcpus} {specs:?} {properties:?}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_in_the_words_of_nova() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case] = &[
        (
            &[("hw:cpu_max_sockets", "2")],
            &[("hw_cpu_max_sockets", "4")],
            "Image vCPU topology limits (sockets=4, cores=0, threads=0) exceeds the limits of the flavor \
             (sockets=2, cores=0, threads=0)",
        ),
        (
            &[("hw:cpu_max_cores", "2")],
            &[("hw_cpu_cores", "4")],
            "Image vCPU topology (sockets=0, cores=4, threads=0) exceeds the limits of the flavor or image \
             (sockets=65536, cores=2, threads=65536)",
        ),
        (
            &[
                ("hw:cpu_max_cores", "1"),
                ("hw:cpu_max_sockets", "1"),
                ("hw:cpu_max_threads", "1"),
            ],
            &[],
            "Requested vCPU limits 1:1:1 are impossible to satisfy for vcpus count 8",
        ),
        (
            &[("hw:serial_port_count", "1")],
            &[("hw_serial_port_count", "2")],
            "Forbidden to exceed flavor value of number of serial ports passed in image meta.",
        ),
        (
            &[],
            &[("hw_serial_port_count", "5")],
            "5 serial ports: a server has 1 to 4.",
        ),
        (
            &[("hw:pmu", "true")],
            &[("hw_pmu", "no")],
            "Conflicting values for pmu found in the flavor (true) and the image (no).",
        ),
        (
            &[("hw:usb_model", "none")],
            &[("hw_usb_model", "qemu-xhci")],
            "Conflicting values for usb_model found in the flavor (none) and the image (qemu-xhci).",
        ),
        (
            &[("hw_video:ram_max_mb", "8")],
            &[("hw_video_ram", "16")],
            "The requested amount of video memory 16 is higher than the maximum allowed by flavor 8.",
        ),
        (
            &[("hw:usb_model", "none")],
            &[("hw_pointer_model", "usbtablet")],
            "A USB pointer needs a USB controller, and hw_usb_model is none.",
        ),
        (
            &[
                ("quota:disk_read_iops_sec", "5"),
                ("quota:disk_total_iops_sec", "9"),
            ],
            &[],
            "The flavor limits quota:disk_total_iops_sec together with quota:disk_read_iops_sec or \
             quota:disk_write_iops_sec.",
        ),
    ];
    for (specs, properties, why) in cases {
        assert_eq!(hardware(8, specs, properties).unwrap_err(), *why);
    }
}

#[test]
fn flavor_and_image_are_weighed_as_in_nova() {
    let asked = |specs, properties| hardware(1, specs, properties).unwrap();
    assert!(!asked(&[("hw:boot_menu", "no")], &[("hw_boot_menu", "yes")]).boot_menu);
    let watchdog = asked(
        &[("hw:watchdog_action", "reset")],
        &[("hw_watchdog_action", "disabled")],
    );
    assert_eq!(watchdog.watchdog, None);
    let ports = asked(
        &[("hw:serial_port_count", "4")],
        &[("hw_serial_port_count", "2")],
    );
    assert_eq!(ports.more_serial_ports, 1);
    assert_eq!(
        asked(&[("hw_rng:rate_bytes", "2048")], &[]).random,
        Random::Limited {
            bytes: 2048,
            period_ms: 1000
        }
    );
    assert_eq!(
        asked(
            &[("hw_rng:allowed", "false"), ("hw_rng:rate_bytes", "1")],
            &[]
        )
        .random,
        Random::Off
    );
    assert!(asked(&[("hide_hypervisor_id", "true")], &[]).hide_hypervisor);
    assert!(asked(&[], &[("os_type", "Windows")]).windows);
    assert_eq!(
        asked(
            &[],
            &[
                ("hw_pointer_model", "usbtablet"),
                ("hw_input_bus", "virtio")
            ]
        )
        .input,
        Some(InputBus::Virtio)
    );
}

/// Every row that says that this module honours it changes what it makes.
#[test]
fn each_row_changes_the_hardware() {
    let usual = hardware(8, &[], &[]).unwrap();
    let examples = [
        ("hw:serial_port_count", "2"),
        ("hw:usb_model", "none"),
        ("hw:watchdog_action", "reset"),
        ("hw_cdrom_bus", "sata"),
        ("hw_input_bus", "virtio"),
        ("hw_pointer_model", "usbtablet"),
        ("hw_rng:allowed", "false"),
        ("hw_serial_port_count", "2"),
        ("hw_usb_model", "none"),
        ("hw_watchdog_action", "pause"),
        ("os_type", "windows"),
    ];
    let example = |name: &str| {
        let found = examples.iter().find(|(other, _)| *other == name);
        found.map_or("1", |(_, value)| value)
    };
    let ours = |row: &&accepted::Row| match row.fate {
        accepted::Fate::Honoured(by) | accepted::Fate::Partly { by, .. } => {
            by.iter().any(|file| file.contains("guest_hardware"))
        }
        _ => false,
    };
    let mut seen = 0;
    for row in crate::extra_specs::SPECS.iter().filter(ours) {
        let name = row.name;
        let specs = [(name, example(name)), ("hw_rng:rate_bytes", "7")];
        let properties: &[(&str, &str)] = match name {
            "hw_video:ram_max_mb" => &[("hw_video_ram", "1")],
            _ => &[],
        };
        let usual = match name {
            "hw_rng:rate_period" | "hw_rng:allowed" => hardware(8, &specs[1..], &[]).unwrap(),
            _ => usual.clone(),
        };
        let count = match name.starts_with("hw_rng") {
            true => 2,
            false => 1,
        };
        let made = hardware(8, &specs[..count], properties);
        assert_ne!(made, Ok(usual), "{name}");
        seen += 1;
    }
    for row in image_properties::PROPERTIES.iter().filter(ours) {
        // The only model is the usual device, and memory of a screen needs the flavor's leave.
        if row.name == "hw_rng_model" {
            continue;
        }
        let specs: &[(&str, &str)] = match row.name {
            "hw_video_ram" => &[("hw_video:ram_max_mb", "1")],
            _ => &[],
        };
        let made = hardware(8, specs, &[(row.name, example(row.name))]);
        assert_ne!(made, Ok(usual.clone()), "{}", row.name);
        seen += 1;
    }
    assert!(seen > 35, "{seen}");
}
