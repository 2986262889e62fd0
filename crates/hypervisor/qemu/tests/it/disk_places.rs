//! Disks on buses of their own, in a guest that has booted: it finds each where it was told.

use hypervisor::{
    DiskBus, DiskDevice, DiskPlace, Driver, Ephemeral, PowerState, ServerSpec, Volume,
};

use crate::cloud::{Cloud, READY, demo_server, log, says};

/// Says where in the machine each disk of the guest is.
const SHOW: &str = r#"#!/bin/sh
for disk in /sys/block/[vs]d*; do
  echo "disk: $(readlink -f $disk)" > /dev/ttyS0
done
echo "disks: all" > /dev/ttyS0
"#;

fn tagged(bus: Option<DiskBus>) -> DiskDevice {
    DiskDevice {
        bus,
        tag: Some("mine".to_owned()),
        ..DiskDevice::default()
    }
}

fn blank(device: DiskDevice) -> Ephemeral {
    Ephemeral {
        size_gb: 1,
        device,
        ..Ephemeral::default()
    }
}

fn address<'a>(places: &'a [DiskPlace], disk: &str) -> &'a str {
    let place = places.iter().find(|place| place.disk == disk).unwrap();
    place.address.as_deref().unwrap()
}

/// Whether the guest has a disk, whose name begins so, below a device with this address.
fn is_there(text: &str, address: &str, name: &str) -> bool {
    let name = format!("/block/{name}");
    let mut lines = text.lines().filter(|line| line.contains("disk: "));
    lines.any(|line| line.contains(address) && line.contains(&name))
}

async fn a_guest_finds_its_disks(machine: &str) {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut spec: ServerSpec = demo_server("places", SHOW);
    spec.machine_type = Some(machine.parse().unwrap());
    spec.root_device = tagged(None);
    spec.ephemeral = vec![
        blank(DiskDevice {
            bus: Some(DiskBus::Scsi),
            ..DiskDevice::default()
        }),
        blank(tagged(Some(DiskBus::Scsi))),
        // The guest has no driver for it; the machine has.
        blank(tagged(Some(DiskBus::Usb))),
        blank(DiskDevice {
            bus: Some(DiskBus::Sata),
            cdrom: true,
            ..DiskDevice::default()
        }),
    ];
    spec.swap_mb = 1;
    spec.swap_device = DiskDevice {
        boot_order: Some(1),
        ..tagged(Some(DiskBus::Ide))
    };
    let volume = Volume {
        tag: Some("data".to_owned()),
        ..cloud.volume(1)
    };
    spec.volumes = vec![volume.clone()];
    let able = driver.disk_places().unwrap();
    let places = able.disk_places(&spec).await.unwrap();
    let disks: Vec<&str> = places.iter().map(|place| place.disk.as_str()).collect();
    assert_eq!(
        disks,
        [
            "root",
            "ephemeral1",
            "ephemeral2",
            "swap",
            volume.id.as_str()
        ]
    );
    driver.ensure_running(&spec).await.unwrap();
    let id = spec.id.as_str();
    says(&driver, id, READY, 1).await;
    says(&driver, id, "disks: all", 1).await;
    let text = log(&driver, id).await;
    let root = address(&places, "root");
    assert!(
        is_there(&text, &format!("/{root}/virtio"), "vda"),
        "{root}: {text}"
    );
    let data = address(&places, &volume.id);
    assert!(
        is_there(&text, &format!("/{data}/virtio"), "vd"),
        "{data}: {text}"
    );
    // The first number is the guest's own.
    let scsi = address(&places, "ephemeral1");
    assert_eq!(scsi, "0:0:1:0");
    assert!(text.contains(&format!("{}/block/sd", &scsi[1..])), "{text}");
    // They are there again when the guest wakes.
    let suspend = driver.suspend().unwrap();
    suspend.suspend(id, 1).await.unwrap();
    let woken = suspend.resume(id, 1).await.unwrap();
    assert_eq!(woken.power_state, PowerState::Running);
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_one_bus_finds_its_disks_where_it_was_told() {
    a_guest_finds_its_disks("pc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_pci_express_finds_its_disks_where_it_was_told() {
    a_guest_finds_its_disks("q35").await;
}
