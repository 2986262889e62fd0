//! Volumes of guests that only reach their firmware: which files they may be, who may have them, and what is left.

use std::time::{Duration, Instant};

use hypervisor::{
    DeviceCommand, DiskBus, Driver, DriverError, Keep, ServerSpec, StopHow, Volume, VolumeSource,
};
use hypervisor_qemu::{QemuDriver, QemuSettings};

use crate::cloud::{Cloud, qemu_is_here, small};

/// Ids of the volumes that the driver keeps of a server.
async fn kept(driver: &dyn Driver, id: &str) -> Vec<String> {
    let spec = driver.spec(id).await.unwrap().unwrap();
    spec.volumes.into_iter().map(|volume| volume.id).collect()
}

fn path(volume: &Volume) -> &std::path::Path {
    volume.source.file().expect("a file")
}

/// How often a process has a file open.
fn opened(pid: u32, volume: &Volume) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten();
    let links = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.filter(|link| link == path(volume)).count()
}

async fn pid(driver: &dyn Driver, id: &str) -> u32 {
    driver.inspect(id).await.unwrap().unwrap().pid.unwrap()
}

fn on(machine: &str) -> ServerSpec {
    let mut spec = small("volumes");
    spec.machine_type = Some(machine.parse().unwrap());
    spec
}

fn refused_volume(result: hypervisor::Result<()>, volume: &Volume, words: &str) {
    match result {
        Err(DriverError::BadSpec { why }) => {
            assert!(why.contains(&volume.id) && why.contains(words), "{why}");
        }
        other => panic!("{words}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_plain_file_of_the_folders_of_volumes_is_given_to_a_guest() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("odd");
    driver.ensure_running(&spec).await.unwrap();
    let hotplug = driver.hotplug_volume().unwrap();
    let good = cloud.volume(1);
    let secret = cloud.dir.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let at = |name: &str| cloud.volumes().join(name);
    std::fs::create_dir(at("deep")).unwrap();
    std::os::unix::fs::symlink(&secret, at("link")).unwrap();
    std::os::unix::fs::symlink(cloud.dir.path(), at("folder")).unwrap();
    std::os::unix::fs::symlink(path(&good), at("inside")).unwrap();
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut odd = good.clone();
    for (place, words) in [
        (secret.clone(), "in no folder of volumes"),
        (at("link"), "in no folder of volumes"),
        (at("folder/secret"), "in no folder of volumes"),
        (at("../secret"), "in no folder of volumes"),
        (at(""), "in no folder of volumes"),
        (at("deep"), "no plain file"),
        (at("pipe"), "no plain file"),
        (at("none"), "No such file"),
    ] {
        odd.source = VolumeSource::File { path: place };
        refused_volume(
            hotplug
                .attach_volume(&spec.id, DeviceCommand::first(1), &odd)
                .await,
            &odd,
            words,
        );
        let mut new = small("new");
        new.volumes.push(odd.clone());
        let started = driver.ensure_running(&new).await.map(drop);
        refused_volume(started, &odd, words);
        assert!(driver.inspect(&new.id).await.unwrap().is_none());
    }
    assert!(kept(&driver, &spec.id).await.is_empty());
    // A link within the folders leads to a volume like any other.
    odd.source = VolumeSource::File { path: at("inside") };
    hotplug
        .attach_volume(&spec.id, DeviceCommand::first(1), &odd)
        .await
        .unwrap();
    assert!(opened(pid(&driver, &spec.id).await, &good) > 0);
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guests_do_not_write_one_volume() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let hotplug = driver.hotplug_volume().unwrap();
    let mut volume = cloud.volume(1);
    let (mut one, mut two, three) = (small("one"), small("two"), small("three"));
    one.volumes.push(volume.clone());
    two.volumes.push(volume.clone());
    driver.ensure_running(&one).await.unwrap();
    driver.ensure_running(&three).await.unwrap();
    let busy = |result: hypervisor::Result<()>| match result {
        Err(DriverError::Busy { what, .. }) => {
            assert!(
                what.contains(&volume.id) && what.contains("in use"),
                "{what}"
            );
        }
        other => panic!("{other:?}"),
    };
    busy(driver.ensure_running(&two).await.map(drop));
    assert!(driver.inspect(&two.id).await.unwrap().is_none());
    busy(
        hotplug
            .attach_volume(&three.id, DeviceCommand::first(1), &volume)
            .await,
    );
    assert!(kept(&driver, &three.id).await.is_empty());
    assert_eq!(opened(pid(&driver, &three.id).await, &volume), 0);
    driver.ensure_gone(&one.id, 1, Keep::Nothing).await.unwrap();
    // Two that only read share it, and a third does not write.
    volume.read_only = true;
    two.volumes = vec![volume.clone()];
    driver.ensure_running(&two).await.unwrap();
    hotplug
        .attach_volume(&three.id, DeviceCommand::first(1), &volume)
        .await
        .unwrap();
    volume.read_only = false;
    one.volumes = vec![volume.clone()];
    one.epoch = 2;
    let third = driver.ensure_running(&one).await;
    assert!(matches!(third, Err(DriverError::Busy { .. })), "{third:?}");
    for spec in [&two, &three] {
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    cloud.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_let_go_keeps_the_volume_and_its_description() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let settings = QemuSettings {
        unplug_timeout_s: 1,
        ..cloud.settings()
    };
    let driver = QemuDriver::open(settings).await.unwrap();
    let hotplug = driver.hotplug_volume().unwrap();
    let mut spec = on("pc");
    spec.volumes.push(cloud.volume(1));
    let volume = &spec.volumes[0];
    driver.ensure_running(&spec).await.unwrap();
    let began = Instant::now();
    let stuck = hotplug
        .detach_volume(&spec.id, DeviceCommand::first(1), &volume.id)
        .await;
    assert!(
        matches!(&stuck, Err(DriverError::Hypervisor { why, .. }) if why.contains("let go")),
        "{stuck:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(kept(&driver, &spec.id).await, [&*volume.id]);
    assert!(opened(pid(&driver, &spec.id).await, volume) > 0);
    // The second request says the same.
    let stuck = hotplug
        .detach_volume(&spec.id, DeviceCommand::first(1), &volume.id)
        .await;
    assert!(
        matches!(stuck, Err(DriverError::Hypervisor { .. })),
        "{stuck:?}"
    );
    driver
        .ensure_stopped(&spec.id, 1, StopHow::Hard)
        .await
        .unwrap();
    hotplug
        .detach_volume(&spec.id, DeviceCommand::first(1), &volume.id)
        .await
        .unwrap();
    assert!(kept(&driver, &spec.id).await.is_empty());
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_plugged_in_at_once_on_any_machine() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let hotplug = driver.hotplug_volume().unwrap();
    for machine in ["pc", "q35"] {
        for bus in [DiskBus::Virtio, DiskBus::Scsi] {
            let mut spec = on(machine);
            spec.disk_bus = Some(bus);
            driver.ensure_running(&spec).await.unwrap();
            for _ in 0..5 {
                let volume = cloud.volume(1);
                let began = Instant::now();
                hotplug
                    .attach_volume(&spec.id, DeviceCommand::first(1), &volume)
                    .await
                    .unwrap();
                println!("attach {bus} on {machine}: {:?}", began.elapsed());
                assert!(opened(pid(&driver, &spec.id).await, &volume) > 0);
            }
            assert_eq!(kept(&driver, &spec.id).await.len(), 5);
            driver
                .ensure_gone(&spec.id, 1, Keep::Nothing)
                .await
                .unwrap();
        }
    }
    cloud.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_takes_no_volume_now_is_named() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let hotplug = driver.hotplug_volume().unwrap();
    for (machine, bus) in [
        ("pc", DiskBus::Ide),
        ("pc", DiskBus::Sata),
        ("pc", DiskBus::Scsi),
        ("q35", DiskBus::Ide),
        ("pc", DiskBus::Usb),
    ] {
        let spec = on(machine);
        driver.ensure_running(&spec).await.unwrap();
        let mut volume = cloud.volume(1);
        volume.bus = Some(bus);
        let refused = hotplug
            .attach_volume(&spec.id, DeviceCommand::first(1), &volume)
            .await;
        assert!(
            matches!(refused, Err(DriverError::Unsupported { .. })),
            "{bus} of {machine}: {refused:?}"
        );
        assert!(kept(&driver, &spec.id).await.is_empty());
        assert_eq!(opened(pid(&driver, &spec.id).await, &volume), 0);
        if bus != DiskBus::Usb {
            driver
                .ensure_stopped(&spec.id, 1, StopHow::Hard)
                .await
                .unwrap();
            hotplug
                .attach_volume(&spec.id, DeviceCommand::first(1), &volume)
                .await
                .unwrap();
            let mut with = driver.spec(&spec.id).await.unwrap().unwrap();
            with.epoch = 1;
            driver.ensure_running(&with).await.unwrap();
            assert!(opened(pid(&driver, &spec.id).await, &volume) > 0, "{bus}");
        }
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    // Eight root ports, and no more.
    let spec = on("q35");
    driver.ensure_running(&spec).await.unwrap();
    for number in 0..9 {
        let volume = cloud.volume(1);
        let plugged = hotplug
            .attach_volume(&spec.id, DeviceCommand::first(1), &volume)
            .await;
        match number {
            8 => assert!(
                matches!(&plugged, Err(DriverError::Unsupported { what }) if what.contains("free place")),
                "{plugged:?}"
            ),
            _ => plugged.unwrap(),
        }
        assert_eq!(
            opened(pid(&driver, &spec.id).await, &volume) == 0,
            number == 8
        );
    }
    cloud.ends(&driver, &spec.id, 1).await;
}

/// A confined QEMU may write files up to a limit, which follows the volumes.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_may_write_its_largest_volume_to_the_end() {
    if !qemu_is_here() {
        return;
    }
    let limit = |pid: u32| {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max file size"));
        let words: Vec<_> = line
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        words[3].parse::<u64>().unwrap()
    };
    let cloud = Cloud::new();
    let driver = cloud.driver().await;
    let hotplug = driver.hotplug_volume().unwrap();
    let mut spec = small("large");
    spec.volumes.push(cloud.volume(100));
    driver.ensure_running(&spec).await.unwrap();
    let own = pid(&driver, &spec.id).await;
    assert!(limit(own) >= 100 << 30);
    let volume = cloud.volume(200);
    hotplug
        .attach_volume(&spec.id, DeviceCommand::first(1), &volume)
        .await
        .unwrap();
    assert!(limit(own) >= 200 << 30);
    let file = std::fs::File::options()
        .write(true)
        .open(path(&volume))
        .unwrap();
    file.set_len(300 << 30).unwrap();
    hotplug.resize_volume(&spec.id, &volume.id).await.unwrap();
    assert!(limit(own) >= 300 << 30);
    cloud.ends(&driver, &spec.id, 1).await;
}
