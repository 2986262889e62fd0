use std::net::{Ipv4Addr, TcpListener};

use super::*;
use crate::target::suite::foreign::{by_iscsi, can, has, has_tgtd};
use crate::target::suite::{self, Client, INITIATOR};

/// A tgtd of one's own, which ends with the test.
struct Stage {
    folder: tempfile::TempDir,
    settings: settings::Tgt,
    target: std::sync::Arc<Tgt>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(process) = self.target.daemon.process() {
            process.send_kill().expect("killed");
        }
    }
}

impl Stage {
    /// A file full of sevens, to be served.
    fn grant(&self) -> Grant {
        let file = self.folder.path().join("file");
        fs::write(&file, [7; 1 << 20]).expect("written");
        suite::grant(&file, None)
    }
}

/// None where this machine lacks something; says what.
fn stage() -> Option<Stage> {
    if !has_tgtd() {
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
        settings,
        target: std::sync::Arc::new(target),
    })
}

fn source(info: &Value) -> String {
    by_iscsi(info, INITIATOR, None)
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
    let grant = stage.grant();
    let info = stage.target.ensure(&grant).await.expect("served");
    let password = "twelve-or-more";
    assert!(can(&source(&info), "read -P 7 0 4k"));
    let stands = stage.target.standing().await.expect("shown");
    assert!(stands(&grant));
    for (initiator, password) in [
        ("iqn.2026-01.suite:other", password),
        (INITIATOR, "something-else"),
    ] {
        let source = by_iscsi(&info, initiator, Some(password));
        assert!(!can(&source, "read 0 4k"), "{initiator} {password}");
    }
    // The host has another initiator now.
    let mut other = grant.clone();
    let login = other.login.as_mut().expect("a login");
    login.initiator = "iqn.2026-01.suite:other".to_owned();
    let again = stage.target.ensure(&other).await.expect("served");
    assert_eq!(info, again);
    assert!(!can(&source(&info), "read 0 4k"));
    let stands = stage.target.standing().await.expect("shown");
    assert!(stands(&other) && !stands(&grant));
    let larger = Grant {
        size: 2 * other.size,
        ..other
    };
    assert!(!stands(&larger));
    let source = by_iscsi(&info, "iqn.2026-01.suite:other", Some(password));
    assert!(can(&source, "read -P 7 0 4k"));
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
async fn another_prefix_leaves_no_target_behind() {
    let Some(stage) = stage() else {
        return;
    };
    let grant = stage.grant();
    let info = stage.target.ensure(&grant).await.expect("served");
    let prefix = "iqn.2026-01.another:".to_owned();
    let settings = settings::Tgt {
        prefix,
        ..stage.settings.clone()
    };
    let other = Tgt::open(&stage.target.folder, &settings).expect("opens");
    let note = stage.target.note(grant.id);
    let name = info["data"]["target_iqn"].as_str().expect("a name");
    let noted = format!("{} {name}", grant.size);
    // A note of a program of before has no name; nor has one of a run that was killed while it wrote.
    for text in [noted.clone(), grant.size.to_string(), String::new()] {
        fs::write(&note, text).expect("written");
        assert_eq!(info, other.ensure(&grant).await.expect("served"));
        assert_eq!(fs::read_to_string(&note).expect("read"), noted);
        assert!(can(&source(&info), "read -P 7 0 4k"));
        let stranger = by_iscsi(&info, INITIATOR, Some("something-else"));
        assert!(!can(&stranger, "read 0 4k"), "it asks on");
    }
    for text in [noted, grant.size.to_string()] {
        stage.target.ensure(&grant).await.expect("served");
        fs::write(&note, text).expect("written");
        other.ensure_gone(grant.id).await.expect("gone");
        let left = other.daemon.targets().await.expect("shown");
        assert_eq!(left, Some(Vec::new()));
        assert!(!note.exists());
    }
}

#[tokio::test]
async fn an_account_stays_while_a_target_has_it() {
    let Some(stage) = stage() else {
        return;
    };
    let grant = stage.grant();
    stage.target.ensure(&grant).await.expect("served");
    let (daemon, user) = (&stage.target.daemon, user_of(grant.id));
    let odd = ["--tid", "99", "-T", "iqn.2026-01.suite:odd"];
    daemon.target("new", &odd).await.expect("made");
    daemon.bind_account("99", &user).await.expect("bound");
    let refused = stage.target.ensure_gone(grant.id).await;
    let refused = refused.expect_err("refused").to_string();
    assert!(
        refused.contains("iqn.2026-01.suite:odd has it"),
        "{refused}"
    );
    let left = daemon.targets().await.expect("shown").expect("it runs");
    assert_eq!(left.len(), 1, "the export's own target is gone");
    assert_eq!(left[0].accounts, [user]);
    assert_eq!(stage.target.served().await.expect("listed"), [grant.id]);
    daemon
        .target("delete", &["--tid", "99"])
        .await
        .expect("gone");
    let gone = stage.target.ensure_gone(grant.id).await;
    gone.expect("gone");
    assert_eq!(stage.target.served().await.expect("listed"), []);
}

#[test]
fn targets_are_ours_by_their_ids() {
    let (volume, id) = (crate::driver::suite::id(), crate::driver::suite::id());
    for prefix in ["iqn.2010-10.org.openstack:", "iqn.2026-01.volume-:", ""] {
        assert_eq!(export(&format!("{prefix}volume-{volume}-{id}")), Some(id));
    }
    for odd in [
        String::new(),
        id.to_string(),
        format!("volume-{volume}"),
        format!("volume-{volume}{id}"),
        format!("volume-x{volume}-{id}"),
        format!("ä{id}"),
    ] {
        assert_eq!(export(&odd), None, "{odd}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_run_is_told() {
    if !has(&["tgtadm"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
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
