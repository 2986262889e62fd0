//! Another volume takes the place of one that a guest writes to.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use hypervisor::{DeviceCommand, Driver, DriverError, Replacing, ServerSpec, Volume};
use hypervisor_qemu::QemuDriver;

use crate::cloud::{BOOT, Cloud, READY, demo_server, log, qemu_is_here, says};

/// Writes number after number, a sector each, to the disk with a serial number, and says a number when it is there.
const WRITE: &str = r#"#!/bin/sh
(
  disk=
  while [ -z "$disk" ]; do
    for one in /sys/block/vd[b-z]; do
      serial=$(cat $one/serial 2>/dev/null)
      [ -z "$serial" ] || disk=/dev/${one##*/}
    done
    usleep 100000
  done
  n=0
  while :; do
    n=$((n+1))
    printf '%08d' $n | dd of=$disk bs=512 seek=$n 2>/dev/null && sync && echo "wrote:$n." > /dev/ttyS0
    usleep 20000
  done
) < /dev/null > /dev/null 2>&1 &
"#;

fn path(volume: &Volume) -> &Path {
    volume.source.file().expect("a file")
}

pub fn is_open(pid: u32, volume: &Volume) -> bool {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.into_iter().any(|link| link == path(volume))
}

/// Whether a volume holds a number.
pub fn holds(volume: &Volume, number: u64) -> bool {
    is_in(path(volume), number)
}

/// Whether a file does.
pub fn is_in(file: &Path, number: u64) -> bool {
    let mut bytes = [0; 8];
    let file = std::fs::File::open(file).unwrap();
    file.read_exact_at(&mut bytes, number * 512).unwrap();
    bytes == *format!("{number:08}").as_bytes()
}

/// The last number that the guest said.
pub async fn last(driver: &dyn Driver, id: &str) -> u64 {
    let text = log(driver, id).await;
    let said = text.rsplit("wrote:").find_map(|rest| {
        let (number, _) = rest.split_once('.')?;
        number.parse().ok()
    });
    said.unwrap_or_default()
}

/// Waits until the guest wrote more.
pub async fn writes_on(driver: &dyn Driver, id: &str) -> u64 {
    let (began, before) = (Instant::now(), last(driver, id).await);
    loop {
        let now = last(driver, id).await;
        if now > before + 5 {
            return now;
        }
        assert!(began.elapsed() < BOOT, "{}", log(driver, id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn pid(driver: &dyn Driver, id: &str) -> u32 {
    driver.inspect(id).await.unwrap().unwrap().pid.unwrap()
}

/// The volume with another one's file.
pub fn moved(volume: &Volume, to: &Volume) -> Volume {
    Volume {
        source: to.source.clone(),
        ..volume.clone()
    }
}

pub async fn copied(driver: &dyn Driver, id: &str, new: &Volume) {
    let able = driver.replace_volume().unwrap();
    let began = Instant::now();
    loop {
        let stands = able.copy_volume(id, DeviceCommand::first(1), new).await;
        match stands.unwrap() {
            Replacing::Ready => return,
            Replacing::Copying { .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < BOOT, "the copy does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn switched(driver: &dyn Driver, id: &str, new: &Volume) {
    let able = driver.replace_volume().unwrap();
    let done = able.switch_volume(id, DeviceCommand::first(1), new).await;
    assert_eq!(done.unwrap(), Replacing::Switched);
}

/// A guest that writes to its volume, after it wrote some.
pub async fn writing(cloud: &Cloud, volume: &Volume) -> (QemuDriver, ServerSpec) {
    let driver = cloud.driver().await;
    let mut spec = demo_server("writer", WRITE);
    spec.volumes = vec![volume.clone()];
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, &spec.id, READY, 1).await;
    says(&driver, &spec.id, "wrote:10.", 1).await;
    (driver, spec)
}

/// The same with volumes of so many GiB, and a limit in bytes a second; 0 is none. The volume, and the same with another
/// one's file. None where this machine has no QEMU.
pub async fn stage(size_gb: u64, limit: u64) -> Option<(Cloud, QemuDriver, String, [Volume; 2])> {
    if !qemu_is_here() {
        return None;
    }
    let cloud = Cloud::new();
    let [mut volume, other] = [cloud.volume(size_gb), cloud.volume(size_gb)];
    volume.limits.rates.bytes.total = limit;
    let (driver, spec) = writing(&cloud, &volume).await;
    let new = moved(&volume, &other);
    Some((cloud, driver, spec.id, [volume, new]))
}

/// What the guest writes from now on is on one volume, not on the other; the last number.
pub async fn writes_to(driver: &dyn Driver, id: &str, one: &Volume, other: &Volume) -> u64 {
    let after = writes_on(driver, id).await;
    assert!(holds(one, after) && !holds(other, after));
    after
}

/// The same, and it is on that volume since the guest began.
pub async fn has_all(driver: &dyn Driver, id: &str, one: &Volume, other: &Volume) {
    let after = writes_to(driver, id, one, other).await;
    for number in 1..=after {
        assert!(holds(one, number), "{number} of {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_wrote_and_writes_is_on_the_new_volume_and_the_old_one_is_closed() {
    let Some((cloud, driver, id, [volume, new])) = stage(1, 100 << 20).await else {
        return;
    };
    let id = id.as_str();
    copied(&driver, id, &new).await;
    let during = writes_on(&driver, id).await;
    assert!(holds(&new, 1) && holds(&new, during) && holds(&volume, during));
    // The agent dies and comes back.
    drop(driver);
    let driver = cloud.driver().await;
    assert!(is_open(pid(&driver, id).await, &volume));
    switched(&driver, id, &new).await;
    assert!(!is_open(pid(&driver, id).await, &volume));
    has_all(&driver, id, &new, &volume).await;
    let kept = driver.spec(id).await.unwrap().unwrap().volumes;
    assert_eq!(kept, std::slice::from_ref(&new));

    // A second one, which is larger and has no limits: the guest sees the size that it knows until it starts again.
    let mut last = moved(&new, &cloud.volume(2));
    last.limits = Default::default();
    copied(&driver, id, &last).await;
    switched(&driver, id, &last).await;
    assert!(!is_open(pid(&driver, id).await, &new));
    writes_to(&driver, id, &last, &new).await;
    assert!(holds(&last, 1));
    // It is a volume as any other.
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug
        .detach_volume(id, DeviceCommand::first(1), &last.id)
        .await
        .unwrap();
    assert!(!is_open(pid(&driver, id).await, &last));
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_given_up_or_cannot_be_leaves_the_old_volume() {
    let Some((cloud, driver, id, [volume, new])) = stage(2, 0).await else {
        return;
    };
    let id = id.as_str();
    let able = driver.replace_volume().unwrap();
    let first = DeviceCommand::first(1);
    copied(&driver, id, &new).await;
    assert!(is_open(pid(&driver, id).await, &new));
    let kept = able.keep_volume(id, first, &new).await;
    assert_eq!(kept.unwrap(), Replacing::Idle);
    assert!(!is_open(pid(&driver, id).await, &new));
    writes_to(&driver, id, &volume, &new).await;

    let smaller = moved(&volume, &cloud.volume(1));
    let small = able.copy_volume(id, first, &smaller).await;
    assert!(
        matches!(small, Err(DriverError::BadSpec { .. })),
        "{small:?}"
    );
    assert!(!is_open(pid(&driver, id).await, &smaller));
    let missing = moved(&volume, &cloud.volume(2));
    std::fs::remove_file(path(&missing)).unwrap();
    let none = able.copy_volume(id, first, &missing).await;
    assert!(matches!(none, Err(DriverError::BadSpec { .. })), "{none:?}");
    let mut read_only = new.clone();
    read_only.read_only = true;
    let refused = able.copy_volume(id, first, &read_only).await;
    assert!(
        matches!(refused, Err(DriverError::Unsupported { .. })),
        "{refused:?}"
    );

    // A guest that sleeps takes no copy along.
    copied(&driver, id, &new).await;
    let suspend = driver.suspend().unwrap();
    suspend.suspend(id, 1).await.unwrap();
    let asleep = able.look_at_copy(id, first, &new).await;
    assert_eq!(asleep.unwrap(), Replacing::Idle);
    suspend.resume(id, 1).await.unwrap();
    writes_to(&driver, id, &volume, &new).await;
    copied(&driver, id, &new).await;
    switched(&driver, id, &new).await;
    writes_to(&driver, id, &new, &volume).await;
    cloud.ends(&driver, id, 1).await;
}

/// A copy that nobody ended, and whose file was removed and made anew: a finished copy of before is none of the new file.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_left_is_not_taken_for_one_of_the_file_that_was_made_anew() {
    let Some((cloud, driver, id, [volume, new])) = stage(1, 0).await else {
        return;
    };
    let id = id.as_str();
    let able = driver.replace_volume().unwrap();
    let first = DeviceCommand::first(1);
    copied(&driver, id, &new).await;
    let early = writes_on(&driver, id).await;
    assert!(holds(&new, early));
    std::fs::remove_file(path(&new)).unwrap();
    let gone = able.look_at_copy(id, first, &new).await;
    assert_eq!(gone.unwrap(), Replacing::Idle);
    let anew = cloud.volume(1);
    std::fs::rename(path(&anew), path(&new)).unwrap();
    for _ in 0..2 {
        let stands = able.switch_volume(id, first, &new).await;
        assert_eq!(stands.unwrap(), Replacing::Idle);
    }
    assert!(!holds(&new, 1) && !holds(&new, early));
    let begun = able.copy_volume(id, first, &new).await.unwrap();
    assert!(matches!(begun, Replacing::Copying { .. }), "{begun:?}");
    copied(&driver, id, &new).await;
    switched(&driver, id, &new).await;
    has_all(&driver, id, &new, &volume).await;
    cloud.ends(&driver, id, 1).await;
}
