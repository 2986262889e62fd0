//! The rules of the ability traits. A driver without an ability passes its rule.

use crate::{
    DeviceCommand, Driver, DriverError, Ephemeral, EventKind, Nic, PowerState, Quiesce, ServerSpec,
    StopHow,
};

use super::{Subject, next, ok, remove, state};

pub(super) async fn pausing_and_unpausing(driver: &dyn Driver, spec: ServerSpec) {
    let Some(pause) = driver.pause() else { return };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let mut events = driver.events();
    for _ in 0..2 {
        assert_eq!(
            ok(pause.pause(&spec.id, 1).await, "pause").power_state,
            PowerState::Paused
        );
    }
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Paused));
    assert_eq!(next(&mut events, &spec.id).await.kind, EventKind::Paused);
    assert_eq!(
        ok(driver.ensure_running(&spec).await, "ensure_running").power_state,
        PowerState::Paused
    );
    for _ in 0..2 {
        assert_eq!(
            ok(pause.unpause(&spec.id, 1).await, "unpause").power_state,
            PowerState::Running
        );
    }
    assert_eq!(next(&mut events, &spec.id).await.kind, EventKind::Resumed);
    ok(pause.pause(&spec.id, 1).await, "pause");
    ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "a paused guest can be stopped",
    );
    let stopped = pause.pause(&spec.id, 1).await;
    assert!(
        matches!(stopped, Err(DriverError::Busy { .. })),
        "what does not run cannot be paused: {stopped:?}"
    );
    remove(driver, &spec).await;
}

pub(super) async fn a_crash_dump_needs_a_guest(driver: &dyn Driver, spec: ServerSpec) {
    let Some(able) = driver.crash_dump() else {
        return;
    };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let facts = ok(able.crash_dump(&spec.id, 1).await, "crash_dump");
    assert_eq!(facts.power_state, PowerState::Running);
    ok(
        driver.ensure_stopped(&spec.id, 2, StopHow::Hard).await,
        "ensure_stopped",
    );
    let stale = able.crash_dump(&spec.id, 1).await;
    assert!(
        matches!(stale, Err(DriverError::StaleEpoch { .. })),
        "{stale:?}"
    );
    let stopped = able.crash_dump(&spec.id, 2).await;
    assert!(
        matches!(stopped, Err(DriverError::Busy { .. })),
        "{stopped:?}"
    );
    remove(driver, &spec).await;
}

pub(super) async fn suspending_and_resuming(driver: &dyn Driver, spec: ServerSpec) {
    let Some(suspend) = driver.suspend() else {
        return;
    };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let mut events = driver.events();
    for _ in 0..2 {
        assert_eq!(
            ok(suspend.suspend(&spec.id, 1).await, "suspend").power_state,
            PowerState::Suspended
        );
    }
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Suspended));
    assert_eq!(next(&mut events, &spec.id).await.kind, EventKind::Suspended);
    for _ in 0..2 {
        assert_eq!(
            ok(suspend.resume(&spec.id, 1).await, "resume").power_state,
            PowerState::Running
        );
    }
    assert_eq!(next(&mut events, &spec.id).await.kind, EventKind::Resumed);
    ok(suspend.suspend(&spec.id, 1).await, "suspend again");
    let facts = ok(driver.ensure_running(&spec).await, "ensure_running resumes");
    assert_eq!(facts.power_state, PowerState::Running);
    ok(suspend.suspend(&spec.id, 1).await, "suspend a third time");
    ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "stopping drops the saved memory",
    );
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Shutdown));
    let nothing = suspend.resume(&spec.id, 1).await;
    assert!(
        matches!(nothing, Err(DriverError::Busy { .. })),
        "{nothing:?}"
    );
    remove(driver, &spec).await;
}

pub(super) async fn consoles_and_the_log(driver: &dyn Driver, spec: ServerSpec) {
    let Some(console) = driver.console() else {
        return;
    };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let log = ok(console.log_tail(&spec.id, 1 << 20).await, "log_tail");
    let tail = ok(console.log_tail(&spec.id, 3).await, "log_tail");
    assert!(tail.len() <= 3, "no more than was asked for");
    ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "ensure_stopped",
    );
    let after = ok(
        console.log_tail(&spec.id, 1 << 20).await,
        "log_tail after the end",
    );
    assert!(
        after.starts_with(&log),
        "the log stays when the guest stops"
    );
    assert!(
        console.vnc(&spec.id).await.is_err(),
        "a stopped guest has no screen"
    );
    remove(driver, &spec).await;
    let unknown = console.log_tail(&spec.id, 10).await;
    assert!(
        matches!(unknown, Err(DriverError::NotFound { .. })),
        "{unknown:?}"
    );
}

pub(super) async fn a_snapshot_is_a_whole_file(driver: &dyn Driver, subject: &dyn Subject) {
    let Some(snapshot) = driver.snapshot() else {
        return;
    };
    let spec = subject.spec();
    if spec.root_disk.is_none() {
        return;
    }
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let target = subject.scratch().join("snapshot.qcow2");
    for live in [true, false] {
        if !live {
            ok(
                driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
                "ensure_stopped",
            );
        }
        let facts = ok(
            snapshot.export(&spec.id, 1, &target, Quiesce::Try).await,
            "export",
        );
        let bytes = std::fs::read(&target).unwrap_or_default();
        assert_eq!(facts.size, bytes.len() as u64);
        assert_eq!(
            (facts.disk_format.as_str(), bytes.get(..4)),
            ("qcow2", Some(&b"QFI\xfb"[..]))
        );
        assert_eq!(bytes.get(8..16), Some(&[0_u8; 8][..]), "no backing file");
        assert!(facts.virtual_size > 0);
    }
    let _ = std::fs::remove_file(&target);
    remove(driver, &spec).await;
}

pub(super) async fn cards_come_and_go(driver: &dyn Driver, spec: ServerSpec) {
    let Some(hotplug) = driver.hotplug_nic() else {
        return;
    };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    // Stopped: a guest in its boot loader would never let go of a card.
    ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "ensure_stopped",
    );
    let nic = Nic {
        port_id: "4c5ba8ad-6f5e-4f2d-9b2b-0000000000aa".into(),
        mac: "fa:16:3e:00:00:aa".into(),
        tap: None,
        mtu: 1442,
        model: None,
    };
    let ports =
        |facts: Option<crate::GuestFacts>| facts.map(|facts| facts.port_ids).unwrap_or_default();
    for _ in 0..2 {
        ok(
            hotplug
                .attach_nic(&spec.id, DeviceCommand::first(1), &nic)
                .await,
            "attach_nic",
        );
    }
    let with = ports(ok(driver.inspect(&spec.id).await, "inspect"));
    assert_eq!(
        with.iter().filter(|port| **port == nic.port_id).count(),
        1,
        "plugged once: {with:?}"
    );
    for _ in 0..2 {
        ok(
            hotplug
                .detach_nic(&spec.id, DeviceCommand::first(1), &nic.port_id)
                .await,
            "detach_nic",
        );
    }
    // What a dead process left on its way comes after what was asked later.
    let at = |number| DeviceCommand { epoch: 1, number };
    ok(
        hotplug.attach_nic(&spec.id, at(5), &nic).await,
        "attach_nic",
    );
    for late in [
        hotplug.attach_nic(&spec.id, at(4), &nic).await,
        hotplug.detach_nic(&spec.id, at(4), &nic.port_id).await,
    ] {
        let stale = matches!(late, Err(DriverError::StaleCommand { current: 5, .. }));
        assert!(stale, "{late:?}");
    }
    ok(
        hotplug.detach_nic(&spec.id, at(5), &nic.port_id).await,
        "detach_nic",
    );
    assert!(!ports(ok(driver.inspect(&spec.id).await, "inspect")).contains(&nic.port_id));
    remove(driver, &spec).await;
}

pub(super) async fn diagnostics_know_the_size(driver: &dyn Driver, spec: ServerSpec) {
    let Some(diagnostics) = driver.diagnostics() else {
        return;
    };
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let facts = ok(diagnostics.diagnostics(&spec.id).await, "diagnostics");
    assert_eq!(
        (facts.num_cpus, facts.state.as_str()),
        (spec.vcpus, "running")
    );
    assert_eq!(facts.memory_details.maximum, Some(spec.memory_mb));
    assert_eq!(facts.num_nics as usize, spec.nics.len());
    remove(driver, &spec).await;
}

pub(super) async fn disks_with_tags_are_told(driver: &dyn Driver, mut spec: ServerSpec) {
    let Some(able) = driver.disk_places() else {
        return;
    };
    spec.ephemeral = vec![Ephemeral {
        size_gb: 1,
        ..Ephemeral::default()
    }];
    spec.swap_mb = 1;
    assert_eq!(ok(able.disk_places(&spec).await, "disk_places"), []);
    spec.swap_device.tag = Some("scratch".to_owned());
    let places = ok(able.disk_places(&spec).await, "disk_places");
    let disks: Vec<&str> = places.iter().map(|place| place.disk.as_str()).collect();
    assert_eq!(disks, ["swap"], "a disk without a tag is not told");
    assert!(places[0].bus.is_some(), "{places:?}");
    let spec_kept = ok(driver.spec(&spec.id).await, "spec");
    assert_eq!(spec_kept, None, "who is asked makes nothing");
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let after = ok(able.disk_places(&spec).await, "disk_places");
    assert_eq!(after, places);
    remove(driver, &spec).await;
}

pub(super) async fn the_host_says_what_it_is(driver: &dyn Driver) {
    let facts = ok(driver.host_facts().await, "host_facts");
    assert!(
        facts.vcpus > 0 && facts.memory_mb > 0 && facts.disk_gb > 0,
        "{facts:?}"
    );
    assert!(!facts.hypervisor_type.is_empty() && !facts.supported_instances.is_empty());
    assert!(facts.cpu_info.is_object());
    for name in &facts.traits {
        let custom = name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(custom, "{name} is no trait name");
    }
}
