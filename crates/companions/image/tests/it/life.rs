//! Versions, errors, create, show, update, delete, tags, deactivation.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::{ADMIN, ALICE, BOB, Glance, READER, SERVICE};

#[tokio::test]
async fn version_documents_need_no_token_and_carry_the_clients_own_address() {
    let glance = Glance::start().await;
    let ask = |path: &str| {
        Request::builder()
            .uri(path)
            .header("host", "cloud:8774")
            .body(Body::empty())
            .expect("request")
    };
    let root = glance.send(ask("/")).await.is(300).json();
    assert_eq!(root["versions"][0]["status"], "CURRENT");
    assert_eq!(
        root["versions"][0]["links"][0]["href"],
        "http://cloud:8774/v2/"
    );
    let mounted = axum::Router::new().nest_service("/image", glance.router());
    for path in ["/image", "/image/", "/image/versions"] {
        let answer = mounted
            .clone()
            .oneshot(ask(path))
            .await
            .expect("infallible");
        let body = answer.into_body().collect().await.expect("body").to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let link = &body["versions"][0]["links"][0]["href"];
        assert_eq!(link, "http://cloud:8774/image/v2/", "{path}");
    }
    glance.send(ask("/versions")).await.is(200);
    let refused = glance.send(ask("/v2/images")).await.is(401);
    assert!(refused.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn errors_are_json_or_a_page_as_the_client_accepts() {
    let glance = Glance::start().await;
    let answer = glance.get(ALICE, "/v2/images/nothing").await.is(404);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.json()["code"], "404 Not Found");
    let page = Request::builder()
        .uri("/v2/images/nothing")
        .header("x-auth-token", ALICE)
        .body(Body::empty())
        .expect("request");
    let answer = glance.send(page).await.is(404);
    assert_eq!(answer.headers["content-type"], "text/html; charset=UTF-8");
    for path in ["/v2/images/", "/v2/nowhere", "/nowhere"] {
        assert!(glance.get(ALICE, path).await.is(404).json()["message"].is_string());
    }
    glance
        .ask(ALICE, Method::PATCH, "/v2/images", None)
        .await
        .is(405);
    for path in ["/v2/cache", "/v2/queued_images"] {
        let message = glance.get(ADMIN, path).await.is(501).json();
        assert!(
            message["message"]
                .as_str()
                .expect("text")
                .contains("not built")
        );
    }
}

#[tokio::test]
async fn a_new_image_shows_what_it_was_given() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let body = json!({
            "name": "cirros é", "disk_format": "qcow2", "container_format": "bare",
            "visibility": "private", "min_disk": 1, "min_ram": 64, "tags": ["a", "A"],
            "os_distro": "cirros", "hw_disk_bus": "virtio",
            "id": "6C0E8E7A-2F0E-4D31-9A7C-5B9D8A1C2E3F",
        });
        let answer = glance.post(ALICE, "/v2/images", body.clone()).await.is(201);
        assert_eq!(
            answer.headers["openstack-image-import-methods"],
            "glance-direct,web-download"
        );
        assert_eq!(
            answer.headers["location"],
            "/v2/images/6c0e8e7a-2f0e-4d31-9a7c-5b9d8a1c2e3f"
        );
        let image = answer.json();
        assert_eq!(image["status"], "queued");
        assert_eq!(image["owner"], "alice");
        assert_eq!(image["os_distro"], "cirros");
        assert_eq!(image["tags"], json!(["A", "a"]));
        assert_eq!(image["size"], json!(null));
        let shown = glance
            .show(ALICE, "6c0e8e7a-2f0e-4d31-9a7c-5b9d8a1c2e3f")
            .await;
        assert_eq!(image, shown);
        glance.post(ALICE, "/v2/images", body).await.is(409);
    }
}

#[tokio::test]
async fn bad_descriptions_are_refused() {
    let glance = Glance::start().await;
    for (body, status) in [
        (json!([]), 400),
        (json!({"disk_format": "exe"}), 400),
        (json!({"name": 5}), 400),
        (json!({"my_property": 5}), 400),
        (json!({"id": "short"}), 400),
        (json!({"os_glance_foo": "bar"}), 403),
        (json!({"status": "active"}), 403),
        (json!({"visibility": "public"}), 403),
        (json!({"owner": "bob"}), 403),
    ] {
        glance
            .post(ALICE, "/v2/images", body.clone())
            .await
            .is(status);
    }
    glance
        .post(READER, "/v2/images", json!({"name": "x"}))
        .await
        .is(403);
    glance
        .post(
            ADMIN,
            "/v2/images",
            json!({"visibility": "public", "owner": "bob"}),
        )
        .await
        .is(201);
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("p{n}"), json!("x"))).collect();
    glance.post(ALICE, "/v2/images", many.into()).await.is(413);
}

#[tokio::test]
async fn a_patch_changes_all_or_nothing() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({"color": "red"})).await;
    let patched = glance
        .patch(
            ALICE,
            &id,
            json!([
                {"op": "replace", "path": "/name", "value": "new"},
                {"op": "replace", "path": "/color", "value": "blue"},
                {"op": "add", "path": "/shape", "value": "round"},
                {"op": "replace", "path": "/tags", "value": ["x"]},
                {"op": "remove", "path": "/shape"},
            ]),
        )
        .await
        .is(200)
        .json();
    assert_eq!(
        (&patched["name"], &patched["color"]),
        (&json!("new"), &json!("blue"))
    );
    assert!(patched.get("shape").is_none());
    let half = json!([
        {"op": "replace", "path": "/name", "value": "half"},
        {"op": "remove", "path": "/nothing"},
    ]);
    glance.patch(ALICE, &id, half).await.is(409);
    assert_eq!(glance.show(ALICE, &id).await["name"], "new");
    for (path, status) in [
        ("/size", 403),
        ("/os_glance_x", 403),
        ("/deleted", 403),
        ("/owner", 403),
    ] {
        let change = json!([{"op": "replace", "path": path, "value": "1"}]);
        glance.patch(ALICE, &id, change).await.is(status);
    }
    let public = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
    glance.patch(ALICE, &id, public.clone()).await.is(403);
    glance.patch(BOB, &id, public.clone()).await.is(404);
    glance.patch(ADMIN, &id, public.clone()).await.is(200);
    glance.patch(BOB, &id, public).await.is(403);
    let plain = glance
        .ask(
            ALICE,
            Method::PATCH,
            &format!("/v2/images/{id}"),
            Some(json!([])),
        )
        .await;
    plain.is(415);
}

#[tokio::test]
async fn a_protected_image_cannot_be_deleted() {
    let glance = Glance::start().await;
    let id = glance
        .active(ALICE, json!({"protected": true}), b"data")
        .await;
    let path = format!("/v2/images/{id}");
    glance.delete(ALICE, &path).await.is(403);
    let open = json!([{"op": "replace", "path": "/protected", "value": false}]);
    glance.patch(ALICE, &id, open).await.is(200);
    glance.delete(BOB, &path).await.is(404);
    glance.delete(READER, &path).await.is(403);
    glance.delete(ALICE, &path).await.is(204);
    glance.delete(ALICE, &path).await.is(404);
    glance.get(ALICE, &path).await.is(404);
    glance.is_clean().await;
}

#[tokio::test]
async fn tags_come_and_go() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let path = format!("/v2/images/{id}/tags/blue");
    glance.put(ALICE, &path, None).await.is(204);
    glance.put(ALICE, &path, None).await.is(204);
    assert_eq!(glance.show(ALICE, &id).await["tags"], json!(["blue"]));
    glance.put(BOB, &path, None).await.is(404);
    glance.delete(ALICE, &path).await.is(204);
    glance.delete(ALICE, &path).await.is(404);
}

#[tokio::test]
async fn a_deactivated_image_is_downloaded_by_administrators_only() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let (off, on) = (
        format!("/v2/images/{id}/actions/deactivate"),
        format!("/v2/images/{id}/actions/reactivate"),
    );
    glance.post(ALICE, &off, json!({})).await.is(403);
    glance
        .data(ALICE, &id, "file", Body::from("data"))
        .await
        .is(204);
    glance.post(ALICE, &off, json!({})).await.is(204);
    glance.post(ALICE, &off, json!({})).await.is(204);
    assert_eq!(glance.show(ALICE, &id).await["status"], "deactivated");
    let file = format!("/v2/images/{id}/file");
    glance.get(ALICE, &file).await.is(403);
    glance.get(ADMIN, &file).await.is(200);
    glance.post(ALICE, &on, json!({})).await.is(204);
    glance.get(ALICE, &file).await.is(200);
}

#[tokio::test]
async fn only_services_and_administrators_learn_where_data_lies() {
    let glance = Glance::start().await;
    let id = glance
        .active(ADMIN, json!({"visibility": "public"}), b"data")
        .await;
    let url = glance.show(ADMIN, &id).await["direct_url"]
        .as_str()
        .expect("url")
        .to_owned();
    let path = url.strip_prefix("file://").expect("a file");
    assert_eq!(std::fs::read(path).expect("readable"), b"data");
    let local = glance
        .images
        .local_file(&id)
        .await
        .expect("asked")
        .expect("there");
    assert_eq!(local.to_str(), Some(path));
    assert!(glance.show(ALICE, &id).await.get("direct_url").is_none());
    let locations = format!("/v2/images/{id}/locations");
    glance.get(ALICE, &locations).await.is(403);
    assert_eq!(
        glance.get(ADMIN, &locations).await.is(200).json()[0]["url"],
        json!(url)
    );
    let reader = "service:service,reader";
    assert_eq!(
        glance.get(reader, &locations).await.is(200).json()[0]["url"],
        json!(url)
    );
    // Without a role to read on any project: compute fetches images so.
    glance
        .get(SERVICE, &format!("/v2/images/{id}/file"))
        .await
        .is(200);
}

#[tokio::test]
async fn schemas_describe_images_and_members() {
    let glance = Glance::start().await;
    for name in ["image", "images", "member", "members", "task", "tasks"] {
        let schema = glance
            .get(ALICE, &format!("/v2/schemas/{name}"))
            .await
            .is(200)
            .json();
        assert_eq!(schema["name"], name);
    }
    let schema = glance.get(ALICE, "/v2/schemas/image").await.json();
    assert_eq!(schema["additionalProperties"]["type"], "string");
    assert_eq!(
        schema["properties"]["name"]["type"],
        json!(["null", "string"])
    );
    glance.get(ALICE, "/v2/schemas/nothing").await.is(404);
}

/// A client that goes ends its request wherever that is.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_in_the_middle_of_a_deletion_leaves_no_data() {
    let glance = Glance::start().await;
    for looks in 0..60_u32 {
        let id = glance.active(ALICE, json!({}), b"data").await;
        let request = Request::delete(format!("/v2/images/{id}"))
            .header("x-auth-token", ALICE)
            .body(Body::empty())
            .expect("request");
        let mut asked = Box::pin(glance.router().oneshot(request));
        for _ in 0..looks {
            if futures::poll!(asked.as_mut()).is_ready() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
        drop(asked);
        // It is there whole or gone whole, in the end.
        let mut left = String::new();
        for _ in 0..500 {
            let audit = glance.images.audit().await.expect("the audit");
            left = format!("{:?}", audit.files_without_image);
            if left == "[]" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(left, "[]", "after {looks} looks");
    }
}
