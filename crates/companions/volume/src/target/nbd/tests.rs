use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, chown};

use super::*;
use crate::target::suite::foreign::{by_nbd, can, has_nbd, seen_size};
use crate::target::suite::{self, Client};

/// A port that nothing has, for as long as the listener is not needed.
fn free() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn target(folder: &Path) -> Nbd {
    let settings = settings::Nbd::default();
    Nbd::open(&folder.join("exports"), &settings).expect("opens")
}

#[tokio::test]
async fn daemons_keep_the_contract() {
    if !has_nbd() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let target = target(folder.path());
    let places = target.folder.clone();
    let client = Client {
        source: by_nbd,
        kill: Box::new(move |id| {
            let pid = fs::read_to_string(places.join(id.to_string()).join("pid"));
            let pid = pid.expect("a number").trim().parse().expect("a number");
            kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
        }),
    };
    let [(one, a), (other, b)] = [free(), free()];
    drop((one, other));
    suite::run(&target, &client, folder.path(), [Some(a), Some(b)]).await;
}

#[tokio::test]
async fn a_port_that_another_program_has_is_told() {
    if !has_nbd() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let target = target(folder.path());
    let file = folder.path().join("file");
    fs::write(&file, [0; 4096]).expect("written");
    let (_held, port) = free();
    let refused = target.ensure(&suite::grant(&file, Some(port))).await;
    let refused = refused.expect_err("refused");
    assert!(
        matches!(refused, TargetError::Taken(taken) if taken == port),
        "{refused}"
    );
    let refused = target.ensure(&suite::grant(&file, None)).await;
    let refused = refused.expect_err("refused");
    assert!(refused.to_string().contains("has no port"), "{refused}");
}

/// A line of what the kernel tells of the daemon of an export.
fn status(target: &Nbd, id: Id, key: &str) -> String {
    let pid = fs::read_to_string(target.place(id).join("pid")).expect("a number");
    let told = fs::read_to_string(format!("/proc/{}/status", pid.trim())).expect("it runs");
    let line = told.lines().find_map(|line| line.strip_prefix(key));
    line.expect("told").trim().to_owned()
}

#[tokio::test]
async fn daemons_have_no_capability_that_their_file_does_not_need() {
    if !has_nbd() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let target = target(folder.path());
    if let Some(lack) = &target.abilities.user {
        skips::skip(format!("daemons cannot be without capabilities: {lack}"));
        return;
    }
    // `CAP_DAC_OVERRIDE` is the second one.
    for (owner, capabilities) in [(geteuid(), 0_u64), (Uid::from_raw(65_534), 2)] {
        let file = folder.path().join(owner.to_string());
        fs::write(&file, [7; 1 << 16]).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("closed");
        chown(&file, Some(owner), None).expect("given");
        let (held, port) = free();
        drop(held);
        let grant = suite::grant(&file, Some(port));
        let info = target.ensure(&grant).await.expect("served");
        for key in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:"] {
            let told = status(&target, grant.id, key);
            assert_eq!(told, format!("{capabilities:016x}"), "{key} of {owner}");
        }
        assert_eq!(status(&target, grant.id, "NoNewPrivs:"), "1");
        assert!(can(&by_nbd(&info), "write -P 9 4k 4k"), "{owner}");
        target.ensure_gone(grant.id).await.expect("gone");
    }
}

/// A loop device, which goes with the test.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let gone = child::command("losetup").args(["-d", &self.0]).status();
        assert!(gone.expect("losetup runs").success());
    }
}

#[tokio::test]
async fn a_device_is_served_as_a_file_is() {
    if !has_nbd() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, [7; 1 << 20]).expect("written");
    let made = child::command("losetup")
        .args(["-f", "--show"])
        .arg(&file)
        .output();
    let device = match made {
        Ok(said) if said.status.success() => {
            Loop(String::from_utf8_lossy(&said.stdout).trim().to_owned())
        }
        _ => {
            skips::skip("there are no loop devices");
            return;
        }
    };
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&device.0, &link).expect("linked");
    let target = target(folder.path());
    let (held, port) = free();
    drop(held);
    let grant = suite::grant(&link, Some(port));
    let info = target.ensure(&grant).await.expect("served");
    let source = by_nbd(&info);
    assert_eq!(seen_size(&source), Some(1 << 20));
    assert!(can(&source, "read -P 7 0 4k"));
    assert!(can(&source, "write -P 9 4k 4k"));
    assert!(can(&source, "read -P 9 4k 4k"));
    target.ensure_gone(grant.id).await.expect("gone");
    assert!(!can(&source, "read 0 4k"));
}
