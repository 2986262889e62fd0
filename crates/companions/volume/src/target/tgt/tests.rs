use std::net::{Ipv4Addr, TcpListener};

use super::*;
use crate::target::suite::{self, Client, INITIATOR};

/// A tgtd of one's own, which ends with the test.
struct Stage {
    folder: tempfile::TempDir,
    target: std::sync::Arc<Tgt>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(process) = self.target.daemon.process() {
            process.send_kill().expect("killed");
        }
    }
}

/// None where this machine lacks something; says what.
fn stage() -> Option<Stage> {
    let lacks = ["tgtd", "tgtadm", "qemu-img", "qemu-io"]
        .into_iter()
        .find(|program| child::find(Path::new(program)).is_none());
    if let Some(program) = lacks {
        skips::skip(format!("{program} is not installed"));
        return None;
    }
    if !nix::unistd::geteuid().is_root() {
        skips::skip("tgtd runs as root alone");
        return None;
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let portal = free.local_addr().expect("an address");
    let settings = settings::Tgt {
        portal,
        prefix: "iqn.2010-10.org.openstack:".to_owned(),
        // No two tests have the same port.
        control: (portal.port() % 32768).max(1),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let target = Tgt::open(&folder.path().join("exports"), &settings).expect("opens");
    Some(Stage {
        folder,
        target: std::sync::Arc::new(target),
    })
}

fn as_seen_by(info: &Value, initiator: &str, password: &str) -> String {
    let data = &info["data"];
    let text = |name: &str| data[name].as_str().expect("a text").to_owned();
    format!(
        "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={},file.target={},file.lun={},\
         file.user={},file.password={password},file.initiator-name={initiator}",
        text("target_portal"),
        text("target_iqn"),
        data["target_lun"],
        text("auth_username"),
    )
}

fn source(info: &Value) -> String {
    let password = info["data"]["auth_password"].as_str().expect("a text");
    as_seen_by(info, INITIATOR, password)
}

#[tokio::test]
async fn targets_keep_the_contract() {
    let Some(stage) = stage() else {
        return;
    };
    let target = stage.target.clone();
    let client = Client {
        source,
        kill: Box::new(move |_| {
            let process = target.daemon.process().expect("it runs");
            process.send_kill().expect("killed");
            // Its end frees the port.
            while process.alive() {
                std::thread::yield_now();
            }
        }),
    };
    let folder = stage.folder.path();
    suite::run(stage.target.as_ref(), &client, folder, [None, None]).await;
}

#[tokio::test]
async fn only_the_initiator_with_the_password_is_let_in() {
    let Some(stage) = stage() else {
        return;
    };
    let file = stage.folder.path().join("file");
    fs::write(&file, [7; 1 << 20]).expect("written");
    let grant = suite::grant(&file, None);
    let info = stage.target.ensure(&grant).await.expect("served");
    let password = "twelve-or-more";
    assert!(suite::can(&source(&info), "read -P 7 0 4k"));
    for (initiator, password) in [
        ("iqn.2026-01.suite:other", password),
        (INITIATOR, "something-else"),
    ] {
        let source = as_seen_by(&info, initiator, password);
        assert!(!suite::can(&source, "read 0 4k"), "{initiator} {password}");
    }
    // The host has another initiator now.
    let mut other = grant.clone();
    let login = other.login.as_mut().expect("a login");
    login.initiator = "iqn.2026-01.suite:other".to_owned();
    let again = stage.target.ensure(&other).await.expect("served");
    assert_eq!(info, again);
    assert!(!suite::can(&source(&info), "read 0 4k"));
    let source = as_seen_by(&info, "iqn.2026-01.suite:other", password);
    assert!(suite::can(&source, "read -P 7 0 4k"));
    // Targets of others stay.
    let theirs = [
        "--tid",
        "99",
        "-T",
        "iqn.2010-10.org.openstack:volume-theirs",
    ];
    let made = stage.target.daemon.target("new", &theirs).await;
    made.expect("made");
    assert_eq!(stage.target.served().await.expect("listed"), [grant.id]);
    stage.target.ensure_gone(grant.id).await.expect("gone");
    let left = stage.target.daemon.targets().await.expect("shown");
    let left: Vec<u32> = left.expect("it runs").iter().map(|one| one.tid).collect();
    assert_eq!(left, [99]);
}

#[tokio::test]
async fn a_service_that_does_not_run_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    if child::find(Path::new("tgtadm")).is_none() {
        skips::skip("tgtadm is not installed");
        return;
    }
    let settings = settings::Tgt {
        portal: (Ipv4Addr::LOCALHOST, 3260).into(),
        prefix: "iqn.2010-10.org.openstack:".to_owned(),
        control: 0,
    };
    let target = Tgt::open(folder.path(), &settings).expect("opens");
    if target.daemon.targets().await.expect("an answer").is_some() {
        skips::skip("the service tgt runs on this machine");
        return;
    }
    let file = folder.path().join("file");
    fs::write(&file, [0; 4096]).expect("written");
    let grant = suite::grant(&file, None);
    let refused = target.ensure(&grant).await.expect_err("refused");
    assert!(
        refused.to_string().contains("tgtd does not run"),
        "{refused}"
    );
    target
        .ensure_gone(grant.id)
        .await
        .expect("nothing is there");
}
