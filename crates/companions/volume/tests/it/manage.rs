//! What lies beside the volumes becomes one, and volumes are let go.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Cinder};

impl Cinder {
    /// A file that an operator puts beside the volumes.
    fn put_beside(&self, name: &str, bytes: &[u8]) {
        let folder = self.folder().join("unmanaged");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), bytes).expect("written");
    }

    fn beside(&self) -> Vec<String> {
        let folder = self.folder().join("unmanaged");
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    async fn manageable(&self, what: &str, query: &str) -> Vec<Value> {
        let path = format!("/manageable_{what}/detail?host=here@file{query}");
        let all = self.get(ADMIN, &path).await.is(200).json();
        all[format!("manageable-{what}")]
            .as_array()
            .expect("a list")
            .clone()
    }
}

#[tokio::test]
async fn a_file_becomes_a_volume_and_is_let_go() {
    for cinder in Cinder::all().await {
        cinder.put_beside("disk", b"here");
        let managed = cinder.volume(ALICE, json!({})).await;
        let all = cinder.manageable("volumes", "&sort=reference:asc").await;
        let free = json!({
            "reference": {"source-name": "disk"}, "size": 1, "safe_to_manage": true, "reason_not_safe": null,
            "cinder_id": null, "extra_info": null,
        });
        assert_eq!(all[0], free);
        assert_eq!(
            (&all[1]["cinder_id"], &all[1]["reason_not_safe"]),
            (&json!(managed), &json!("already managed"))
        );
        let page = cinder
            .manageable(
                "volumes",
                "&sort=reference:asc&limit=1&marker={'source-name':'disk'}",
            )
            .await;
        assert_eq!(page[0]["cinder_id"], managed);
        let wish = json!({"volume": {
            "host": "here@file#file", "ref": {"source-name": "disk"}, "name": "n", "bootable": true, "metadata": {"a": "1"},
        }});
        cinder
            .post(ALICE, "/manageable_volumes", wish.clone())
            .await
            .is(403);
        let made = cinder
            .post(ADMIN, "/manageable_volumes", wish.clone())
            .await
            .is(202)
            .json();
        assert_eq!(
            (&made["volume"]["status"], made["volume"].get("group_id")),
            (&json!("creating"), None)
        );
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        let shown = cinder.becomes(&id, "available").await;
        assert_eq!(
            (&shown["size"], &shown["bootable"], &shown["name"]),
            (&json!(1), &json!("true"), &json!("n"))
        );
        assert_eq!(&cinder.read(&id), b"here");
        assert_eq!(cinder.beside(), Vec::<String>::new());
        cinder.is_clean().await;
        // It is not there any more: found out by the work.
        let made = cinder
            .post(ADMIN, "/os-volume-manage", wish)
            .await
            .is(202)
            .json();
        let lost = made["volume"]["id"].as_str().expect("an id").to_owned();
        cinder.becomes(&lost, "error").await;
        cinder.removes(ADMIN, &format!("/volumes/{lost}")).await;
        let action = format!("/volumes/{id}/action");
        let unmanage = json!({"os-unmanage": {}});
        cinder.post(ALICE, &action, unmanage.clone()).await.is(404);
        cinder.post(ADMIN, &action, unmanage).await.is(202);
        cinder.is_gone(&format!("/volumes/{id}")).await;
        assert_eq!(cinder.beside(), [format!("volume-{id}.raw")]);
        cinder.is_clean().await;
        let again = json!({"volume": {"host": "here@file", "ref": {"source-name": format!("volume-{id}.raw")}}});
        let made = cinder
            .post(ADMIN, "/manageable_volumes", again)
            .await
            .is(202)
            .json();
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        cinder.becomes(&id, "available").await;
        assert_eq!(&cinder.read(&id), b"here");
    }
}

#[tokio::test]
async fn a_snapshot_is_let_go_and_taken_over() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let id = cinder.snapshot(ALICE, &volume, json!({})).await;
        cinder.write(&volume, b"now!");
        let path = format!("/snapshots/{id}");
        let unmanage = json!({"os-unmanage": {}});
        cinder
            .post(ALICE, &format!("{path}/action"), unmanage.clone())
            .await
            .is(403);
        cinder
            .post(ADMIN, &format!("{path}/action"), unmanage)
            .await
            .is(202);
        cinder.is_gone(&path).await;
        let name = format!("snapshot-{volume}.{id}.raw");
        assert_eq!(cinder.beside(), std::slice::from_ref(&name));
        let all = cinder.manageable("snapshots", "").await;
        assert_eq!(
            (&all[0]["safe_to_manage"], &all[0]["source_reference"]),
            (&json!(true), &json!({"source-name": volume}))
        );
        assert_eq!(cinder.manageable("volumes", "").await.len(), 1);
        let wish = json!({"snapshot": {"volume_id": volume, "ref": {"source-name": name}, "name": "again"}});
        let made = cinder
            .post(ADMIN, "/manageable_snapshots", wish.clone())
            .await
            .is(202)
            .json();
        let id = made["snapshot"]["id"].as_str().expect("an id").to_owned();
        cinder
            .reaches(&format!("/snapshots/{id}"), "snapshot", "available")
            .await;
        assert_eq!(cinder.beside(), Vec::<String>::new());
        let copy = cinder.volume(ADMIN, json!({"snapshot_id": id})).await;
        assert_eq!(&cinder.read(&copy), b"then");
        let made = cinder
            .post(ADMIN, "/manageable_snapshots", wish)
            .await
            .is(202)
            .json();
        let lost = made["snapshot"]["id"].as_str().expect("an id").to_owned();
        cinder
            .reaches(&format!("/snapshots/{lost}"), "snapshot", "error")
            .await;
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn references_and_hosts_are_checked() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let manage = async |minor, wish: Value| {
        let body = Some(json!({"volume": wish}));
        cinder
            .at(minor, ADMIN, Method::POST, "/os-volume-manage", body)
            .await
    };
    let managed =
        json!({"host": "here@file", "ref": {"source-name": format!("volume-{volume}.raw")}});
    let said = manage(71, managed).await.is(400).says();
    assert!(said.ends_with("The volume is already managed"), "{said}");
    for (wish, code) in [
        (
            json!({"host": "there@file", "ref": {"source-name": "x"}}),
            503,
        ),
        (json!({"ref": {"source-name": "x"}}), 400),
        (json!({"host": "here@file"}), 400),
        (json!({"host": "here@file", "cluster": "c", "ref": {}}), 400),
    ] {
        manage(71, wish).await.is(code);
    }
    // No name leads out of the folder.
    for name in ["../x", "/etc/passwd", "", "."] {
        let wish = json!({"host": "here@file", "ref": {"source-name": name}});
        let made = manage(71, wish).await.is(202).json();
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        cinder.becomes(&id, "error").await;
    }
    for (query, code) in [
        ("", 400),
        ("?host=there@file", 404),
        ("?host=here@file&sort=name:asc", 400),
    ] {
        cinder
            .get(ADMIN, &format!("/manageable_volumes{query}"))
            .await
            .is(code);
    }
    cinder
        .get(ALICE, "/manageable_volumes?host=here@file")
        .await
        .is(403);
    cinder.is_clean().await;
}

#[tokio::test]
async fn a_file_is_not_taken_over_before_what_it_was_is_gone() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let snapshot = cinder.snapshot(ALICE, &volume, json!({})).await;
        // As the work leaves it that lets them go and is killed before it is done.
        let names = [
            format!("volume-{volume}.raw"),
            format!("snapshot-{volume}.{snapshot}.raw"),
        ];
        for (name, what) in names.iter().zip(["volume", "snapshot"]) {
            cinder.put_beside(name, b"here");
            let of_volume = json!({"volume": {"host": "here@file", "ref": {"source-name": name}}});
            let of_snapshot =
                json!({"snapshot": {"volume_id": volume, "ref": {"source-name": name}}});
            for (path, wish) in [
                ("/manageable_volumes", of_volume),
                ("/manageable_snapshots", of_snapshot),
            ] {
                let said = cinder.post(ADMIN, path, wish).await.is(400).says();
                let why = format!("The {what} is already managed");
                assert!(said.ends_with(&why), "{said}");
            }
        }
        assert_eq!(cinder.beside().len(), 2);
    }
}

#[tokio::test]
async fn what_is_taken_over_counts() {
    for cinder in Cinder::all().await {
        cinder.put_beside("disk", b"here");
        let limits = json!({"quota_set": {"volumes": 0}});
        cinder.put(ADMIN, "/os-quota-sets/ad", limits).await.is(200);
        let wish = json!({"volume": {"host": "here@file", "ref": {"source-name": "disk"}}});
        let made = cinder
            .post(ADMIN, "/manageable_volumes", wish)
            .await
            .is(202)
            .json();
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        cinder.becomes(&id, "error").await;
        assert_eq!(cinder.beside(), ["disk"]);
    }
}

#[tokio::test]
async fn one_of_those_who_ask_for_a_file_at_once_gets_it() {
    for cinder in Cinder::all().await {
        for round in 0..5 {
            let name = format!("disk-{round}");
            cinder.put_beside(&name, b"here");
            let wish = json!({"volume": {"host": "here@file", "ref": {"source-name": name}}});
            let ask = || cinder.post(ADMIN, "/manageable_volumes", wish.clone());
            let mut there = 0;
            for made in futures::future::join_all((0..3).map(|_| ask())).await {
                if made.status == http::StatusCode::BAD_REQUEST {
                    assert!(made.says().ends_with("taken over by another request."));
                    continue;
                }
                let id = made.is(202).json()["volume"]["id"].clone();
                let id = id.as_str().expect("an id");
                cinder.rests(id).await;
                match cinder.show(ADMIN, id).await["status"].as_str() {
                    Some("available") => there += 1,
                    other => assert_eq!(other, Some("error")),
                }
                cinder.removes(ADMIN, &format!("/volumes/{id}")).await;
            }
            assert_eq!(there, 1);
            assert_eq!(cinder.beside(), Vec::<String>::new());
        }
        cinder.is_clean().await;
    }
}
