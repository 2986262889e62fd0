//! The rules of volumes. A driver without them passes.

use std::path::Path;

use crate::{DeviceCommand, Driver, DriverError, HotplugVolume, StopHow, Volume};

use super::{PowerState, Subject, ok, remove, state};

pub(super) async fn a_missing_volume_is_named(driver: &dyn Driver, subject: &dyn Subject) {
    if driver.hotplug_volume().is_none() {
        return;
    }
    let (mut spec, volume) = (subject.spec(), subject.missing_volume());
    spec.volumes.push(volume.clone());
    let names = |result: crate::Result<()>| match result {
        Err(error @ (DriverError::BadSpec { .. } | DriverError::Hypervisor { .. })) => {
            assert!(error.to_string().contains(&volume.id), "{error}");
        }
        other => panic!("a volume that is not there: {other:?}"),
    };
    names(driver.ensure_running(&spec).await.map(drop));
    assert_eq!(state(driver, &spec.id).await, None);
    spec.volumes.clear();
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let hotplug = ability(driver);
    for running in [true, false] {
        if !running {
            stop(driver, &spec.id).await;
        }
        names(
            hotplug
                .attach_volume(&spec.id, DeviceCommand::first(2), &volume)
                .await,
        );
        assert_eq!(volumes(driver, &spec.id).await, Vec::<String>::new());
    }
    remove(driver, &spec).await;
}

pub(super) async fn volumes_come_and_go(subject: &dyn Subject) {
    let opened = subject.open().await;
    let driver = opened.as_ref();
    if driver.hotplug_volume().is_none() {
        return;
    }
    let hotplug = ability(driver);
    let mut spec = subject.spec();
    let [first, second, third] = [subject.volume(), subject.volume(), subject.volume()];
    let id = spec.id.as_str();
    let unknown = hotplug
        .attach_volume(id, DeviceCommand::first(1), &first)
        .await;
    assert!(
        matches!(unknown, Err(DriverError::NotFound { .. })),
        "{unknown:?}"
    );
    spec.epoch = 2;
    spec.volumes.push(first.clone());
    let id = spec.id.as_str();
    ok(driver.ensure_running(&spec).await, "a start with a volume");
    for _ in 0..2 {
        ok(
            hotplug
                .attach_volume(id, DeviceCommand::first(2), &second)
                .await,
            "attach_volume to a running server",
        );
    }
    assert_eq!(volumes(driver, id).await, [&*first.id, &*second.id]);
    for refused in [
        hotplug
            .attach_volume(id, DeviceCommand::first(1), &third)
            .await,
        hotplug
            .detach_volume(id, DeviceCommand::first(1), &second.id)
            .await,
    ] {
        assert!(
            matches!(refused, Err(DriverError::StaleEpoch { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(volumes(driver, id).await, [&*first.id, &*second.id]);
    late_commands_change_nothing(hotplug, id, &second, &third).await;
    let now = DeviceCommand {
        epoch: 2,
        number: 6,
    };
    assert_eq!(volumes(driver, id).await, [&*first.id, &*second.id]);
    ok(
        hotplug.detach_volume(id, now, &third.id).await,
        "detaching what the server does not have",
    );
    ok(hotplug.resize_volume(id, &second.id).await, "resize_volume");
    let absent = hotplug.resize_volume(id, &third.id).await;
    assert!(
        matches!(absent, Err(DriverError::BadSpec { .. })),
        "{absent:?}"
    );

    // Another object finds them.
    drop(opened);
    let again = subject.open().await;
    let driver = again.as_ref();
    let hotplug = ability(driver);
    assert_eq!(volumes(driver, id).await, [&*first.id, &*second.id]);
    ok(
        hotplug.attach_volume(id, now, &second).await,
        "attach_volume after a restart",
    );
    // Stopped: a guest in its boot loader would never let go of a volume.
    stop(driver, id).await;
    for _ in 0..2 {
        ok(
            hotplug.detach_volume(id, now, &second.id).await,
            "detach_volume",
        );
        ok(
            hotplug.attach_volume(id, now, &third).await,
            "attach_volume to a stopped server",
        );
    }
    assert_eq!(volumes(driver, id).await, [&*first.id, &*third.id]);
    ok(hotplug.resize_volume(id, &third.id).await, "resize_volume");
    let Some(mut spec) = ok(driver.spec(id).await, "spec") else {
        panic!("the description is kept")
    };
    spec.epoch = 2;
    ok(driver.ensure_running(&spec).await, "a start with both");
    assert_eq!(state(driver, id).await, Some(PowerState::Running));
    remove(driver, &spec).await;
    let outlives = first.source.file().is_none_or(Path::exists);
    assert!(outlives, "a volume outlives its server");
}

pub(super) async fn those_that_share_a_volume_have_it(driver: &dyn Driver, subject: &dyn Subject) {
    if driver.hotplug_volume().is_none() {
        return;
    }
    let hotplug = ability(driver);
    let (mut one, mut two, mut three) = (subject.spec(), subject.spec(), subject.spec());
    two.epoch = 2;
    let mut volume = subject.volume();
    volume.shared = true;
    volume.limits.rates.bytes.total = 20 << 20;
    volume.limits.bursts.bytes.total = 30 << 20;
    volume.limits.rates.operations.read = 500;
    volume.limits.operation_bytes = 4096;
    one.volumes.push(volume.clone());
    ok(driver.ensure_running(&one).await, "the first that has it");
    ok(driver.ensure_running(&two).await, "another server");
    let first = DeviceCommand::first(two.epoch);
    let plugged = hotplug.attach_volume(&two.id, first, &volume).await;
    ok(plugged, "attach_volume to a second server");
    for id in [&one.id, &two.id] {
        assert_eq!(volumes(driver, id).await, [&*volume.id]);
        ok(hotplug.resize_volume(id, &volume.id).await, "resize_volume");
    }
    let mut second = subject.volume();
    for order in [0, 1] {
        (volume.boot_order, second.boot_order) = (Some(1), Some(order));
        three.volumes = vec![volume.clone(), second.clone()];
        let odd = driver.ensure_running(&three).await;
        assert!(matches!(odd, Err(DriverError::BadSpec { .. })), "{odd:?}");
    }
    (volume.boot_order, three.volumes) = (None, Vec::new());
    let mut alone = volume.clone();
    alone.shared = false;
    three.volumes.push(alone);
    let refused = driver.ensure_running(&three).await;
    assert!(
        matches!(refused, Err(DriverError::Busy { .. })),
        "{refused:?}"
    );
    // It goes and comes back, and the other keeps it.
    stop(driver, &two.id).await;
    let at = |number| DeviceCommand {
        epoch: two.epoch,
        number,
    };
    let taken = hotplug.detach_volume(&two.id, at(2), &volume.id).await;
    ok(taken, "detach_volume");
    assert_eq!(volumes(driver, &one.id).await, [&*volume.id]);
    let plugged = hotplug.attach_volume(&two.id, at(3), &volume).await;
    ok(plugged, "attach_volume again");
    two.volumes.push(volume.clone());
    ok(driver.ensure_running(&two).await, "a start with it");
    remove(driver, &one).await;
    assert_eq!(volumes(driver, &two.id).await, [&*volume.id]);
    remove(driver, &two).await;
}

/// What a dead process left on its way comes after what was asked later.
async fn late_commands_change_nothing(
    hotplug: &dyn HotplugVolume,
    id: &str,
    has: &Volume,
    other: &Volume,
) {
    let at = |number| DeviceCommand { epoch: 2, number };
    ok(hotplug.attach_volume(id, at(5), has).await, "a repetition");
    for late in [
        hotplug.attach_volume(id, at(4), other).await,
        hotplug.detach_volume(id, at(4), &has.id).await,
    ] {
        let stale = matches!(
            late,
            Err(DriverError::StaleCommand {
                number: 4,
                current: 5,
                ..
            })
        );
        assert!(stale, "{late:?}");
    }
}

fn ability(driver: &dyn Driver) -> &dyn HotplugVolume {
    match driver.hotplug_volume() {
        Some(hotplug) => hotplug,
        None => panic!("the ability does not come and go"),
    }
}

async fn stop(driver: &dyn Driver, id: &str) {
    ok(
        driver.ensure_stopped(id, 2, StopHow::Hard).await,
        "ensure_stopped",
    );
}

async fn volumes(driver: &dyn Driver, id: &str) -> Vec<String> {
    let spec = ok(driver.spec(id).await, "spec");
    let volumes = spec.map(|spec| spec.volumes).unwrap_or_default();
    volumes.into_iter().map(|volume| volume.id).collect()
}
