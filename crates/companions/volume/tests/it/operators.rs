//! What back ends are able to do, and clusters and left-over work, of which there are none.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Cinder};

#[tokio::test]
async fn back_ends_say_what_they_are_able_to_do() {
    let cinder = Cinder::start().await;
    let said = cinder
        .get(ADMIN, "/capabilities/here@file")
        .await
        .is(200)
        .json();
    assert_eq!(said["namespace"], "OS::Storage::Capabilities::here@file");
    assert_eq!(
        (&said["storage_protocol"], &said["vendor_name"]),
        (&json!("file"), &json!("Kilonova"))
    );
    assert_eq!(said["properties"]["qos"]["type"], "boolean");
    cinder.get(ADMIN, "/capabilities/there@file").await.is(404);
    cinder.get(ALICE, "/capabilities/here@file").await.is(403);
}

#[tokio::test]
async fn extensions_are_found_by_their_alias() {
    let cinder = Cinder::start().await;
    let all = cinder.get(ALICE, "/extensions").await.is(200).json();
    let first = &all["extensions"][0];
    let alias = first["alias"].as_str().expect("an alias");
    let one = cinder.get(ALICE, &format!("/extensions/{alias}")).await;
    assert_eq!(one.is(200).json()["extension"], *first);
    cinder.get(ALICE, "/extensions/none").await.is(404);
}

#[tokio::test]
async fn there_are_no_clusters_and_nothing_is_left_behind() {
    let cinder = Cinder::start().await;
    for path in ["/clusters", "/clusters/detail?is_up=true"] {
        assert_eq!(
            cinder.get(ADMIN, path).await.is(200).json(),
            json!({"clusters": []})
        );
    }
    cinder.get(ALICE, "/clusters").await.is(403);
    cinder.get(ADMIN, "/clusters?colour=red").await.is(400);
    cinder
        .at(25, ADMIN, Method::GET, "/clusters?frozen=true", None)
        .await
        .is(400);
    cinder.get(ADMIN, "/clusters/c").await.is(404);
    for way in ["enable", "disable"] {
        cinder
            .put(ADMIN, &format!("/clusters/{way}"), json!({"name": "c"}))
            .await
            .is(404);
    }
    let cleanup = async |body: Value| cinder.post(ADMIN, "/workers/cleanup", body).await;
    assert_eq!(
        cleanup(json!({})).await.is(202).json(),
        json!({"cleaning": [], "unavailable": []})
    );
    cleanup(json!({"resource_type": "planet"})).await.is(400);
    let volume = cinder.volume(ALICE, json!({})).await;
    let said = cleanup(json!({"resource_id": volume})).await.is(400).says();
    assert!(said.ends_with("pending cleanup."), "{said}");
}

#[tokio::test]
async fn a_volume_does_not_move_to_where_it_is() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let action = format!("/volumes/{volume}/action");
    let to = |host: &str| json!({"os-migrate_volume": {"host": host}});
    let said = cinder
        .post(ADMIN, &action, to("here@file#file"))
        .await
        .is(400)
        .says();
    assert!(
        said.ends_with("must be different than the current one"),
        "{said}"
    );
    let said = cinder
        .post(ADMIN, &action, to("there@file#file"))
        .await
        .is(400)
        .says();
    assert_eq!(
        said,
        "Invalid host: No available service named 'there@file#file'"
    );
    cinder
        .post(ADMIN, &action, json!({"os-migrate_volume": {}}))
        .await
        .is(400);
    cinder
        .post(ALICE, &action, to("here@file#file"))
        .await
        .is(403);
    assert_eq!(cinder.show(ADMIN, &volume).await["status"], "available");
}
