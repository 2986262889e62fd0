//! Nothing is accepted and ignored: what bodies may say.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Cinder};

const NOWHERE: &str = "b0d1f6a2-5f0c-4b43-9d9e-0f6a3c2e7d11";

#[tokio::test]
async fn what_cinder_refuses_is_refused() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let action = format!("/volumes/{volume}/action");
    let no_type = format!("/types/{NOWHERE}/extra_specs/a%2Fb");
    let no_snapshot = format!("/snapshots/{NOWHERE}");
    let notes = format!("{no_snapshot}/metadata");
    let refused: &[(Method, &str, Value, &str)] = &[
        (
            Method::POST,
            "/snapshots",
            json!({"snapshot": {"volume_id": volume, "colour": "red"}}),
            "colour",
        ),
        (
            Method::PUT,
            &no_snapshot,
            json!({"snapshot": {}}),
            "not valid under any",
        ),
        (
            Method::POST,
            &notes,
            json!({"metadata": {"a/b": "c"}}),
            "a/b",
        ),
        (
            Method::PUT,
            "/os-services/enable",
            json!({"host": "here@file", "binary": "cinder-volume", "disabled_reason": "rest"}),
            "disabled_reason",
        ),
        (
            Method::PUT,
            "/os-services/disable",
            json!({"host": "here@file"}),
            "required property",
        ),
        (
            Method::PUT,
            "/os-services/disable-log-reason",
            json!({"host": "here@file", "binary": "cinder-volume"}),
            "'disabled_reason' is a required property",
        ),
        (
            Method::PUT,
            "/os-services/freeze",
            json!({"host": "here@file", "binary": "cinder-volume"}),
            "binary",
        ),
        (
            Method::PUT,
            "/os-services/freeze",
            json!({"cluster": "c"}),
            "cluster=c",
        ),
        (
            Method::PUT,
            "/os-services/thaw",
            json!({"host": "here@file", "cluster": "c"}),
            "One and only one",
        ),
        (
            Method::PUT,
            "/clusters/enable",
            json!({"name": "c", "disabled_reason": "rest"}),
            "disabled_reason",
        ),
        (
            Method::POST,
            "/workers/cleanup",
            json!({"is_up": null}),
            "is_up",
        ),
        (
            Method::POST,
            "/os-volume-transfer",
            json!({"transfer": {"volume_id": volume, "no_snapshots": true}}),
            "no_snapshots",
        ),
        (
            Method::POST,
            &action,
            json!({"os-retype": {"new_type": "t", "migration_policy": null}}),
            "migration_policy",
        ),
        (
            Method::POST,
            &action,
            json!({"os-terminate_connection": {}}),
            "connector",
        ),
        (
            Method::POST,
            "/groups",
            json!({"group": {"group_type": "g", "volume_types": ["a", "a"]}}),
            "non-unique",
        ),
        (Method::PUT, &no_type, json!({"a/b": "c"}), "a/b"),
        (
            Method::PUT,
            "/os-quota-sets/a11ce",
            json!({"quota_set": {}}),
            "non-empty",
        ),
    ];
    for (method, path, body, why) in refused {
        let answer = cinder.ask(ADMIN, method.clone(), path, Some(body.clone()));
        let said = answer.await.is(400).says();
        assert!(said.contains(why), "{method} {path}: {said}");
    }
    assert_eq!(cinder.show(ALICE, &volume).await["status"], "available");
}

#[tokio::test]
async fn what_cinder_takes_is_taken() {
    let cinder = Cinder::start().await;
    let kind = json!({"default_type": {"volume_type": "__DEFAULT__"}, "colour": "red"});
    cinder
        .put(ADMIN, "/default-types/a11ce", kind)
        .await
        .is(200);
    let notes = format!("/snapshots/{NOWHERE}/metadata");
    let beside = json!({"metadata": {"a": "b"}, "colour": "red"});
    cinder.post(ADMIN, &notes, beside).await.is(404);
    let host = json!({"host": "h@b#[dead:beef::cafe]:/p", "binary": "cinder-volume"});
    cinder.put(ADMIN, "/os-services/enable", host).await.is(404);
    // Before clusters could be named there, Cinder looked at none.
    let both = json!({"host": "here@file", "cluster": "c"});
    for (path, minor) in [("/os-services/freeze", 25), ("/os-services/thaw", 25)] {
        let answer = cinder.at(minor, ADMIN, Method::PUT, path, Some(both.clone()));
        answer.await.is(200);
    }
}
