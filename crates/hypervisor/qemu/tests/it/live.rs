//! The demo image, booted.

use std::time::{Duration, Instant};

use hypervisor::{
    Cause, DiskBus, Driver, Endpoint, EventKind, GuestHardware, InputBus, Keep, PowerState, Random,
    Reboot, StopHow, Topology, WatchdogAction,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::cloud::{Cloud, READY, demo_server, event, export, log, qemu_is_here, says, small};

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_guest_lives_through_everything() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = demo_server("hero", "#!/bin/sh\necho user data of $(hostname) ran\n");
    let id = spec.id.as_str();

    let began = Instant::now();
    driver.ensure_running(&spec).await.unwrap();
    println!(
        "from request to a running guest: {} ms",
        began.elapsed().as_millis()
    );
    says(&driver, id, READY, 1).await;
    println!("to ready: {} ms", began.elapsed().as_millis());
    let text = log(&driver, id).await;
    for words in [
        "datasource config-drive",
        id,
        "user data of hero ran",
        "grew /dev/vda2",
        "login:",
    ] {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }

    let console = driver.console().unwrap();
    let Endpoint::Unix(vnc) = console.vnc(id).await.unwrap() else {
        panic!("a unix socket")
    };
    let mut greeting = [0; 4];
    UnixStream::connect(vnc)
        .await
        .unwrap()
        .read_exact(&mut greeting)
        .await
        .unwrap();
    assert_eq!(&greeting, b"RFB ", "the screen speaks VNC");
    let Endpoint::Unix(serial) = console.serial(id).await.unwrap() else {
        panic!("a unix socket")
    };
    let mut line = UnixStream::connect(serial).await.unwrap();
    line.write_all(b"cloud\n").await.unwrap();
    says(&driver, id, "Password:", 1).await;
    line.write_all(b"cloud\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    line.write_all(b"echo typed $((6*7)); echo before > /tmp/mark\n")
        .await
        .unwrap();
    says(&driver, id, "typed 42", 1).await;

    let pause = driver.pause().unwrap();
    assert_eq!(
        pause.pause(id, 1).await.unwrap().power_state,
        PowerState::Paused
    );
    assert_eq!(
        pause.unpause(id, 1).await.unwrap().power_state,
        PowerState::Running
    );

    let began = Instant::now();
    let suspend = driver.suspend().unwrap();
    drop(line);
    assert_eq!(
        suspend.suspend(id, 1).await.unwrap().power_state,
        PowerState::Suspended
    );
    println!("suspend: {} ms", began.elapsed().as_millis());
    assert!(
        cloud.processes().is_empty(),
        "a suspended guest has no process"
    );

    // The agent dies and comes back; the guest sleeps on.
    drop(driver);
    let driver = cloud.driver().await;
    assert_eq!(
        driver.inspect(id).await.unwrap().unwrap().power_state,
        PowerState::Suspended
    );
    let began = Instant::now();
    driver.suspend().unwrap().resume(id, 1).await.unwrap();
    println!("resume: {} ms", began.elapsed().as_millis());
    let serial = cloud.dir.path().join("servers").join(id).join("serial");
    let mut line = UnixStream::connect(serial).await.unwrap();
    line.write_all(b"\necho it is $(cat /tmp/mark) still\n")
        .await
        .unwrap();
    says(&driver, id, "it is before still", 1).await;

    // The agent dies while the guest runs.
    let pid = driver.inspect(id).await.unwrap().unwrap().pid;
    drop(driver);
    let driver = cloud.driver().await;
    let found = driver.inspect(id).await.unwrap().unwrap();
    assert_eq!((found.power_state, found.pid), (PowerState::Running, pid));

    let began = Instant::now();
    let soft = Reboot::Soft {
        timeout: Duration::from_secs(60),
    };
    driver.reboot(&spec, soft).await.unwrap();
    println!("soft reboot: {} ms", began.elapsed().as_millis());
    says(&driver, id, "demo: power button", 1).await;
    says(&driver, id, READY, 2).await;
    assert_eq!(
        log(&driver, id)
            .await
            .matches("user data of hero ran")
            .count(),
        1,
        "user data runs once"
    );

    let began = Instant::now();
    let how = StopHow::Graceful {
        timeout: Duration::from_secs(60),
    };
    assert_eq!(
        driver.ensure_stopped(id, 1, how).await.unwrap().power_state,
        PowerState::Shutdown
    );
    println!("graceful stop: {} ms", began.elapsed().as_millis());
    says(&driver, id, "demo: power button", 2).await;
    driver.ensure_running(&spec).await.unwrap();
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_powers_itself_off_is_noticed_by_an_event() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let mut events = driver.events();
    let spec = demo_server("brief", "#!/bin/sh\npoweroff\n");
    driver.ensure_running(&spec).await.unwrap();
    assert_eq!(event(&mut events, &spec.id).await.kind, EventKind::Started);
    let end = event(&mut events, &spec.id).await;
    assert_eq!(
        (end.kind, end.cause, end.detail.as_deref()),
        (EventKind::Stopped, Cause::Guest, Some("guest-shutdown"))
    );
    assert_eq!(
        driver.inspect(&spec.id).await.unwrap().unwrap().power_state,
        PowerState::Shutdown
    );
    // A snapshot of it is a disk that boots as another server.
    let copy = cloud.dir.path().join("copy.qcow2");
    let facts = export(&driver, &spec.id, &copy).await;
    assert_eq!(facts.virtual_size, 1 << 30);
    driver
        .ensure_gone(&spec.id, 1, Keep::Nothing)
        .await
        .unwrap();
    let mut second = demo_server("second", "");
    let root = second.root_disk.as_mut().unwrap();
    let image = root.image.as_mut().unwrap();
    (image.path, image.virtual_size) = (copy, facts.virtual_size);
    driver.ensure_running(&second).await.unwrap();
    says(&driver, &second.id, READY, 1).await;
    cloud.ends(&driver, &second.id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_boots_by_uefi_and_keeps_its_variables() {
    let cloud = Cloud::new();
    let settings = cloud.settings();
    if !qemu_is_here() {
        return;
    }
    if !settings.ovmf_code.exists() {
        skips::skip("UEFI firmware (package ovmf) is not installed");
        return;
    }
    let driver = hypervisor_qemu::QemuDriver::open(settings).await.unwrap();
    let mut spec = demo_server(
        "uefi",
        "#!/bin/sh\n[ -d /sys/firmware/efi ] && echo booted by uefi\n",
    );
    spec.firmware = hypervisor::Firmware::Uefi;
    spec.memory_mb = 256; // with 192 the boot loader crashes under UEFI
    driver.ensure_running(&spec).await.unwrap();
    says(&driver, &spec.id, "booted by uefi", 1).await;
    driver
        .ensure_stopped(&spec.id, 1, StopHow::Hard)
        .await
        .unwrap();
    let nvram = cloud
        .dir
        .path()
        .join("servers")
        .join(&spec.id)
        .join("nvram.fd");
    assert!(nvram.exists(), "variables stay with the server");
    cloud.ends(&driver, &spec.id, 1).await;
}

/// What flavor and image may ask for, as a guest sees it: devices on its bus, its processors, its disks' pace.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_has_the_hardware_that_was_asked_for() {
    if !qemu_is_here() {
        return;
    }
    let look = "#!/bin/sh\n\
        for device in /sys/bus/pci/devices/*; do echo pci $(cat $device/vendor) $(cat $device/device); done\n\
        echo it has $(grep -c ^processor /proc/cpuinfo) processors\n\
        echo looked around\n";
    // The watchdog, the controller of USB devices, the tablet of virtio, the source of random numbers.
    const WATCHDOG: &str = "pci 0x8086 0x25ab";
    const USB: &str = "pci 0x1b36 0x000d";
    const INPUT: &str = "pci 0x1af4 0x1052";
    const RANDOM: &str = "pci 0x1af4 0x1005";
    let cloud = Cloud::new();
    let driver = cloud.driver().await;
    let mut usb = demo_server("usb", look);
    usb.vcpus = 2;
    usb.hardware = GuestHardware {
        boot_menu: true,
        topology: Some(Topology {
            sockets: 1,
            cores: 2,
            threads: 1,
        }),
        hide_hypervisor: true,
        hpet: Some(false),
        input: Some(InputBus::Usb),
        more_serial_ports: 1,
        pmu: Some(false),
        random: Random::Limited {
            bytes: 4096,
            period_ms: 100,
        },
        video_ram_mb: Some(32),
        watchdog: Some(WatchdogAction::Reset),
        windows: true,
        ..GuestHardware::default()
    };
    usb.hardware.disk_limits.operations.total = 2000;
    usb.hardware.disk_limits.bytes.read = 64 << 20;
    let mut virtio = demo_server("virtio", look);
    virtio.machine_type = Some("q35".parse().unwrap());
    virtio.hardware = GuestHardware {
        input: Some(InputBus::Virtio),
        packed_ring: true,
        random: Random::Off,
        ..GuestHardware::default()
    };
    for (spec, here, absent) in [
        (
            &usb,
            [WATCHDOG, USB, RANDOM, "it has 2 processors"].as_slice(),
            INPUT,
        ),
        (&virtio, [INPUT, "it has 1 processors"].as_slice(), RANDOM),
    ] {
        driver.ensure_running(spec).await.unwrap();
        says(&driver, &spec.id, "looked around", 1).await;
        let text = log(&driver, &spec.id).await;
        for words in here {
            assert!(text.contains(words), "{words:?} is missing: {text}");
        }
        assert!(!text.contains(absent), "{absent:?} is there: {text}");
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    cloud.assert_empty();
}

/// The demo guest looks for its config drive among virtio's disks alone; QEMU takes it on each bus.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_drive_sits_on_any_bus_of_any_machine() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    for machine in ["pc", "q35"] {
        for bus in [DiskBus::Ide, DiskBus::Sata, DiskBus::Scsi, DiskBus::Virtio] {
            let mut spec = small("cd");
            spec.machine_type = Some(machine.parse().unwrap());
            spec.config_drive = demo_server("cd", "").config_drive;
            spec.hardware.cdrom_bus = Some(bus);
            let started = driver.ensure_running(&spec).await;
            assert!(started.is_ok(), "{bus} of {machine}: {started:?}");
            driver
                .ensure_gone(&spec.id, 1, Keep::Nothing)
                .await
                .unwrap();
        }
    }
    cloud.assert_empty();
}
