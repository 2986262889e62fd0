//! Broken machines and broken guests.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hypervisor::{
    Cause, CpuLimits, DeviceCommand, Driver, DriverError, EventKind, Keep, PowerState, StopHow,
};
use hypervisor_qemu::{QemuDriver, QemuSettings};

use crate::cloud::{Cloud, demo_server, event, export, qemu_is_here, signal, small};

#[tokio::test]
async fn a_missing_qemu_is_named_and_leaves_nothing() {
    let cloud = Cloud::new();
    let driver = QemuDriver::open(QemuSettings {
        qemu_binary: "/nonexistent/qemu".into(),
        ..cloud.settings()
    })
    .await
    .unwrap();
    let refused = driver.ensure_running(&small("x")).await;
    assert!(
        matches!(&refused, Err(DriverError::Unsupported { what }) if what.contains("qemu-system-x86")),
        "{refused:?}"
    );
    cloud.assert_empty();
}

#[tokio::test]
async fn a_qemu_that_dies_at_start_is_quoted_and_leaves_nothing() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let script = cloud.dir.path().join("qemu");
    let text = "#!/bin/sh\ncase $1 in --version|-machine) exec qemu-system-x86_64 $*;; esac\necho 'out of luck today' >&2\nexit 1\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let driver = QemuDriver::open(QemuSettings {
        qemu_binary: script,
        ..cloud.settings()
    })
    .await
    .unwrap();
    let failed = driver.ensure_running(&small("x")).await;
    assert!(
        matches!(&failed, Err(DriverError::GuestFailed { stderr }) if stderr.contains("out of luck")),
        "{failed:?}"
    );
    cloud.assert_empty();
    // Real QEMU's own words come through as well.
    let driver = cloud.driver().await;
    let mut odd = small("odd");
    // No machine has that much memory.
    odd.memory_mb = 1 << 40;
    let failed = driver.ensure_running(&odd).await;
    assert!(
        matches!(&failed, Err(DriverError::GuestFailed { stderr }) if stderr.contains("memory") || stderr.contains("RAM") || stderr.contains("ram")),
        "{failed:?}"
    );
    cloud.assert_empty();
}

#[tokio::test]
async fn a_killed_guest_is_a_crash_and_can_be_started_again() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut events = driver.events();
    let spec = small("victim");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    assert_eq!(event(&mut events, &spec.id).await.kind, EventKind::Started);
    signal("-9", pid);
    let crash = event(&mut events, &spec.id).await;
    assert_eq!(
        (crash.kind, crash.cause),
        (EventKind::Crashed, Cause::Guest)
    );
    assert_eq!(
        driver.inspect(&spec.id).await.unwrap().unwrap().power_state,
        PowerState::Crashed
    );
    assert_eq!(
        driver.ensure_running(&spec).await.unwrap().power_state,
        PowerState::Running
    );
    cloud.ends(&driver, &spec.id, 1).await;
}

/// Says this to a guest's QEMU, whose driver is gone; each must be obeyed.
async fn tell_qemu(socket: &std::path::Path, commands: &[serde_json::Value]) {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let greeting = serde_json::json!({"execute": "qmp_capabilities"});
    for command in std::iter::once(&greeting).chain(commands) {
        write
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            assert!(!line.contains("\"error\""), "{command}: {line}");
            if line.contains("\"return\"") {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_cut_off_is_in_no_way_of_the_next() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = demo_server("copied", "");
    driver.ensure_running(&spec).await.unwrap();
    drop(driver);
    // A job that would take ages, as one has that a driver began before it died.
    let socket = cloud.dir.path().join("servers").join(&spec.id).join("qmp");
    let target =
        serde_json::json!({"driver": "null-co", "node-name": "export", "size": 1_u64 << 30});
    let job = serde_json::json!({
        "job-id": "snapshot", "device": "root", "target": "export", "sync": "full", "speed": 1,
        "auto-finalize": true, "auto-dismiss": false,
    });
    let left = [
        serde_json::json!({"execute": "blockdev-add", "arguments": target}),
        serde_json::json!({"execute": "blockdev-backup", "arguments": job}),
    ];
    tell_qemu(&socket, &left).await;
    let driver = cloud.driver().await;
    for name in ["one", "two"] {
        let copy = cloud.dir.path().join(name);
        let facts = export(&driver, &spec.id, &copy).await;
        assert_eq!(facts.virtual_size, 1 << 30);
    }
    cloud.ends(&driver, &spec.id, 1).await;
}

/// A stop that is given up in its middle leaves a guest whose end is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_guest_is_told_after_a_stop_was_given_up() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut events = driver.events();
    let spec = small("deaf");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    assert_eq!(event(&mut events, &spec.id).await.kind, EventKind::Started);
    let how = StopHow::Graceful {
        timeout: Duration::from_secs(60),
    };
    let stop = driver.ensure_stopped(&spec.id, 2, how);
    let given_up = tokio::time::timeout(Duration::from_millis(300), stop).await;
    assert!(given_up.is_err(), "the guest hears no power button");
    signal("-9", pid);
    let crash = event(&mut events, &spec.id).await;
    assert_eq!(
        (crash.kind, crash.cause),
        (EventKind::Crashed, Cause::Guest)
    );
    cloud.ends(&driver, &spec.id, 3).await;
}

#[tokio::test]
async fn a_guest_that_ended_while_no_driver_was_there_is_found_stopped() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("alone");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    drop(driver);
    signal("-9", pid);
    while cloud.processes().contains(&pid) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The number now belongs to somebody else.
    let folder = cloud.dir.path().join("servers").join(&spec.id);
    std::fs::write(folder.join("pid"), std::process::id().to_string()).unwrap();
    let driver = cloud.driver().await;
    let facts = driver.inspect(&spec.id).await.unwrap().unwrap();
    assert_eq!((facts.power_state, facts.pid), (PowerState::Shutdown, None));
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn a_guest_without_a_pid_file_is_found_by_its_command_line() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("early");
    let pid = driver.ensure_running(&spec).await.unwrap().pid;
    drop(driver);
    std::fs::remove_file(cloud.dir.path().join("servers").join(&spec.id).join("pid")).unwrap();
    let driver = cloud.driver().await;
    assert_eq!(driver.inspect(&spec.id).await.unwrap().unwrap().pid, pid);
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn work_cut_short_is_swept_away() {
    let cloud = Cloud::new();
    let servers = cloud.dir.path().join("servers");
    std::fs::create_dir_all(servers.join("0d7b1a2c-6a3e-4f0e-9f41-000000000001.gone")).unwrap();
    std::fs::write(
        servers.join("0d7b1a2c-6a3e-4f0e-9f41-000000000001.gone/disk.qcow2"),
        "x",
    )
    .unwrap();
    std::fs::create_dir_all(servers.join("0d7b1a2c-6a3e-4f0e-9f41-000000000002")).unwrap();
    let driver = cloud.driver().await;
    assert!(driver.list().await.unwrap().is_empty());
    cloud.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_cut_short_at_any_moment_can_be_repeated_and_undone() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    for after in [0, 1, 2, 4, 8, 12, 20, 30, 45, 60, 80, 120] {
        let spec = small("cut");
        let driver = cloud.driver().await;
        let cut = Duration::from_millis(after);
        let _ = tokio::time::timeout(cut, driver.ensure_running(&spec)).await;
        drop(driver);
        let driver = cloud.driver().await;
        if after % 3 > 0 {
            let facts = driver.ensure_running(&spec).await.unwrap();
            assert_eq!(
                facts.power_state,
                PowerState::Running,
                "cut after {after} ms"
            );
            assert_eq!(
                cloud.processes(),
                [facts.pid.unwrap()],
                "cut after {after} ms"
            );
        }
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
        cloud.assert_empty();
    }
}

#[tokio::test]
async fn a_guest_that_hangs_is_killed_all_the_same() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("hung");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    signal("-STOP", pid);
    assert_eq!(
        driver.list().await.unwrap()[0].power_state,
        PowerState::NoState,
        "it says nothing"
    );
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn real_qemu_takes_every_machine_bus_screen_and_card_we_offer() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut specs = Vec::new();
    for machine in ["pc", "q35"] {
        for bus in ["virtio", "scsi", "ide", "sata"] {
            let mut spec = small(bus);
            spec.machine_type = Some(machine.parse().unwrap());
            spec.disk_bus = Some(bus.parse().unwrap());
            spec.swap_mb = 8;
            spec.config_drive = Some(hypervisor::ConfigDrive::default());
            specs.push(spec);
        }
    }
    for video in ["std", "vga", "cirrus", "virtio", "bochs", "none"] {
        let mut spec = small(video);
        spec.video_model = Some(video.parse().unwrap());
        specs.push(spec);
    }
    for (number, model) in [
        "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "ne2k_pci", "pcnet",
    ]
    .iter()
    .enumerate()
    {
        let mut spec = small(model);
        spec.nics = vec![hypervisor::Nic {
            port_id: uuid::Uuid::new_v4().to_string(),
            mac: format!("fa:16:3e:00:01:{number:02x}"),
            tap: None,
            mtu: 0,
            model: Some(model.parse().unwrap()),
        }];
        specs.push(spec);
    }
    for spec in specs {
        let facts = driver.ensure_running(&spec).await;
        assert!(
            facts.is_ok(),
            "{:?} {}: {facts:?}",
            spec.machine_type,
            spec.name
        );
        let card = hypervisor::Nic {
            port_id: uuid::Uuid::new_v4().to_string(),
            mac: "fa:16:3e:00:02:01".into(),
            tap: None,
            mtu: 1400,
            model: None,
        };
        driver
            .hotplug_nic()
            .unwrap()
            .attach_nic(&spec.id, DeviceCommand::first(1), &card)
            .await
            .unwrap();
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    cloud.assert_empty();
}

#[tokio::test]
async fn a_machine_that_qemu_does_not_list_is_refused_and_one_that_it_lists_is_kept_by_its_whole_name()
 {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    for machine in ["no-such-machine", "pc-q35-99.9", "microvm", "none"] {
        let mut odd = small("odd");
        odd.machine_type = Some(machine.parse().unwrap());
        let refused = driver.ensure_running(&odd).await;
        assert!(
            matches!(&refused, Err(DriverError::Unsupported { what }) if what.contains(machine)),
            "{refused:?}"
        );
        cloud.assert_empty();
    }
    let mut spec = small("whole");
    spec.machine_type = Some("q35".parse().unwrap());
    driver.ensure_running(&spec).await.unwrap();
    let record = cloud
        .dir
        .path()
        .join("servers")
        .join(&spec.id)
        .join("spec.json");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let kept = record["machine"].as_str().unwrap();
    assert!(kept.starts_with("pc-q35-"), "{kept}");
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn processor_limits_reach_the_control_group() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    if !driver.probe().cgroups {
        skips::skip_beyond(skips::Beyond::ControlGroups, "they cannot be written here");
        return;
    }
    let mut spec = small("limited");
    spec.cpu_limits = CpuLimits {
        shares: Some(512),
        period_us: None,
        quota_us: Some(50_000),
    };
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let lines = groups.matches(&format!("/kilonova/{}", spec.id)).count();
    assert!(lines > 0, "{groups}");
    cloud.ends(&driver, &spec.id, 1).await;
}
