//! A volume that another machine serves, in a guest that has booted: what it reads and writes, also while the daemon between
//! them dies, and the size that it sees.

use std::os::unix::fs::FileExt;

use hypervisor::{DeviceCommand, Driver};

use crate::cloud::{Cloud, READY, demo_server, log, qemu_is_here, says, signal};
use crate::served::{Server, daemon_pid, servers_are_here};

/// Says what the disk with a serial number holds at first; then writes to it again and again, and says how often and how
/// large it is.
const BEAT: &str = r#"#!/bin/sh
(
  disk=
  while [ -z "$disk" ]; do
    for one in /sys/block/vd[b-z]; do
      serial=$(cat $one/serial 2>/dev/null)
      [ -z "$serial" ] || disk=${one##*/}
    done
    usleep 100000
  done
  echo "found: $(dd if=/dev/$disk bs=5 count=1 2>/dev/null)." > /dev/ttyS0
  number=0
  while [ -e /dev/$disk ]; do
    number=$((number + 1))
    printf "beat %d." $number | dd of=/dev/$disk bs=4096 seek=1 conv=fsync,notrunc 2>/dev/null &&
      echo "beat $number. size $(cat /sys/block/$disk/size)." > /dev/ttyS0
    usleep 100000
  done
  echo "gone." > /dev/ttyS0
) < /dev/null > /dev/null 2>&1 &
"#;

/// How often the guest has written.
async fn beats(driver: &dyn Driver, id: &str) -> u32 {
    let text = log(driver, id).await;
    let last = text
        .rsplit("beat ")
        .find_map(|rest| rest.split_once('.')?.0.parse().ok());
    last.unwrap_or_default()
}

async fn goes_on(driver: &dyn Driver, id: &str) {
    let now = beats(driver, id).await;
    says(driver, id, &format!("beat {}.", now + 5), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_works_on_a_served_volume_while_its_daemon_dies_and_sees_it_grow() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let mut server = Server::new(&cloud, 1);
    let file = std::fs::File::options()
        .write(true)
        .read(true)
        .open(&server.file);
    let file = file.unwrap();
    file.write_all_at(b"hello", 0).unwrap();
    let mut volume = server.volume();
    volume.limits.rates.bytes.total = 100 << 20;
    let driver = cloud.driver().await;
    let hotplug = driver.hotplug_volume().unwrap();
    let spec = demo_server("served", BEAT);
    let id = spec.id.as_str();
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, id, READY, 1).await;
    let command = DeviceCommand::first(1);
    hotplug.attach_volume(id, command, &volume).await.unwrap();
    says(&driver, id, "found: hello.", 1).await;
    goes_on(&driver, id).await;

    let first = daemon_pid(&cloud, id, &volume).await;
    signal("-KILL", first);
    goes_on(&driver, id).await;
    assert_ne!(daemon_pid(&cloud, id, &volume).await, first);

    server.grow(2);
    hotplug.resize_volume(id, &volume.id).await.unwrap();
    says(&driver, id, &format!("size {}.", 2_u64 << 21), 1).await;
    goes_on(&driver, id).await;

    hotplug
        .detach_volume(id, command, &volume.id)
        .await
        .unwrap();
    says(&driver, id, "gone.", 1).await;
    let said = beats(&driver, id).await;
    let mut held = [0; 32];
    file.read_exact_at(&mut held, 4096).unwrap();
    let held = String::from_utf8_lossy(&held).into_owned();
    // One more write may have been done that was not said any more.
    let last = [said, said + 1].map(|number| format!("beat {number}."));
    assert!(
        last.iter().any(|last| held.starts_with(last)),
        "{held:?} {said}"
    );
    cloud.ends(&driver, id, 1).await;
}
