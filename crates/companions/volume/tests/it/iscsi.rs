//! Volumes that are served by iSCSI, by a tgtd of the test's own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use child::{Process, has_option};
use serde_json::{Value, json};
use volume::{Helper, Tgt};
use workflow::testing::found;

use crate::attachments::SERVER;
use crate::foreign::{by_iscsi, can, has_tgtd, seen_size};
use crate::images::{glance, with_glance};
use crate::{ALICE, Cinder, SERVICE};

const INITIATOR: &str = "iqn.2026-01.test:host";

/// A service with a tgtd of its own, which ends with it.
struct Stage {
    cinder: Cinder,
    pid_file: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(process) = self.tgtd() {
            process.send_kill().expect("killed");
        }
    }
}

impl Stage {
    fn tgtd(&self) -> Option<Process> {
        let file = self.pid_file.as_os_str().as_encoded_bytes();
        Process::search(|line: &[u8]| has_option(line, "--pid-file", file))
    }

    async fn iscsi(&self, volume: &str) -> (String, Value) {
        let wish = json!({"attachment": {
            "volume_uuid": volume, "instance_uuid": SERVER,
            "connector": {"host": "there", "initiator": INITIATOR},
        }});
        let made = self.cinder.post(SERVICE, "/attachments", wish).await;
        let made = made.is(200).json()["attachment"].clone();
        let id = made["id"].as_str().expect("an id").to_owned();
        (id, made["connection_info"].clone())
    }
}

/// None where this machine lacks something; says what.
async fn stage() -> Option<Stage> {
    if !has_tgtd() {
        return None;
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let portal = free.local_addr().expect("an address");
    drop(free);
    let cinder = Cinder::on(sql::testing::sqlite().await, |settings| {
        settings.back_end.helper = Helper::Tgt(Tgt {
            portal,
            prefix: "iqn.2010-10.org.openstack:".to_owned(),
            // No two tests have the same port.
            control: (portal.port() % 32768).max(1),
        });
    })
    .await;
    let folder = cinder.settings.export_dir.join("file/tgt");
    let folder = folder.canonicalize().expect("a folder");
    Some(Stage {
        cinder,
        pid_file: folder.join("tgtd.pid"),
    })
}

fn source(info: &Value) -> String {
    by_iscsi(info, INITIATOR, None)
}

#[tokio::test]
async fn an_attachment_is_served_and_opens_nothing_once_it_ended() {
    let Some(stage) = stage().await else {
        return;
    };
    let cinder = &stage.cinder;
    let volume = cinder.volume(ALICE, json!({})).await;
    cinder.write(&volume, b"then");
    // Passwords are sealed with that of the service's user, which is not said yet.
    let wish = json!({"attachment": {
        "volume_uuid": volume, "connector": {"host": "there", "initiator": INITIATOR},
    }});
    cinder.post(SERVICE, "/attachments", wish).await.is(500);
    with_glance(cinder, glance(Default::default()));
    for connector in [
        json!({"host": "there"}),
        json!({"host": "there", "initiator": "--op"}),
        json!({"host": "there", "initiator": "iqn.2026-01.test:a b"}),
    ] {
        let wish = json!({"attachment": {"volume_uuid": volume, "connector": connector}});
        let said = cinder.post(SERVICE, "/attachments", wish).await.is(400);
        assert!(said.says().contains("information: initiator"));
    }
    cinder.becomes(&volume, "available").await;
    assert_eq!(cinder.exports().await, 0);

    let (id, info) = stage.iscsi(&volume).await;
    let data = &info["data"];
    assert_eq!(
        (
            &data["auth_method"],
            &data["volume_id"],
            &data["target_lun"]
        ),
        (&json!("CHAP"), &json!(volume), &json!(1))
    );
    let first = source(&info);
    assert!(can(&first, "read -P 0x74 0 1"));
    assert!(can(&first, "write -P 0x5a 0 4k"));
    assert!(can(&first, "flush"));
    assert_eq!(cinder.read(&volume), [0x5a; 4]);
    // The password is told to who may know it, and is not in the database.
    let shown = cinder.get(SERVICE, &format!("/attachments/{id}")).await;
    let shown = shown.is(200).json()["attachment"]["connection_info"].clone();
    assert_eq!(shown["data"]["auth_password"], data["auth_password"]);
    let password = data["auth_password"].as_str().expect("a text");
    for (table, column) in [("attachments", "connection"), ("exports", "secret")] {
        let kept = cinder.kept(table, column).await;
        assert!(!kept.is_empty() && !kept.contains(password), "{table}");
    }
    cinder.is_clean().await;

    cinder.detached(&id).await;
    assert!(!can(&first, "read 0 1"), "what ended opens nothing");
    let (again, info) = stage.iscsi(&volume).await;
    assert_ne!(info["data"]["auth_password"], data["auth_password"]);
    assert!(can(&source(&info), "read -P 0x5a 0 4k"));
    assert!(!can(&first, "read 0 1"), "what ended stays closed");
    cinder.detached(&again).await;
    assert_eq!(cinder.exports().await, 0);
    cinder.is_clean().await;
}

#[tokio::test]
async fn an_export_that_lost_its_row_gets_the_password_that_is_told() {
    let Some(stage) = stage().await else {
        return;
    };
    let cinder = &stage.cinder;
    with_glance(cinder, glance(Default::default()));
    let volume = cinder.volume(ALICE, json!({})).await;
    let (id, first) = stage.iscsi(&volume).await;
    let lost = format!("DELETE FROM exports WHERE id = '{id}'");
    cinder.change(&lost).await;
    let connector = json!({"attachment": {
        "connector": {"host": "there", "initiator": INITIATOR},
    }});
    let path = format!("/attachments/{id}");
    let again = cinder.put(SERVICE, &path, connector).await.is(200).json();
    let second = again["attachment"]["connection_info"].clone();
    assert_ne!(
        first["data"]["auth_password"],
        second["data"]["auth_password"]
    );
    assert!(can(&source(&second), "read 0 1"));
    cinder.detached(&id).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn what_dies_is_served_again_and_what_grows_is_seen() {
    let Some(stage) = stage().await else {
        return;
    };
    let cinder = &stage.cinder;
    with_glance(cinder, glance(Default::default()));
    let volume = cinder.volume(ALICE, json!({})).await;
    let (id, info) = stage.iscsi(&volume).await;
    let complete = json!({"os-complete": {}});
    let path = format!("/attachments/{id}/action");
    cinder.post(SERVICE, &path, complete).await.is(204);
    let source = source(&info);
    assert_eq!(seen_size(&source), Some(1 << 30));
    let extend = json!({"os-extend": {"new_size": 2}});
    cinder.act(ALICE, &volume, extend).await.is(202);
    cinder.becomes(&volume, "in-use").await;
    assert_eq!(seen_size(&source), Some(2 << 30));
    let tgtd = stage.tgtd().expect("it runs");
    tgtd.send_kill().expect("killed");
    tgtd.exited().await;
    found(|| async {
        match can(&source, "read 0 1") {
            true => Ok(()),
            false => Err("it is not served".to_owned()),
        }
    })
    .await;
    cinder.detached(&id).await;
    cinder.is_clean().await;
    cinder.volumes.stop_serving().await.expect("ended");
    assert!(stage.tgtd().is_none(), "nothing runs");
}
