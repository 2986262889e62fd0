//! Volumes of a guest that has booted: what it sees, writes, lets go of, and finds again.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use hypervisor::{DeviceCommand, Driver, DriverError, Keep, Nic, ServerSpec, StopHow, Volume};
use hypervisor_qemu::{QemuDriver, QemuSettings};

use crate::cloud::{BOOT, Cloud, READY, demo_image, demo_server, log, qemu_is_here, says};

/// Marks every disk with a serial number but the first, and says which there are whenever that changes: number, sectors, mark.
const LOOK: &str = r#"#!/bin/sh
(
  seen=
  while :; do
    now=
    for disk in /sys/block/vd[b-z]; do
      serial=$(cat $disk/serial 2>/dev/null)
      [ -n "$serial" ] || continue
      mark=$(dd if=/dev/${disk##*/} bs=6 count=1 2>/dev/null | tr -d '\0')
      [ "$mark" = marked ] || { printf marked > /dev/${disk##*/}; sync; }
      now="$now [$serial $(cat $disk/size) $mark]"
    done
    [ "$now" = "$seen" ] || echo "disks:${now:- none}." > /dev/ttyS0
    seen=$now
    usleep 200000
  done
) < /dev/null > /dev/null 2>&1 &
"#;

/// What the guest says of a volume of so many GiB.
fn said(volume: &Volume, size_gb: u64, mark: &str) -> String {
    let serial = &volume.id[..20];
    format!("[{serial} {} {mark}]", size_gb << 21)
}

fn path(volume: &Volume) -> &Path {
    volume.source.file().expect("a file")
}

fn is_open(pid: u32, volume: &Volume) -> bool {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.into_iter().any(|link| link == path(volume))
}

fn mark(volume: &Volume) -> [u8; 6] {
    let mut mark = [0; 6];
    let file = std::fs::File::open(path(volume)).unwrap();
    file.read_exact_at(&mut mark, 0).unwrap();
    mark
}

async fn pid(driver: &dyn Driver, id: &str) -> u32 {
    driver.inspect(id).await.unwrap().unwrap().pid.unwrap()
}

async fn attach(driver: &dyn Driver, id: &str, volume: &Volume) {
    let began = Instant::now();
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug
        .attach_volume(id, DeviceCommand::first(1), volume)
        .await
        .unwrap();
    println!("attach: {} ms", began.elapsed().as_millis());
    says(driver, id, &said(volume, 1, "marked"), 1).await;
}

/// Takes a volume from a running guest: what it wrote is there, and nobody has it open.
async fn detach(driver: &dyn Driver, id: &str, volume: &Volume) {
    let began = Instant::now();
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug
        .detach_volume(id, DeviceCommand::first(1), &volume.id)
        .await
        .unwrap();
    println!("detach: {} ms", began.elapsed().as_millis());
    assert!(!is_open(pid(driver, id).await, volume));
    assert_eq!(&mark(volume), b"marked");
}

fn nic(number: u8) -> Nic {
    Nic {
        port_id: format!("4c5ba8ad-6f5e-4f2d-9b2b-0000000000{number:02x}"),
        mac: format!("fa:16:3e:00:00:{number:02x}"),
        tap: None,
        mtu: 1442,
        model: None,
    }
}

async fn volumes_and_cards_come_and_go(machine: &str) {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut spec = demo_server("volumes", LOOK);
    spec.machine_type = Some(machine.parse().unwrap());
    spec.nics = vec![nic(1)];
    let id = spec.id.clone();
    let id = id.as_str();
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, id, READY, 1).await;

    let [mut first, second, third] = [cloud.volume(1), cloud.volume(1), cloud.volume(1)];
    first.shared = true;
    first.limits.rates.bytes.total = 100 << 20;
    attach(&driver, id, &first).await;
    // The agent dies and comes back.
    drop(driver);
    let driver = cloud.driver().await;
    detach(&driver, id, &first).await;
    says(&driver, id, "disks: none.", 1).await;

    // One card goes and leaves a gap between the devices, which the third volume takes.
    let cards = driver.hotplug_nic().unwrap();
    cards
        .attach_nic(id, DeviceCommand::first(1), &nic(2))
        .await
        .unwrap();
    attach(&driver, id, &second).await;
    cards
        .attach_nic(id, DeviceCommand::first(1), &nic(3))
        .await
        .unwrap();
    cards
        .detach_nic(id, DeviceCommand::first(1), &nic(2).port_id)
        .await
        .unwrap();
    attach(&driver, id, &third).await;
    let suspend = driver.suspend().unwrap();
    for _ in 0..2 {
        suspend.suspend(id, 1).await.unwrap();
        let hotplug = driver.hotplug_volume().unwrap();
        for refused in [
            hotplug
                .attach_volume(id, DeviceCommand::first(1), &first)
                .await,
            hotplug
                .detach_volume(id, DeviceCommand::first(1), &second.id)
                .await,
            cards
                .detach_nic(id, DeviceCommand::first(1), &nic(3).port_id)
                .await,
        ] {
            assert!(
                matches!(refused, Err(DriverError::Busy { .. })),
                "{refused:?}"
            );
        }
        suspend.resume(id, 1).await.unwrap();
    }
    std::fs::File::options()
        .write(true)
        .open(path(&second))
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug.resize_volume(id, &second.id).await.unwrap();
    says(&driver, id, &said(&second, 2, "marked"), 1).await;
    detach(&driver, id, &third).await;
    cards
        .detach_nic(id, DeviceCommand::first(1), &nic(3).port_id)
        .await
        .unwrap();
    // Two are gone now: it sleeps with gaps.
    suspend.suspend(id, 1).await.unwrap();
    suspend.resume(id, 1).await.unwrap();
    attach(&driver, id, &first).await;

    // Started afresh, the guest has them again, and can lose them.
    driver.ensure_stopped(id, 1, StopHow::Hard).await.unwrap();
    let mut spec = driver.spec(id).await.unwrap().unwrap();
    spec.epoch = 1;
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, id, READY, 2).await;
    detach(&driver, id, &second).await;
    let left = driver.spec(id).await.unwrap().unwrap().volumes;
    assert_eq!(left, [first]);
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_and_cards_of_a_pc_come_and_go_and_stay_where_they_are_over_a_suspend() {
    volumes_and_cards_come_and_go("pc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_and_cards_of_q35_come_and_go_and_stay_where_they_are_over_a_suspend() {
    volumes_and_cards_come_and_go("q35").await;
}

/// The driver stops waiting, and the guest lets go after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_let_go_of_late_is_closed_by_the_next_call() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let settings = QemuSettings {
        unplug_timeout_s: 0,
        ..cloud.settings()
    };
    let driver = QemuDriver::open(settings).await.unwrap();
    let hotplug = driver.hotplug_volume().unwrap();
    let spec = demo_server("late", LOOK);
    let id = spec.id.as_str();
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, id, READY, 1).await;
    let volume = cloud.volume(1);
    for round in 1..=2 {
        // The guest forgets the disk a moment before it lets go of the device: until then it is plugged, and attaching
        // does nothing.
        let (marked, began) = (said(&volume, 1, "marked"), Instant::now());
        while log(&driver, id).await.matches(&marked).count() < round {
            hotplug
                .attach_volume(id, DeviceCommand::first(1), &volume)
                .await
                .unwrap();
            assert!(began.elapsed() < BOOT, "{}", log(&driver, id).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let late = hotplug
            .detach_volume(id, DeviceCommand::first(1), &volume.id)
            .await;
        assert!(
            matches!(late, Err(DriverError::Hypervisor { .. })),
            "{late:?}"
        );
        let kept: ServerSpec = driver.spec(id).await.unwrap().unwrap();
        assert_eq!(kept.volumes.len(), 1);
        says(&driver, id, "disks: none.", round).await;
        assert!(is_open(pid(&driver, id).await, &volume));
    }
    while let Err(late) = hotplug
        .detach_volume(id, DeviceCommand::first(1), &volume.id)
        .await
    {
        assert!(matches!(late, DriverError::Hypervisor { .. }), "{late:?}");
    }
    assert!(!is_open(pid(&driver, id).await, &volume));
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_boots_from_a_volume() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    for machine in ["pc", "q35"] {
        let (mut root, data) = (cloud.volume(1), cloud.volume(1));
        root.boot = true;
        let copied = std::process::Command::new("qemu-img")
            .args(["convert", "-n", "-O", "raw"])
            .args([&demo_image().path, path(&root)])
            .status();
        assert!(copied.unwrap().success());
        let mut spec = demo_server("volume", LOOK);
        spec.machine_type = Some(machine.parse().unwrap());
        spec.root_disk = None;
        spec.volumes = vec![root, data];
        driver.ensure_running(&spec).await.unwrap();
        says(&driver, &spec.id, READY, 1).await;
        let text = log(&driver, &spec.id).await;
        assert!(text.contains("grew /dev/vda2"), "{text}");
        let target = cloud.dir.path().join("copy");
        let snapshot = driver.snapshot().unwrap();
        let none = snapshot
            .export(&spec.id, 1, &target, hypervisor::Quiesce::No)
            .await;
        assert!(
            matches!(&none, Err(DriverError::Unsupported { what }) if what.contains("local disk")),
            "{none:?}"
        );
        let data = &spec.volumes[1];
        says(&driver, &spec.id, &said(data, 1, "marked"), 1).await;
        detach(&driver, &spec.id, data).await;
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    cloud.assert_empty();
}
