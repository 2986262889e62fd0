//! The life of volumes.

use http::Method;
use serde_json::json;

use crate::{ADMIN, ALICE, BOB, Cinder, READER, SERVICE};

#[tokio::test]
async fn a_volume_is_made_shown_changed_and_deleted() {
    for cinder in Cinder::all().await {
        // A client that lost the id does not take the list for the volume.
        cinder.get(ALICE, "/volumes/").await.is(404);
        let wish =
            json!({"name": " data ", "description": "mine", "metadata": {"a": "1"}, "size": "2"});
        let made = cinder.begin(ALICE, wish).await;
        assert_eq!(made["status"], "creating");
        let id = made["id"].as_str().expect("an id");
        // What once was an extension is shown in lists and by itself alone.
        assert_eq!(made.get("os-vol-tenant-attr:tenant_id"), None, "{made}");
        let volume = cinder.becomes(id, "available").await;
        assert_eq!(volume["name"], "data");
        assert_eq!(volume["size"], 2);
        assert_eq!(volume["bootable"], "false");
        assert_eq!(volume["metadata"], json!({"a": "1"}));
        assert_eq!(volume["volume_type"], "__DEFAULT__");
        assert_eq!(volume["availability_zone"], "nova");
        assert_eq!(volume["os-vol-host-attr:host"], "here@file#file");
        assert_eq!(volume["os-vol-tenant-attr:tenant_id"], "a11ce");
        let path = format!("/volumes/{id}");
        let changes = json!({"volume": {"name": "other", "metadata": {"b": "2"}}});
        let changed = cinder.put(ALICE, &path, changes).await.is(200).json();
        assert_eq!(changed["volume"]["name"], "other");
        assert_eq!(changed["volume"]["description"], "mine");
        assert_eq!(changed["volume"]["metadata"], json!({"b": "2"}));
        let file = cinder.disk(id);
        assert_eq!(std::fs::metadata(&file).expect("a file").len(), 2 << 30);
        cinder.is_clean().await;
        cinder.removes(ALICE, &path).await;
        assert!(!file.exists());
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn volumes_are_made_of_others() {
    let cinder = Cinder::start().await;
    let from = cinder.volume(ALICE, json!({"size": 2})).await;
    let file = cinder.disk(&from);
    std::fs::write(&file, b"bytes").expect("written");
    let small = json!({"volume": {"size": 1, "source_volid": from}});
    let refused = cinder.post(ALICE, "/volumes", small).await.is(400);
    assert!(
        refused
            .says()
            .contains("cannot be smaller than original volume size")
    );
    let wish = json!({"volume": {"source_volid": from}});
    let made = cinder
        .post(ALICE, "/volumes", wish.clone())
        .await
        .is(202)
        .json();
    assert_eq!(made["volume"]["size"], 2);
    let id = made["volume"]["id"].as_str().expect("an id").to_owned();
    cinder.becomes(&id, "available").await;
    let copy = std::fs::read(cinder.disk(&id));
    assert!(copy.expect("a copy").starts_with(b"bytes"));
    cinder.post(BOB, "/volumes", wish).await.is(404);
}

#[tokio::test]
async fn what_cannot_be_made_is_an_error_that_can_be_deleted() {
    for cinder in Cinder::all().await {
        let kind = json!({"volume_type": {"name": "other", "extra_specs": {"volume_backend_name": "ceph"}}});
        cinder.post(ADMIN, "/types", kind).await.is(200);
        let made = cinder.begin(ALICE, json!({"volume_type": "other"})).await;
        let id = made["id"].as_str().expect("an id");
        let volume = cinder.becomes(id, "error").await;
        assert_eq!(volume["os-vol-host-attr:host"], json!(null));
        cinder
            .delete(ALICE, &format!("/volumes/{id}"))
            .await
            .is(202);
        cinder.get(ALICE, &format!("/volumes/{id}")).await.is(404);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn bodies_are_strict_since_they_are() {
    let cinder = Cinder::start().await;
    let post = async |minor, body| {
        let body = Some(json!({"volume": body}));
        cinder
            .at(minor, ALICE, Method::POST, "/volumes", body)
            .await
    };
    let unknown = json!({"size": 1, "colour": "red"});
    post(52, unknown.clone()).await.is(202);
    assert!(post(53, unknown).await.is(400).says().contains("colour"));
    for (body, says) in [
        (json!({"size": 0}), "less than the minimum of 1"),
        (
            json!({}),
            "Volume size 'None' must be an integer and greater than 0",
        ),
        (
            json!({"size": 1, "metadata": {"a": 1}}),
            "not of type 'string'",
        ),
        (
            json!({"size": 1, "metadata": {"a": "x".repeat(256)}}),
            "is too long",
        ),
        (
            json!({"size": 1, "metadata": {"ä": "x"}}),
            "does not match any of the regexes",
        ),
        (
            json!({"size": 1, "multiattach": true}),
            "multiattach parameter has been removed",
        ),
        (
            json!({"size": 1, "availability_zone": "moon"}),
            "Availability zone 'moon' is invalid.",
        ),
    ] {
        let said = post(53, body).await.is(400).says();
        assert!(said.contains(says), "{said}");
    }
    let none = json!({"size": 1, "volume_type": "none"});
    assert_eq!(
        post(53, none).await.is(404).says(),
        "Volume type with name none could not be found."
    );
    post(53, json!({"size": 1, "imageRef": "x"})).await.is(503);
    let hint = json!({"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": {"same_host": "x"}});
    cinder.post(ALICE, "/volumes", hint).await.is(501);
}

#[tokio::test]
async fn others_neither_see_nor_touch_a_volume() {
    let cinder = Cinder::start().await;
    let id = cinder.volume(ALICE, json!({})).await;
    let path = format!("/volumes/{id}");
    let name = json!({"volume": {"name": "x"}});
    cinder.get(BOB, &path).await.is(404);
    cinder.put(BOB, &path, name.clone()).await.is(404);
    cinder.delete(BOB, &path).await.is(404);
    cinder.get(READER, &path).await.is(200);
    cinder.put(READER, &path, name).await.is(403);
    cinder.delete(READER, &path).await.is(403);
    let seen = cinder.get(SERVICE, &path).await.is(200).json();
    assert_eq!(seen["volume"]["id"], id.as_str());
    let seen = cinder.show(ALICE, &id).await;
    assert!(seen.get("os-vol-host-attr:host").is_none());
    assert!(seen.get("migration_status").is_none());
    assert!(
        cinder
            .show(ADMIN, &id)
            .await
            .get("migration_status")
            .is_some()
    );
}

#[tokio::test]
async fn metadata_is_changed_entry_by_entry() {
    for cinder in Cinder::all().await {
        let id = cinder
            .volume(ALICE, json!({"metadata": {"a": "1", "A": "2"}}))
            .await;
        let path = format!("/volumes/{id}/metadata");
        let all = cinder.get(ALICE, &path).await.is(200);
        let tag = all.headers["etag"].to_str().expect("text").to_owned();
        assert_eq!(all.json()["metadata"], json!({"a": "1", "A": "2"}));
        let more = json!({"metadata": {"b": "3"}});
        let more = cinder.post(ALICE, &path, more).await.is(200).json();
        assert_eq!(more["metadata"], json!({"a": "1", "A": "2", "b": "3"}));
        let one = json!({"meta": {"a": "4"}});
        cinder
            .put(ALICE, &format!("{path}/a"), one.clone())
            .await
            .is(200);
        assert!(
            cinder
                .put(ALICE, &format!("{path}/b"), one)
                .await
                .is(400)
                .says()
                .contains("mismatch")
        );
        let one = cinder.get(ALICE, &format!("{path}/a")).await.is(200).json();
        assert_eq!(one["meta"], json!({"a": "4"}));
        cinder.delete(ALICE, &format!("{path}/a")).await.is(200);
        cinder.delete(ALICE, &format!("{path}/a")).await.is(404);
        cinder.get(ALICE, &format!("{path}/a")).await.is(404);
        let request = http::Request::put(format!("/v3{path}"))
            .header("x-auth-token", ALICE)
            .header("openstack-api-version", "volume 3.15")
            .header("if-match", tag)
            .body(axum::body::Body::from(r#"{"metadata": {}}"#));
        cinder.send(request.expect("request")).await.is(412);
        let all = cinder
            .put(ALICE, &path, json!({"metadata": {}}))
            .await
            .is(200)
            .json();
        assert_eq!(all["metadata"], json!({}));
        cinder
            .put(READER, &path, json!({"metadata": {}}))
            .await
            .is(403);
    }
}

#[tokio::test]
async fn views_follow_the_version() {
    let cinder = Cinder::start().await;
    let id = cinder.volume(ALICE, json!({})).await;
    let has = async |minor, key: &str| {
        let path = format!("/volumes/{id}");
        let shown = cinder
            .at(minor, ADMIN, Method::GET, &path, None)
            .await
            .is(200)
            .json();
        shown["volume"].get(key).is_some()
    };
    for (key, since) in [
        ("group_id", 13),
        ("provider_id", 21),
        ("service_uuid", 48),
        ("cluster_name", 61),
        ("volume_type_id", 63),
        ("consumes_quota", 65),
    ] {
        assert!(!has(since - 1, key).await, "{key}");
        assert!(has(since, key).await, "{key}");
    }
}
