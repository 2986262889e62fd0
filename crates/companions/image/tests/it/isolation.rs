//! What a project cannot do to another's images.

use axum::body::Body;
use serde_json::json;

use super::{ADMIN, ALICE, BOB, Glance, until};

#[tokio::test]
async fn the_id_of_a_deleted_image_is_nobodys_again() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let id = glance.active(ALICE, json!({}), b"alice's secret").await;
        glance
            .post(BOB, "/v2/images", json!({"name": "x", "id": id}))
            .await
            .is(409);
        glance
            .delete(ALICE, &format!("/v2/images/{id}"))
            .await
            .is(204);
        // A host may still have alice's data under this id, and others may still ask for the id.
        for who in [BOB, ALICE, ADMIN] {
            let refused = glance
                .post(who, "/v2/images", json!({"name": "x", "id": id}))
                .await
                .is(409)
                .json();
            assert_eq!(refused["message"], format!("Image ID {id} already exists!"));
        }
        glance.get(BOB, &format!("/v2/images/{id}")).await.is(404);
        // An id that never was is free to choose.
        let fresh = uuid::Uuid::new_v4().to_string();
        glance.create(BOB, json!({"id": fresh})).await;
    }
}

#[tokio::test]
async fn who_sees_an_image_does_not_see_how_its_owner_imported_it() {
    let glance = Glance::start().await;
    let id = glance
        .create(ALICE, json!({"visibility": "community"}))
        .await;
    glance
        .data(ALICE, &id, "stage", Body::from("staged"))
        .await
        .is(204);
    let direct = json!({"method": {"name": "glance-direct"}});
    glance
        .post(ALICE, &format!("/v2/images/{id}/import"), direct)
        .await
        .is(202);
    until(&glance, &id, |image| image["status"] == "active").await;
    let seen = async |who: &str| {
        let tasks = glance
            .get(who, &format!("/v2/images/{id}/tasks"))
            .await
            .is(200)
            .json();
        tasks["tasks"].as_array().map(Vec::len)
    };
    assert_eq!(seen(ALICE).await, Some(1));
    assert_eq!(seen(ADMIN).await, Some(1));
    assert_eq!(seen(BOB).await, Some(0));
}

#[tokio::test]
async fn another_projects_image_cannot_be_touched_by_its_id() {
    let glance = Glance::start().await;
    for visibility in ["private", "shared", "community"] {
        let id = glance
            .active(ALICE, json!({"visibility": visibility}), b"data")
            .await;
        let seen = visibility == "community";
        let (hidden, refused) = if seen { (200, 403) } else { (404, 404) };
        let image = format!("/v2/images/{id}");
        glance.get(BOB, &image).await.is(hidden);
        glance.get(BOB, &format!("{image}/file")).await.is(hidden);
        glance.delete(BOB, &image).await.is(refused);
        let mine = json!([{"op": "replace", "path": "/owner", "value": "bob"}]);
        glance.patch(BOB, &id, mine).await.is(refused);
        glance
            .put(BOB, &format!("{image}/tags/x"), None)
            .await
            .is(refused);
        for what in ["file", "stage"] {
            glance
                .data(BOB, &id, what, Body::from("bob's"))
                .await
                .is(refused);
        }
        for action in ["deactivate", "reactivate"] {
            glance
                .post(BOB, &format!("{image}/actions/{action}"), json!({}))
                .await
                .is(refused);
        }
        let import = json!({"method": {"name": "glance-direct"}});
        glance
            .post(BOB, &format!("{image}/import"), import)
            .await
            .is(refused);
        let member = json!({"member": "bob"});
        glance
            .post(BOB, &format!("{image}/members"), member)
            .await
            .is(refused);
        let accept = json!({"status": "accepted"});
        glance
            .put(BOB, &format!("{image}/members/bob"), Some(accept))
            .await
            .is(refused);
    }
    let theirs = json!({"name": "x", "owner": "alice"});
    glance.post(BOB, "/v2/images", theirs).await.is(403);
}
