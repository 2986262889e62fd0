//! A machine that is not as it should be.

use std::os::unix::fs::PermissionsExt;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::cloud::{Cloud, Site, on_a_machine, sh};

#[test]
fn a_machine_without_qemu_says_what_to_install_and_starts_no_server() {
    on_a_machine(&[], || async {
        let mut cloud = Cloud::new("[qemu]\nbinary = /nowhere/qemu");
        cloud.up().await;
        let log = std::fs::read_to_string(cloud.file("kilonova.log")).unwrap();
        let wanted = "/nowhere/qemu does not run: install qemu-system-x86";
        assert!(log.contains(wanted), "{log}");
        let site = Site::make(&cloud).await;
        let (demo, admin) = (cloud.demo().await, cloud.admin().await);
        let server = demo.create(&site, "nowhere", json!({})).await;
        demo.reaches(&server, "ERROR").await;
        let fault = admin.server(&server).await["fault"].clone();
        assert!(fault.to_string().contains(wanted), "{fault}");
        demo.remove(&server).await;
        cloud.finish().await;
    });
}

#[test]
fn two_processes_do_not_share_a_folder_or_an_address() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let second = cloud.run("up");
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(
            !second.status.success() && said.contains("another kilonova"),
            "{said}"
        );
        let neighbour = Cloud::new("");
        let second = neighbour.run("up");
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(
            !second.status.success() && said.contains("[api] bind"),
            "{said}"
        );
        neighbour.finish_unused();
        cloud.finish().await;
    });
}

/// Mounts are this thread's own from now on, and go with it; else why they cannot be.
fn own_mounts() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    let apart = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(none, "/", none, apart, none)
        .map_err(|error| format!("in a chroot, mounts cannot be kept from the machine: {error}"))
}

#[test]
fn a_host_whose_disk_is_full_says_so_and_builds_again_once_there_is_room() {
    on_a_machine(&[], || async {
        let cloud = Cloud::new("");
        // Full by its number of files: room in bytes is what the scheduler would see.
        if let Err(why) = own_mounts() {
            cloud.finish_unused();
            skips::skip(why);
            return;
        }
        let servers = cloud.file("servers");
        std::fs::create_dir(&servers).unwrap();
        sh(&format!(
            "mount -t tmpfs -o size=2g,nr_inodes=2 none {}",
            servers.display()
        ));
        let mut cloud = cloud;
        cloud.up().await;
        let site = Site::make(&cloud).await;
        let (demo, admin) = (cloud.demo().await, cloud.admin().await);
        let first = demo.create(&site, "no-room", json!({})).await;
        demo.reaches(&first, "ERROR").await;
        let fault = admin.server(&first).await["fault"].clone();
        let told = fault["message"].as_str().unwrap();
        assert!(told.contains("The host ran out of disk."), "{fault}");
        assert!(!told.contains("servers/"), "no paths for owners: {fault}");
        let left: Vec<_> = std::fs::read_dir(&servers).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        sh(&format!(
            "mount -o remount,nr_inodes=1000 {}",
            servers.display()
        ));
        let second = demo.create(&site, "room", json!({})).await;
        demo.reaches(&second, "ACTIVE").await;
        demo.remove(&first).await;
        demo.remove(&second).await;
        cloud.finish().await;
    });
}

#[test]
fn databases_without_room_refuse_servers_and_take_them_again_once_there_is_some() {
    on_a_machine(&[], || async {
        let cloud = Cloud::new("");
        if let Err(why) = own_mounts() {
            cloud.finish_unused();
            skips::skip(why);
            return;
        }
        let db = cloud.file("db");
        std::fs::create_dir(&db).unwrap();
        sh(&format!("mount -t tmpfs -o size=24m none {}", db.display()));
        let mut cloud = cloud;
        cloud.up().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let first = demo.create(&site, "first", json!({})).await;
        demo.reaches(&first, "ACTIVE").await;
        // Until nothing fits any more; dd fails at the last byte.
        let ballast = db.join("ballast");
        sh(&format!(
            "dd if=/dev/zero of={} bs=4k 2>/dev/null || true",
            ballast.display()
        ));
        let body = json!({"server": {
            "name": "no-room", "flavorRef": site.flavor, "imageRef": site.image,
            "networks": [{"uuid": site.private}], "user_data": "eHg=".repeat(10_000),
        }});
        let mut taken = Vec::new();
        loop {
            let path = "/compute/v2.1/servers";
            let answer = demo.send(reqwest::Method::POST, path, Some(&body)).await;
            let status = answer.status().as_u16();
            let answer: serde_json::Value = answer.json().await.unwrap();
            if status == 202 {
                // Room within the files themselves is used first.
                taken.push(answer["server"]["id"].as_str().unwrap().to_owned());
                assert!(taken.len() < 20, "it never became full");
                continue;
            }
            assert_eq!(status, 503, "{answer}");
            assert!(answer.to_string().contains("no room left"), "{answer}");
            break;
        }
        assert_eq!(demo.server(&first).await["status"], "ACTIVE");
        std::fs::remove_file(&ballast).unwrap();
        let second = demo.create(&site, "room", json!({})).await;
        demo.reaches(&second, "ACTIVE").await;
        for server in taken.iter().chain([&first, &second]) {
            demo.remove(server).await;
        }
        cloud.finish().await;
    });
}

#[test]
fn a_qemu_that_dies_at_start_makes_an_error_with_its_words_and_leaves_nothing() {
    on_a_machine(&[], || async {
        let cloud = Cloud::new("");
        let wrapper = cloud.file("qemu");
        // Answers the driver's questions, starts no guest.
        let script = "#!/bin/sh\ncase \" $* \" in *' -uuid '* | *' -name '*) echo 'the guest would not fit' >&2; exit 1;; esac\n\
                      exec qemu-system-x86_64 \"$@\"\n";
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        cloud.configure(&format!("[qemu]\nbinary = {}", wrapper.display()));
        let mut cloud = cloud;
        cloud.up().await;
        let site = Site::make(&cloud).await;
        let (demo, admin) = (cloud.demo().await, cloud.admin().await);
        let server = demo.create(&site, "dies", json!({})).await;
        demo.reaches(&server, "ERROR").await;
        let fault = admin.server(&server).await["fault"].clone();
        assert!(
            fault.to_string().contains("the guest would not fit"),
            "{fault}"
        );
        assert!(
            !cloud.file(&format!("servers/{server}")).exists(),
            "its files are gone"
        );
        let ports = admin
            .get("/network/v2.0/ports?device_owner=compute:nova")
            .await;
        assert_eq!(ports["ports"], json!([]), "its port is gone");
        demo.remove(&server).await;
        cloud.finish().await;
    });
}
