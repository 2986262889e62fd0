//! Volumes that another machine serves, and files, in each other's place, under a guest that writes.

use std::path::PathBuf;

use hypervisor::{DeviceCommand, Driver, DriverError, Replacing, Secret, VolumeSource};

use crate::cloud::{Cloud, qemu_is_here, signal};
use crate::replace_live::{
    copied, holds, is_in, is_open, moved, pid, switched, writes_on, writing,
};
use crate::served::{Server, servers_are_here};

/// The folders of a server's storage daemons.
fn daemons(cloud: &Cloud, id: &str) -> Vec<PathBuf> {
    let servers = cloud.dir.path().join("servers");
    storage_daemon::folders(&servers.join(id).join("volumes")).unwrap()
}

/// Kills the one storage daemon of a server.
fn kill_daemon(cloud: &Cloud, id: &str) {
    let all = daemons(cloud, id);
    assert_eq!(all.len(), 1, "{all:?}");
    let running = storage_daemon::running(&all[0]).expect("it runs");
    signal("-KILL", running.process.pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_moves_to_other_machines_and_back_while_its_guest_writes() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let [mut volume, last] = [cloud.volume(1), cloud.volume(1)];
    volume.limits.rates.bytes.total = 100 << 20;
    // One is larger than what it takes the place of.
    let servers = [Server::new(&cloud, 1), Server::new(&cloud, 2)];
    let (driver, spec) = writing(&cloud, &volume).await;
    let id = spec.id.as_str();
    let [one, two] = servers
        .each_ref()
        .map(|server| moved(&volume, &server.volume()));
    copied(&driver, id, &one).await;
    let during = writes_on(&driver, id).await;
    assert!(is_in(&servers[0].file, during) && holds(&volume, during));
    // What is being copied to loses its daemon: the guest waits, and nothing is lost.
    kill_daemon(&cloud, id);
    let during = writes_on(&driver, id).await;
    assert!(is_in(&servers[0].file, during) && holds(&volume, during));
    // Another driver goes on.
    drop(driver);
    let driver = cloud.driver().await;
    copied(&driver, id, &one).await;
    switched(&driver, id, &one).await;
    assert!(!is_open(pid(&driver, id).await, &volume));
    let after = writes_on(&driver, id).await;
    assert!(is_in(&servers[0].file, after) && !holds(&volume, after));
    let kept = driver.spec(id).await.unwrap().unwrap().volumes;
    assert_eq!(kept, std::slice::from_ref(&one));
    kill_daemon(&cloud, id);
    writes_on(&driver, id).await;

    // From one machine to another.
    copied(&driver, id, &two).await;
    assert_eq!(daemons(&cloud, id).len(), 2);
    switched(&driver, id, &two).await;
    assert_eq!(daemons(&cloud, id).len(), 1);
    let after = writes_on(&driver, id).await;
    let [first, second] = servers.each_ref().map(|server| is_in(&server.file, after));
    assert!(second && !first);

    // To a file.
    let back = moved(&volume, &last);
    copied(&driver, id, &back).await;
    switched(&driver, id, &back).await;
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());
    let after = writes_on(&driver, id).await;
    assert!(!is_in(&servers[1].file, after));
    for number in 1..=after {
        assert!(holds(&back, number), "{number} of {after}");
    }
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_volume_that_took_a_place_grows_and_starts_as_any_other() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let volume = cloud.volume(1);
    let mut server = Server::new(&cloud, 1);
    let (driver, mut spec) = writing(&cloud, &volume).await;
    let id = spec.id.clone();
    let id = id.as_str();
    let new = moved(&volume, &server.volume());
    copied(&driver, id, &new).await;
    switched(&driver, id, &new).await;
    server.grow(2);
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug.resize_volume(id, &new.id).await.unwrap();
    let after = writes_on(&driver, id).await;
    assert!(is_in(&server.file, after));
    // While it is being replaced it grows for nobody: which one the guest reads is not decided.
    let able = driver.replace_volume().unwrap();
    let first = DeviceCommand::first(1);
    let back = moved(&volume, &cloud.volume(2));
    copied(&driver, id, &back).await;
    let busy = hotplug.resize_volume(id, &new.id).await;
    assert!(matches!(busy, Err(DriverError::Busy { .. })), "{busy:?}");
    let kept = able.keep_volume(id, first, &back).await;
    assert_eq!(kept.unwrap(), Replacing::Idle);
    // A start gives it as the record says, and nothing of the earlier daemon stays.
    spec.volumes = vec![new.clone()];
    let stopped = driver.ensure_stopped(id, 1, hypervisor::StopHow::Hard);
    stopped.await.unwrap();
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());
    driver.ensure_running(&spec).await.unwrap();
    let stands = able.look_at_copy(id, first, &new).await;
    assert_eq!(stands.unwrap(), Replacing::Switched);
    assert_eq!(daemons(&cloud, id).len(), 1);
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_another_machine_that_is_given_up_or_cannot_be_leaves_the_old_volume() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let volume = cloud.volume(2);
    let [server, small] = [Server::new(&cloud, 2), Server::new(&cloud, 1)];
    let (driver, spec) = writing(&cloud, &volume).await;
    let id = spec.id.as_str();
    let able = driver.replace_volume().unwrap();
    let first = DeviceCommand::first(1);
    let new = moved(&volume, &server.volume());
    copied(&driver, id, &new).await;
    let kept = able.keep_volume(id, first, &new).await;
    assert_eq!(kept.unwrap(), Replacing::Idle);
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());
    let after = writes_on(&driver, id).await;
    assert!(holds(&volume, after) && !is_in(&server.file, after));

    let smaller = moved(&volume, &small.volume());
    let refused = able.copy_volume(id, first, &smaller).await;
    assert!(
        matches!(refused, Err(DriverError::BadSpec { .. })),
        "{refused:?}"
    );
    let mut wrong = new.clone();
    let VolumeSource::Nbd(nbd) = &mut wrong.source else {
        panic!("{wrong:?}")
    };
    nbd.export = Secret::new("another".to_owned());
    let refused = able.copy_volume(id, first, &wrong).await;
    assert!(
        matches!(refused, Err(DriverError::Hypervisor { .. })),
        "{refused:?}"
    );
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());

    // A copy that nobody ended is none of another export; that is copied to from the beginning.
    copied(&driver, id, &new).await;
    let server = Server::new(&cloud, 2);
    let other = moved(&volume, &server.volume());
    let stands = able.switch_volume(id, first, &other).await;
    assert_eq!(stands.unwrap(), Replacing::Idle);
    copied(&driver, id, &other).await;
    assert_eq!(daemons(&cloud, id).len(), 1);
    // A guest that sleeps takes none along.
    let suspend = driver.suspend().unwrap();
    suspend.suspend(id, 1).await.unwrap();
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());
    suspend.resume(id, 1).await.unwrap();
    let asleep = able.look_at_copy(id, first, &other).await;
    assert_eq!(asleep.unwrap(), Replacing::Idle);
    let after = writes_on(&driver, id).await;
    assert!(holds(&volume, after) && !is_in(&server.file, after));

    // What took a place is taken from its guest as any other.
    copied(&driver, id, &other).await;
    switched(&driver, id, &other).await;
    let hotplug = driver.hotplug_volume().unwrap();
    hotplug.detach_volume(id, first, &other.id).await.unwrap();
    assert_eq!(daemons(&cloud, id), Vec::<PathBuf>::new());
    cloud.ends(&driver, id, 1).await;
}
