//! Volumes that are served by NBD, with QEMU's tools as a client that is none of ours.

use std::fs;
use std::net::Ipv4Addr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use volume::{Helper, Nbd, Settings};
use workflow::testing::found;

use crate::attachments::SERVER;
use crate::foreign::{by_nbd, can, has_nbd, seen_size};
use crate::{ADMIN, ALICE, Answer, BOB, Cinder, SERVICE};

fn served(settings: &mut Settings) {
    settings.back_end.helper = Helper::Nbd(Nbd::default());
}

/// A service on SQLite that serves by NBD; none where this machine lacks something.
async fn serving() -> Option<Cinder> {
    match has_nbd() {
        true => Some(Cinder::on(sql::testing::sqlite().await, served).await),
        false => None,
    }
}

/// The same with a volume.
async fn stage() -> Option<(Cinder, String)> {
    let cinder = serving().await?;
    let volume = cinder.volume(ALICE, json!({})).await;
    Some((cinder, volume))
}

impl Cinder {
    /// A server has the volume: the id of its attachment, and how it is reached.
    pub async fn served_to(&self, volume: &str, server: &str) -> (String, Value) {
        let id = self.attached(volume, server).await;
        let shown = self.get(SERVICE, &format!("/attachments/{id}")).await;
        let info = shown.is(200).json()["attachment"]["connection_info"].clone();
        (id, info)
    }

    pub async fn detached(&self, attachment: &str) {
        let path = format!("/attachments/{attachment}");
        self.delete(SERVICE, &path).await.is(200);
    }

    /// A host asks for the volume without an attachment.
    async fn connects(&self, volume: &str) -> Answer {
        let asked = json!({"os-initialize_connection": {"connector": {"host": "there"}}});
        self.act(ALICE, volume, asked).await
    }

    fn daemon(&self, attachment: &str) -> Option<Pid> {
        let folder = self.settings.export_dir.join("file/nbd");
        let folder = folder.join(attachment);
        let text = fs::read_to_string(folder.join("pid")).ok()?;
        Some(Pid::from_raw(text.trim().parse().ok()?))
    }

    pub async fn exports(&self) -> u64 {
        use sql::sea_orm::{ConnectionTrait, Statement};
        let db = self.db.read();
        let query = "SELECT COUNT(*) AS count FROM exports";
        let asked = Statement::from_string(db.get_database_backend(), query);
        let row = db.query_one_raw(asked).await.expect("an answer");
        let count: i64 = row.expect("a row").try_get("", "count").expect("a number");
        count.unsigned_abs()
    }

    /// A column as the database keeps it.
    pub async fn kept(&self, table: &str, column: &str) -> String {
        use sql::sea_orm::{ConnectionTrait, Statement};
        let db = self.db.read();
        let query = format!("SELECT COALESCE({column}, '') AS kept FROM {table}");
        let asked = Statement::from_string(db.get_database_backend(), query);
        let rows = db.query_all_raw(asked).await.expect("an answer");
        let texts = rows.iter().map(|row| {
            let text: String = row.try_get("", "kept").expect("a text");
            text
        });
        texts.collect()
    }
}

#[tokio::test]
async fn an_attachment_is_served_and_opens_nothing_once_it_ended() {
    if !has_nbd() {
        return;
    }
    for db in sql::testing::engines().await {
        let cinder = Cinder::on(db, served).await;
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let (id, info) = cinder.served_to(&volume, SERVER).await;
        let first = by_nbd(&info);
        let data = &info["data"];
        assert_eq!(
            (&data["access_mode"], &data["encrypted"], &data["qos_specs"]),
            (&json!("rw"), &json!(false), &json!(null))
        );
        assert_eq!(data["host"], "127.0.0.1");
        assert!(can(&first, "read -P 0x74 0 1"));
        assert!(can(&first, "write -P 0x5a 0 4k"));
        assert!(can(&first, "flush"));
        assert_eq!(cinder.read(&volume), [0x5a; 4]);
        assert!(!can(
            &first.replace(data["export"].as_str().expect("a name"), "other"),
            "read 0 1"
        ));
        // What a server has is copied while it is served, where that is forced.
        let wish = json!({"snapshot": {"volume_id": volume, "force": true}});
        let made = cinder
            .at(65, ALICE, http::Method::POST, "/snapshots", Some(wish))
            .await;
        let made = made.is(202).json();
        let path = format!(
            "/snapshots/{}",
            made["snapshot"]["id"].as_str().expect("an id")
        );
        cinder
            .shows(&path, "snapshot", ("status", "available"))
            .await;
        cinder.removes(ALICE, &path).await;
        cinder.is_clean().await;

        cinder.detached(&id).await;
        assert!(!can(&first, "read 0 1"), "what ended opens nothing");
        assert_eq!(cinder.daemon(&id), None);
        let (again, info) = cinder.served_to(&volume, SERVER).await;
        let second = by_nbd(&info);
        assert_ne!(info["data"]["export"], data["export"]);
        assert!(can(&second, "read -P 0x5a 0 4k"));
        assert!(!can(&first, "read 0 1"), "what ended stays closed");
        cinder.detached(&again).await;
        cinder.removes(ALICE, &format!("/volumes/{volume}")).await;
        assert_eq!(cinder.exports().await, 0);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn what_dies_is_served_again_at_the_same_place() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let (id, info) = cinder.served_to(&volume, SERVER).await;
    let url = by_nbd(&info);
    let pid = cinder.daemon(&id).expect("a daemon");
    kill(pid, Signal::SIGKILL).expect("killed");
    let is_served = || async {
        match can(&url, "read 0 1") {
            true => Ok(()),
            false => Err("it is not served".to_owned()),
        }
    };
    found(is_served).await;
    assert_ne!(cinder.daemon(&id), Some(pid));
    // All of them, as when the machine starts anew.
    cinder.volumes.stop_serving().await.expect("ended");
    found(is_served).await;
    cinder.detached(&id).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn the_audit_names_what_died_and_what_lost_its_row() {
    let Some((mut cinder, one)) = stage().await else {
        return;
    };
    let other = cinder.volume(ALICE, json!({})).await;
    let (id, _) = cinder.served_to(&one, SERVER).await;
    let (lost, info) = cinder.served_to(&other, SERVER).await;
    let reached = by_nbd(&info);
    cinder.is_clean().await;
    // Nobody looks after exports from now on.
    cinder.stop.cancel();
    while cinder.tasks.join_next().await.is_some() {}
    kill(cinder.daemon(&id).expect("a daemon"), Signal::SIGKILL).expect("killed");
    let forgotten = format!("DELETE FROM exports WHERE id = '{lost}'");
    cinder.change(&forgotten).await;
    let wanted = [
        format!("the export {lost} is served by here@file and no attachment needs it"),
        format!("the export {id} of volume {one} is not served by here@file"),
        format!("the attachment {lost} of volume {other} is connected and has no export"),
    ];
    found(|| async {
        let audit = cinder.volumes.audit().await.expect("audit");
        match audit == wanted {
            true => Ok(()),
            false => Err(format!("{audit:?}")),
        }
    })
    .await;
    assert!(can(&reached, "read 0 1"));
    cinder.volumes.stop_serving().await.expect("ended");
    assert!(!can(&reached, "read 0 1"));
}

#[tokio::test]
async fn what_nobody_needs_is_ended() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let ends = |url: String| async move {
        found(|| async {
            match can(&url, "read 0 1") {
                true => Err("it is served for nobody".to_owned()),
                false => Ok(()),
            }
        })
        .await;
    };
    // Its row went, and a crash kept the daemon.
    let (id, info) = cinder.served_to(&volume, SERVER).await;
    cinder
        .change(&format!("DELETE FROM exports WHERE id = '{id}'"))
        .await;
    ends(by_nbd(&info)).await;
    cinder.detached(&id).await;
    // Its attachment went, and a crash kept the row.
    let (id, info) = cinder.served_to(&volume, SERVER).await;
    cinder
        .change(&format!("DELETE FROM attachments WHERE id = '{id}'"))
        .await;
    ends(by_nbd(&info)).await;
    cinder.becomes_clean().await;
}

#[tokio::test]
async fn a_volume_in_use_becomes_larger_for_its_hosts() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let (id, info) = cinder.served_to(&volume, SERVER).await;
    let url = by_nbd(&info);
    assert_eq!(seen_size(&url), Some(1 << 30));
    let extend = json!({"os-extend": {"new_size": 2}});
    cinder.act(ALICE, &volume, extend).await.is(202);
    cinder.becomes(&volume, "in-use").await;
    assert_eq!(seen_size(&url), Some(2 << 30));
    cinder.detached(&id).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn each_of_two_attachments_ends_alone() {
    let Some(cinder) = serving().await else {
        return;
    };
    let kind =
        json!({"volume_type": {"name": "many", "extra_specs": {"multiattach": "<is> True"}}});
    cinder.post(ADMIN, "/types", kind).await.is(200);
    let volume = cinder.volume(ALICE, json!({"volume_type": "many"})).await;
    let (one, info) = cinder.served_to(&volume, SERVER).await;
    let other = "5e12e000-0000-4000-8000-0000000000ff";
    let (other, second) = cinder.served_to(&volume, other).await;
    let (url_of_one, url_of_other) = (by_nbd(&info), by_nbd(&second));
    assert_ne!(info["data"]["port"], second["data"]["port"]);
    assert!(can(&url_of_one, "write -P 0x5a 0 4k"));
    assert!(can(&url_of_other, "read -P 0x5a 0 4k"));
    cinder.detached(&one).await;
    assert!(!can(&url_of_one, "read 0 1"));
    assert!(can(&url_of_other, "read -P 0x5a 0 4k"));
    cinder.detached(&other).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn hosts_that_ask_without_an_attachment_are_served_until_they_end_it() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let info = cinder.connects(&volume).await.is(200).json();
    let again = cinder.connects(&volume).await.is(200).json();
    assert_eq!(info, again);
    let first = by_nbd(&info["connection_info"]);
    assert!(can(&first, "read 0 1"));
    let end = json!({"os-terminate_connection": {"connector": {"host": "there"}}});
    cinder.act(ALICE, &volume, end).await.is(202);
    assert!(!can(&first, "read 0 1"));
    let info = cinder.connects(&volume).await.is(200).json();
    let second = by_nbd(&info["connection_info"]);
    assert_ne!(first, second);
    // The volume goes with all that serves it.
    cinder.removes(ALICE, &format!("/volumes/{volume}")).await;
    assert!(!can(&second, "read 0 1"));
    assert_eq!(cinder.exports().await, 0);
    cinder.is_clean().await;
}

#[tokio::test]
async fn hosts_that_had_a_volume_do_not_reach_it_in_another_project() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let info = cinder.connects(&volume).await.is(200).json();
    let url = by_nbd(&info["connection_info"]);
    assert!(can(&url, "read 0 1"));
    let offer = json!({"transfer": {"volume_id": volume}});
    let offer = cinder.post(ALICE, "/volume-transfers", offer).await;
    let offer = offer.is(202).json()["transfer"].clone();
    let said = cinder.connects(&volume).await.is(400).says();
    assert!(said.ends_with("awaits a transfer."), "{said}");
    let accept = json!({"accept": {"auth_key": offer["auth_key"]}});
    let id = offer["id"].as_str().expect("an id");
    let path = format!("/volume-transfers/{id}/accept");
    cinder.post(BOB, &path, accept).await.is(202);
    assert!(!can(&url, "read 0 1"));
    assert_eq!(cinder.exports().await, 0);
    cinder.is_clean().await;
}

#[tokio::test]
async fn who_detaches_what_was_noted_last_ends_what_its_host_reached() {
    let Some((cinder, volume)) = stage().await else {
        return;
    };
    let info = cinder.connects(&volume).await.is(200).json();
    let url = by_nbd(&info["connection_info"]);
    let noted = json!({"os-attach": {"host_name": "there", "mountpoint": "/dev/vdb"}});
    cinder.act(ALICE, &volume, noted).await.is(202);
    assert!(can(&url, "read 0 1"));
    let shown = cinder.show(ALICE, &volume).await;
    let id = shown["attachments"][0]["attachment_id"].as_str();
    cinder.detached(id.expect("an id")).await;
    assert!(!can(&url, "read 0 1"));
    assert_eq!(cinder.exports().await, 0);
    cinder.is_clean().await;
}

#[tokio::test]
async fn an_attachment_that_cannot_be_served_is_given_back() {
    if !has_nbd() {
        return;
    }
    let held = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = held.local_addr().expect("an address").port();
    let cinder = Cinder::on(sql::testing::sqlite().await, |settings| {
        settings.back_end.helper = Helper::Nbd(Nbd {
            ports: port..=port,
            ..Nbd::default()
        });
    })
    .await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let wish = |connector: Value| {
        json!({"attachment": {
            "volume_uuid": volume, "instance_uuid": SERVER, "connector": connector,
        }})
    };
    let asked = cinder.post(SERVICE, "/attachments", wish(json!({"ip": "10.0.0.1"})));
    let said = asked.await.is(400).says();
    assert!(said.contains("required information: host"), "{said}");
    // Another program has the only port.
    let asked = cinder.post(SERVICE, "/attachments", wish(json!({"host": "there"})));
    let said = asked.await.is(503).says();
    assert_eq!(said, "The back end has no port left.");
    cinder.becomes(&volume, "available").await;
    assert_eq!(cinder.exports().await, 0);
    drop(held);
    let (id, info) = cinder.served_to(&volume, SERVER).await;
    assert_eq!(info["data"]["port"], port);
    // Now another export has it.
    let other = cinder.volume(ALICE, json!({})).await;
    cinder.connects(&other).await.is(503);
    cinder.detached(&id).await;
    cinder.is_clean().await;
}

#[tokio::test]
async fn pools_say_how_they_are_reached() {
    let Some(cinder) = serving().await else {
        return;
    };
    let said = cinder.get(ADMIN, "/capabilities/here@file").await.is(200);
    assert_eq!(said.json()["storage_protocol"], "nbd");
}
