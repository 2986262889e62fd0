//! What the disks of a server hold over another size, confirmed or taken back.

use std::path::PathBuf;
use std::process::Command;

use hypervisor::{Driver, Ephemeral, ServerSpec, StopHow, qcow2};

use crate::cloud::{Cloud, small};

const HOW: StopHow = StopHow::Hard;

/// What a tool says of a disk, which a running guest may have open.
fn tool(program: &str, args: &[&str], disk: &PathBuf) -> String {
    let output = Command::new(program).args(args).arg(disk).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}{why}");
    said
}

/// Whether a MiB of the disk, at so many of them, is full of a byte.
fn holds(disk: &PathBuf, mib: u64, byte: u8) -> bool {
    let read = format!("read -P {byte} {mib}M 1M");
    !tool("qemu-io", &["-f", "qcow2", "-c", &read], disk).contains("verification failed")
}

fn write(disk: &PathBuf, mib: u64, byte: u8) {
    let write = format!("write -P {byte} {mib}M 1M");
    tool("qemu-io", &["-f", "qcow2", "-c", &write], disk);
}

fn stills(disk: &PathBuf) -> String {
    tool("qemu-img", &["snapshot", "-U", "-l"], disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_grow_and_are_what_they_were_when_it_is_taken_back() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let able = Driver::resize(&driver).unwrap();
    let mut spec = small("resized");
    spec.ephemeral = vec![Ephemeral {
        size_gb: 1,
        guest_format: None,
        ..Ephemeral::default()
    }];
    let folder = cloud.dir.path().join("servers").join(&spec.id);
    let (root, ephemeral) = (folder.join("disk.qcow2"), folder.join("ephemeral0.qcow2"));
    driver.ensure_running(&spec).await.unwrap();
    driver.ensure_stopped(&spec.id, 1, HOW).await.unwrap();
    for disk in [&root, &ephemeral] {
        write(disk, 0, 0x11);
    }
    let larger = |epoch| {
        let mut larger = spec.clone();
        larger.epoch = epoch;
        larger.swap_mb = 8;
        larger.root_disk.as_mut().unwrap().size_gb = 2;
        larger.ephemeral[0].size_gb = 2;
        larger
    };
    able.resize(&larger(2), HOW, true).await.unwrap();
    driver.ensure_stopped(&spec.id, 2, HOW).await.unwrap();
    for disk in [&root, &ephemeral] {
        assert_eq!(qcow2::virtual_size(disk).unwrap(), 2 << 30);
        assert!(holds(disk, 0, 0x11), "what was there is there");
        write(disk, 0, 0x22);
        write(disk, 1500, 0x22);
    }
    let as_before = ServerSpec {
        epoch: 3,
        ..spec.clone()
    };
    able.revert_resize(&as_before, HOW, false).await.unwrap();
    for disk in [&root, &ephemeral] {
        assert_eq!(qcow2::virtual_size(disk).unwrap(), 1 << 30);
        assert!(holds(disk, 0, 0x11), "what was there before is there again");
        assert_eq!(stills(disk), "", "nothing is kept");
        assert!(tool("qemu-img", &["check"], disk).contains("No errors"));
    }
    assert!(!folder.join("swap.raw").exists());

    // Confirmed while the guest runs.
    able.resize(&larger(4), HOW, false).await.unwrap();
    write(&root, 1, 0x33);
    driver.ensure_running(&larger(5)).await.unwrap();
    assert!(stills(&root).contains("resize-4"), "{}", stills(&root));
    able.confirm_resize(&spec.id, 6).await.unwrap();
    driver.ensure_stopped(&spec.id, 6, HOW).await.unwrap();
    for disk in [&root, &ephemeral] {
        assert_eq!(stills(disk), "", "nothing is kept");
        assert!(holds(disk, 0, 0x11));
        assert!(tool("qemu-img", &["check"], disk).contains("No errors"));
    }
    assert!(holds(&root, 1, 0x33), "what was written since stays");
    driver
        .ensure_gone(&spec.id, 7, hypervisor::Keep::Nothing)
        .await
        .unwrap();
    cloud.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_disks_are_confirmed_in_a_running_guest_too() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let able = Driver::resize(&driver).unwrap();
    let mut spec = small("limited");
    spec.hardware.disk_limits.bytes.total = 50 << 20;
    let root = cloud
        .dir
        .path()
        .join("servers")
        .join(&spec.id)
        .join("disk.qcow2");
    driver.ensure_running(&spec).await.unwrap();
    let mut larger = spec.clone();
    larger.epoch = 2;
    larger.root_disk.as_mut().unwrap().size_gb = 2;
    able.resize(&larger, HOW, true).await.unwrap();
    assert!(stills(&root).contains("resize-2"));
    able.confirm_resize(&spec.id, 3).await.unwrap();
    assert_eq!(stills(&root), "");
    driver
        .ensure_gone(&spec.id, 4, hypervisor::Keep::Nothing)
        .await
        .unwrap();
    cloud.assert_empty();
}
