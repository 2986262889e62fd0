//! A logical unit of a real target (tgtd, which works in user space).

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Output};
use std::time::Duration;

use storage_daemon::{Chap, Error, Source};

use crate::place::{Place, io};

const TARGET: &str = "iqn.2010-10.org.openstack:volume-1";
const PASSWORD: &str = "secretsecret12";

/// A target with one unit, number 1, for who knows the password. It ends with the test.
struct Target {
    daemon: Child,
    port: u16,
}

/// The number of a daemon's control socket, below 32768.
fn control(port: u16) -> String {
    (port % 32_767 + 1).to_string()
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.daemon.kill(); // it may have ended
        let _ = self.daemon.wait();
    }
}

impl Target {
    /// None where there is no such program, or it does not start here.
    async fn new(file: &Path) -> Option<Self> {
        if child::find(Path::new("tgtd")).is_none() {
            skips::skip("tgtd (package tgt) is not installed");
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let daemon = child::command("tgtd")
            .args(["-f", "-C", &control(port)])
            .args(["--iscsi", &format!("portal=127.0.0.1:{port}")])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let target = Self { daemon, port };
        let file = file.to_str().unwrap();
        let mut made = target.admin(&["target", "new", "--tid", "1", "--targetname", TARGET]);
        for _ in 0..100 {
            if made.status.success() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            made = target.admin(&["target", "new", "--tid", "1", "--targetname", TARGET]);
        }
        for words in [
            &[
                "logicalunit",
                "new",
                "--tid",
                "1",
                "--lun",
                "1",
                "--backing-store",
                file,
            ][..],
            &["target", "bind", "--tid", "1", "--initiator-address", "ALL"],
            &["account", "new", "--user", "bob", "--password", PASSWORD],
            &["account", "bind", "--tid", "1", "--user", "bob"],
        ] {
            made = target.admin(words);
            assert!(made.status.success(), "{words:?}: {made:?}");
        }
        Some(target)
    }

    fn admin(&self, words: &[&str]) -> Output {
        child::command("tgtadm")
            .args(["-C", &control(self.port), "--lld", "iscsi"])
            .args(["--mode", words[0], "--op", words[1]])
            .args(&words[2..])
            .output()
            .unwrap()
    }

    fn unit(&self, lun: u32, password: Option<&str>) -> Source {
        Source::Iscsi {
            host: "127.0.0.1".into(),
            port: self.port,
            target: TARGET.into(),
            lun,
            initiator: "iqn.2026-01.org.example:host".into(),
            chap: password.map(|password| Chap {
                user: "bob".into(),
                password: password.to_owned().into(),
            }),
        }
    }
}

#[tokio::test]
async fn a_unit_is_served_to_who_knows_the_password() {
    let Some(place) = Place::new() else { return };
    let file = place.volume(8);
    let Some(target) = Target::new(&file).await else {
        return;
    };
    for wrong in [
        target.unit(1, None),
        target.unit(1, Some("another-password")),
        target.unit(7, Some(PASSWORD)),
    ] {
        match place.ensure(&place.wanted(wrong)).await {
            Err(Error::NoDriver { .. }) => {
                skips::skip("QEMU has no driver for iSCSI (package qemu-block-extra)");
                return;
            }
            Err(Error::Refused { why, .. }) => assert!(!why.contains("password"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let wanted = place.wanted(target.unit(1, Some(PASSWORD)));
    let running = place.ensure(&wanted).await.unwrap();
    assert_eq!(running.bytes, 8 << 20);
    let said = io(&place.client("volume-1"), "write -P 0x5a 4096 4096").await;
    assert!(said.contains("wrote 4096/4096"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap()[4096], 0x5a);
    // Nowhere on the command line, and in no file.
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", running.process.pid)).unwrap();
    let mut texts = vec![cmdline];
    for entry in std::fs::read_dir(place.folder()).unwrap() {
        texts.push(std::fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    for text in texts {
        assert!(!String::from_utf8_lossy(&text).contains(PASSWORD));
    }
    place.end().await;
}
