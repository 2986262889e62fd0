//! A disk that is full: what is new is refused, what runs is unharmed, and all goes on when there is room.
//!
//! Each test mounts a small file system in a mount namespace of its own: nobody else sees it, and it is gone with the
//! test however that ends.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use hypervisor::{
    Driver, DriverError, Ephemeral, ImageFormat, ImageRef, Keep, PowerState, Quiesce, ServerSpec,
};
use hypervisor_qemu::{QemuDriver, QemuSettings};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::cloud::{Cloud, READY, demo_server, qemu_is_here, says, small};

const MIB: u64 = 1 << 20;

/// Runs `test` with a cloud whose folder is a file system of `mib`. Where mounting is not allowed the test says so and
/// passes.
fn on_a_small_disk<F>(mib: u64, test: F)
where
    F: AsyncFnOnce(Cloud) + Send + 'static,
{
    if !qemu_is_here() {
        return;
    }
    // Threads inherit the namespace of the thread that starts them: those of the runtime are in it.
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
            skips::skip(format!("a mount namespace needs root: {error}"));
            return;
        }
        let none: Option<&str> = None;
        if let Err(error) = mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none) {
            skips::skip(format!(
                "in a chroot, mounts cannot be kept from the machine: {error}"
            ));
            return;
        }
        let cloud = Cloud::new();
        let size = format!("size={mib}m");
        let folder = cloud.dir.path();
        mount(
            none,
            folder,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(size.as_str()),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(cloud));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Gives the file system another size.
fn resize(folder: &Path, mib: u64) {
    let size = format!("remount,size={mib}m");
    let done = Command::new("mount")
        .args(["-o", &size])
        .arg(folder)
        .status();
    assert!(done.unwrap().success());
}

async fn driver(cloud: &Cloud, reserve: u64) -> QemuDriver {
    let settings = QemuSettings {
        disk_reserve: reserve,
        ..cloud.settings()
    };
    QemuDriver::open(settings).await.unwrap()
}

/// With memory that counts on a disk of some hundred MiB.
fn sized(name: &str) -> ServerSpec {
    ServerSpec {
        memory_mb: 64,
        ..small(name)
    }
}

#[track_caller]
fn full<T: std::fmt::Debug>(result: Result<T, DriverError>) {
    let Err(DriverError::Io { source, .. }) = &result else {
        panic!("{result:?}")
    };
    assert_eq!(source.kind(), ErrorKind::StorageFull);
}

async fn power(driver: &QemuDriver, id: &str) -> PowerState {
    driver.inspect(id).await.unwrap().unwrap().power_state
}

#[test]
fn a_guest_whose_memory_would_use_up_the_reserve_runs_on() {
    on_a_small_disk(100, async |cloud| {
        let driver = driver(&cloud, 16 * MIB).await;
        let spec = sized("large");
        driver.ensure_running(&spec).await.unwrap();
        let suspend = driver.suspend().unwrap();
        full(suspend.suspend(&spec.id, 1).await);
        assert_eq!(power(&driver, &spec.id).await, PowerState::Running);
        let folder = cloud.dir.path().join("servers").join(&spec.id);
        assert!(!folder.join("memory.part").exists() && !folder.join("memory").exists());
        assert_eq!(driver.host_facts().await.unwrap().saved_memory_mb, 0);
        resize(cloud.dir.path(), 200);
        suspend.suspend(&spec.id, 1).await.unwrap();
        let saved = std::fs::metadata(folder.join("memory")).unwrap().len();
        let facts = driver.host_facts().await.unwrap();
        assert_eq!(facts.saved_memory_mb, saved.div_ceil(MIB), "it counts");
        suspend.resume(&spec.id, 1).await.unwrap();
        assert_eq!(driver.host_facts().await.unwrap().saved_memory_mb, 0);
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
        cloud.assert_empty();
    });
}

#[test]
fn a_new_server_is_refused_while_those_that_run_go_on() {
    on_a_small_disk(64, async |cloud| {
        let driver = driver(&cloud, 16 * MIB).await;
        let (old, new) = (sized("old"), sized("new"));
        driver.ensure_running(&old).await.unwrap();
        let ballast = cloud.dir.path().join("ballast");
        std::fs::write(&ballast, vec![1; 46 << 20]).unwrap();
        full(driver.ensure_running(&new).await);
        assert_eq!(
            driver.list().await.unwrap().len(),
            1,
            "nothing is left of it"
        );
        assert_eq!(power(&driver, &old.id).await, PowerState::Running);
        // What is here already may be stopped and started.
        let how = hypervisor::StopHow::Hard;
        driver.ensure_stopped(&old.id, 1, how).await.unwrap();
        driver.ensure_running(&old).await.unwrap();
        std::fs::remove_file(&ballast).unwrap();
        driver.ensure_running(&new).await.unwrap();
        for spec in [old, new] {
            driver
                .ensure_gone(&spec.id, 1, Keep::Nothing)
                .await
                .unwrap();
        }
        cloud.assert_empty();
    });
}

#[test]
fn a_copy_of_a_disk_that_would_use_up_the_reserve_is_not_made() {
    on_a_small_disk(64, async |cloud| {
        let driver = driver(&cloud, 16 * MIB).await;
        let path = cloud.dir.path().join("base");
        std::fs::write(&path, vec![1; 8 << 20]).unwrap();
        let mut spec = sized("copied");
        spec.root_disk.as_mut().unwrap().image = Some(ImageRef {
            id: "base".into(),
            path: path.clone(),
            format: ImageFormat::Raw,
            virtual_size: 8 * MIB,
        });
        driver.ensure_running(&spec).await.unwrap();
        let ballast = cloud.dir.path().join("ballast");
        std::fs::write(&ballast, vec![1; 36 << 20]).unwrap();
        let able = driver.snapshot().unwrap();
        let copy = cloud.dir.path().join("copy");
        let part = cloud.dir.path().join("copy.part");
        let how = hypervisor::StopHow::Hard;
        for _ in ["it runs", "it is stopped"] {
            full(able.export(&spec.id, 1, &copy, Quiesce::No).await);
            assert!(!copy.exists() && !part.exists(), "nothing is left of it");
            driver.ensure_stopped(&spec.id, 1, how).await.unwrap();
        }
        std::fs::remove_file(&ballast).unwrap();
        let made = able.export(&spec.id, 1, &copy, Quiesce::No).await.unwrap();
        assert!(made.size >= 8 * MIB, "{made:?}");
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
        for file in [copy, path] {
            std::fs::remove_file(file).unwrap();
        }
        cloud.assert_empty();
    });
}

#[test]
fn a_guest_that_finds_no_room_to_write_stands_still_and_goes_on_when_there_is_some() {
    on_a_small_disk(48, async |cloud| {
        let driver = driver(&cloud, 0).await;
        let script = "#!/bin/sh\ndd if=/dev/zero of=/dev/vdb bs=1M count=96 && sync && echo all was written\n";
        let mut spec = demo_server("writer", script);
        spec.ephemeral.push(Ephemeral {
            size_gb: 1,
            guest_format: None,
            ..Ephemeral::default()
        });
        driver.ensure_running(&spec).await.unwrap();
        let stands = async {
            while power(&driver, &spec.id).await != PowerState::Paused {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        let stood = tokio::time::timeout(crate::cloud::BOOT, stands).await;
        stood.expect("it stands still");
        // Also with a driver that did not see it happen.
        drop(driver);
        let driver = self::driver(&cloud, 0).await;
        assert_eq!(power(&driver, &spec.id).await, PowerState::Paused);
        resize(cloud.dir.path(), 400);
        says(&driver, &spec.id, "all was written", 1).await;
        says(&driver, &spec.id, READY, 1).await;
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
        cloud.assert_empty();
    });
}

#[tokio::test]
async fn memory_that_a_crash_cut_off_goes_with_the_next_start() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let first = cloud.driver().await;
    let spec = sized("cut");
    first.ensure_running(&spec).await.unwrap();
    first.suspend().unwrap().suspend(&spec.id, 1).await.unwrap();
    let folder = cloud.dir.path().join("servers").join(&spec.id);
    std::fs::write(folder.join("memory.part"), b"half").unwrap();
    drop(first);
    let driver = cloud.driver().await;
    assert!(!folder.join("memory.part").exists());
    assert_eq!(power(&driver, &spec.id).await, PowerState::Suspended);
    let resumed = driver.suspend().unwrap().resume(&spec.id, 1).await;
    assert_eq!(resumed.unwrap().power_state, PowerState::Running);
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn the_files_that_servers_need_are_known_by_their_records_and_their_disks() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let file = |name: &str| {
        let path = cloud.dir.path().join(name);
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        path
    };
    let mut spec = sized("based");
    let base = file("base");
    spec.root_disk.as_mut().unwrap().image = Some(ImageRef {
        id: "base".into(),
        path: base.clone(),
        format: ImageFormat::Raw,
        virtual_size: 1 << 20,
    });
    driver.ensure_running(&spec).await.unwrap();
    assert!(driver.files_in_use().await.unwrap().contains(&base));
    driver.ensure_gone(&spec.id, 1, Keep::Disks).await.unwrap();
    assert!(driver.list().await.unwrap().is_empty());
    assert!(
        driver.files_in_use().await.unwrap().contains(&base),
        "disks that were kept need it still"
    );
    let record = cloud
        .dir
        .path()
        .join("servers")
        .join(&spec.id)
        .join("spec.json");
    let whole = std::fs::read(&record).unwrap();
    std::fs::remove_file(&record).unwrap();
    assert!(
        driver.files_in_use().await.is_err(),
        "the disk names its base, and nobody knows what else it needs"
    );
    std::fs::write(&record, b"{").unwrap();
    assert!(driver.files_in_use().await.is_err(), "nobody knows");
    std::fs::write(&record, whole).unwrap();
    driver
        .ensure_gone(&spec.id, 1, Keep::Nothing)
        .await
        .unwrap();
    assert!(driver.files_in_use().await.unwrap().is_empty());
    cloud.assert_empty();
}
