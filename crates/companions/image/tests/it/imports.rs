//! Imports: staged data and data from the web.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::Redirect;
use axum::routing::get;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{ADMIN, ALICE, BOB, Glance, until};

async fn web() -> SocketAddr {
    let router = Router::new()
        .route("/image", get(|| async { "from the web" }))
        .route("/moved", get(|| async { Redirect::temporary("/image") }))
        .route(
            "/inward",
            get(|| async { Redirect::temporary("http://169.254.169.254/latest") }),
        )
        .route("/loop", get(|| async { Redirect::temporary("/loop") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn with_web() -> (Glance, SocketAddr) {
    let db = sql::testing::sqlite().await;
    let glance = Glance::on(db, |settings| {
        settings.web_download.ports = Vec::new();
        let local = "127.0.0.0/8, 169.254.0.0/16";
        settings.web_download.ranges = local.parse().expect("ranges");
        settings.web_download.refused_hosts = vec!["169.254.169.254".to_owned()];
    })
    .await;
    (glance, web().await)
}

fn download(uri: &str) -> Value {
    json!({"method": {"name": "web-download", "uri": uri}})
}

async fn task(glance: &Glance, id: &str) -> Value {
    let tasks = glance
        .get(ALICE, &format!("/v2/images/{id}/tasks"))
        .await
        .is(200)
        .json();
    tasks["tasks"][0].clone()
}

#[tokio::test]
async fn staged_data_becomes_the_image() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let id = glance.create(ALICE, json!({})).await;
        let import = format!("/v2/images/{id}/import");
        let direct = json!({"method": {"name": "glance-direct"}});
        glance.post(ALICE, &import, direct.clone()).await.is(409);
        glance
            .data(ALICE, &id, "stage", Body::from("staged"))
            .await
            .is(204);
        let image = glance.show(ALICE, &id).await;
        assert_eq!(
            (&image["status"], &image["size"]),
            (&json!("uploading"), &json!(6))
        );
        glance
            .data(ALICE, &id, "stage", Body::from("again"))
            .await
            .is(409);
        glance.is_clean().await;
        let answer = glance.post(ALICE, &import, direct.clone()).await.is(202);
        let image = until(&glance, &id, |image| image["status"] == "active").await;
        assert_eq!(image["checksum"], hex::encode(Md5::digest(b"staged")));
        assert_eq!(
            glance
                .get(ALICE, &format!("/v2/images/{id}/file"))
                .await
                .bytes,
            b"staged"
        );
        until(&glance, &id, |image| {
            image.get("os_glance_import_task").is_none()
        })
        .await;
        let task = task(&glance, &id).await;
        let request = answer.headers["x-openstack-request-id"]
            .to_str()
            .expect("text");
        assert_eq!(task["request_id"], request);
        assert_eq!(
            task["input"]["import_req"]["method"]["name"],
            "glance-direct"
        );
        glance.post(ALICE, &import, direct).await.is(409);
        glance.is_clean().await;
    }
}

#[tokio::test]
async fn data_is_fetched_from_the_web_also_after_a_redirect() {
    let (glance, web) = with_web().await;
    for path in ["image", "moved"] {
        let id = glance.create(ALICE, json!({})).await;
        let import = format!("/v2/images/{id}/import");
        glance
            .post(BOB, &import, download(&format!("http://{web}/{path}")))
            .await
            .is(404);
        glance
            .post(ALICE, &import, download(&format!("http://{web}/{path}")))
            .await
            .is(202);
        let image = until(&glance, &id, |image| image["status"] == "active").await;
        assert_eq!(image["size"], 12);
    }
    glance.is_clean().await;
}

#[tokio::test]
async fn a_failed_download_returns_the_image_to_queued_and_says_why() {
    let (glance, web) = with_web().await;
    for path in ["missing", "inward", "loop"] {
        let id = glance.create(ALICE, json!({})).await;
        let import = format!("/v2/images/{id}/import");
        glance
            .post(ALICE, &import, download(&format!("http://{web}/{path}")))
            .await
            .is(202);
        let image = until(&glance, &id, |image| {
            image.get("os_glance_failed_import").is_some()
        })
        .await;
        assert_eq!(image["status"], "queued");
        let mut ended = task(&glance, &id).await;
        for _ in 0..100 {
            if ended["status"] == "failure" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            ended = task(&glance, &id).await;
        }
        assert_eq!(ended["status"], "failure", "{path}");
        assert!(!ended["message"].as_str().expect("text").is_empty());
        let listed = glance
            .get(ADMIN, "/v2/tasks?status=failure")
            .await
            .is(200)
            .json();
        assert!(
            listed["tasks"]
                .as_array()
                .is_some_and(|tasks| !tasks.is_empty())
        );
    }
    glance.get(ALICE, "/v2/tasks").await.is(403);
    glance.is_clean().await;
}

#[tokio::test]
async fn a_redirect_passes_the_same_filters_as_the_first_address() {
    // Reached by both addresses: only the filters keep the second away.
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await;
    let listener = listener.expect("port");
    let port = listener.local_addr().expect("address").port();
    let other = format!("http://127.0.0.2:{port}/image");
    let router = Router::new()
        .route("/image", get(|| async { "from the web" }))
        .route(
            "/other",
            get(move || async move { Redirect::temporary(&other) }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    for (refused, ends) in [("127.0.0.9", "active"), ("127.0.0.2", "queued")] {
        let db = sql::testing::sqlite().await;
        let glance = Glance::on(db, |settings| {
            settings.web_download.ports = Vec::new();
            settings.web_download.ranges = "127.0.0.0/8".parse().expect("ranges");
            settings.web_download.refused_hosts = vec![refused.to_owned()];
        })
        .await;
        let id = glance.create(ALICE, json!({})).await;
        let from = format!("http://127.0.0.1:{port}/other");
        let import = format!("/v2/images/{id}/import");
        glance.post(ALICE, &import, download(&from)).await.is(202);
        let image = until(&glance, &id, |image| {
            image["status"] == "active" || image.get("os_glance_failed_import").is_some()
        })
        .await;
        assert_eq!(image["status"], ends, "{refused}");
        glance.is_clean().await;
    }
}

#[tokio::test]
async fn a_disguised_download_is_refused() {
    let (glance, web) = with_web().await;
    let id = glance.create(ALICE, json!({"disk_format": "qcow2"})).await;
    let import = format!("/v2/images/{id}/import");
    glance
        .post(ALICE, &import, download(&format!("http://{web}/image")))
        .await
        .is(202);
    let image = until(&glance, &id, |image| {
        image.get("os_glance_failed_import").is_some()
    })
    .await;
    assert_eq!(image["status"], "queued");
    glance.is_clean().await;
}

#[tokio::test]
async fn imports_that_make_no_sense_are_refused_at_once() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let import = format!("/v2/images/{id}/import");
    for (body, status) in [
        (json!({}), 400),
        (json!({"method": {}}), 400),
        (json!({"method": {"name": "magic"}}), 400),
        (
            json!({"method": {"name": "glance-direct"}, "all_stores": "yes"}),
            400,
        ),
        (
            json!({"method": {"name": "glance-direct"}, "stores": ["moon"]}),
            409,
        ),
        (json!({"method": {"name": "copy-image"}}), 501),
        (download("http://127.0.0.1/x"), 400),
        (download("http://[::1]/x"), 400),
        (download("http://10.0.0.1/x"), 400),
        (download("http://172.31.255.1/x"), 400),
        (download("http://192.168.1.1/x"), 400),
        (download("http://100.64.0.1/x"), 400),
        (download("http://[fd12::1]/x"), 400),
        (download("http://images.example:22/x"), 400),
        (download("bad://url"), 400),
    ] {
        glance.post(ALICE, &import, body.clone()).await.is(status);
    }
    // A host name that leads to this machine is found out when it is asked.
    glance
        .post(ALICE, &import, download("http://localhost/x"))
        .await
        .is(202);
    let image = until(&glance, &id, |image| {
        image.get("os_glance_failed_import").is_some()
    })
    .await;
    assert_eq!(image["status"], "queued");
}

#[tokio::test]
async fn the_ways_to_import_are_told() {
    let glance = Glance::start().await;
    let info = glance.get(ALICE, "/v2/info/import").await.is(200).json();
    assert_eq!(
        info["import-methods"]["value"],
        json!(["glance-direct", "web-download"])
    );
    let stores = glance.get(ALICE, "/v2/info/stores").await.is(200).json();
    assert_eq!(stores["stores"][0]["id"], "file");
    glance.get(ALICE, "/v2/info/stores/detail").await.is(403);
    glance.get(ADMIN, "/v2/info/stores/detail").await.is(200);
}

#[tokio::test]
async fn tasks_are_listed_page_by_page_newest_first() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let mut images = Vec::new();
        for _ in 0..3 {
            let id = glance.create(ALICE, json!({})).await;
            glance
                .data(ALICE, &id, "stage", Body::from("staged"))
                .await
                .is(204);
            let import = format!("/v2/images/{id}/import");
            let direct = json!({"method": {"name": "glance-direct"}});
            glance.post(ALICE, &import, direct).await.is(202);
            until(&glance, &id, |image| image["status"] == "active").await;
            images.push(id);
        }
        let list = async |path: &str| glance.get(ADMIN, path).await.is(200).json();
        let ids = |body: &Value| -> Vec<Value> {
            let tasks = body["tasks"].as_array().expect("a list");
            tasks.iter().map(|task| task["id"].clone()).collect()
        };
        let all = ids(&list("/v2/tasks").await);
        assert_eq!(all.len(), 3);
        let newest = task(&glance, &images[2]).await;
        assert_eq!(newest["id"], all[0]);
        let first = list("/v2/tasks?limit=2").await;
        assert_eq!(ids(&first), all[..2]);
        assert_eq!(first["first"], "/v2/tasks?limit=2");
        let next = first["next"].as_str().expect("a next page");
        let second = list(next).await;
        assert_eq!(
            (ids(&second), &second["next"]),
            (all[2..].to_vec(), &Value::Null)
        );
        let none = list("/v2/tasks?status=failure").await;
        assert_eq!((ids(&none), &none["next"]), (Vec::new(), &Value::Null));
        assert!(ids(&list("/v2/tasks?status=unheard-of").await).is_empty());
        assert_eq!(ids(&list("/v2/tasks?type=api_image_import").await), all);
        assert!(ids(&list("/v2/tasks?type=export").await).is_empty());
        glance.get(ADMIN, "/v2/tasks?marker=nobody").await.is(400);
        let oldest_first: Vec<Value> = all.iter().rev().cloned().collect();
        let up = "sort_key=created_at&sort_dir=asc";
        assert_eq!(
            ids(&list(&format!("/v2/tasks?{up}")).await),
            oldest_first,
            "{:?}",
            glance.db.engine()
        );
        let marker = oldest_first[0].as_str().expect("an id");
        let behind = list(&format!("/v2/tasks?{up}&marker={marker}")).await;
        assert_eq!(ids(&behind), oldest_first[1..]);
        let found = async |query: &str| ids(&list(&format!("/v2/tasks?{query}")).await);
        let mut by_id = all.clone();
        by_id.sort_by_key(|id| id.as_str().map(str::to_owned));
        assert_eq!(found("sort_key=id&sort_dir=asc").await, by_id);
        // Alike in this, so that the age decides.
        assert_eq!(found("sort_key=type&sort_dir=asc").await, oldest_first);
        assert_eq!(found("owner=alice").await, all);
        assert!(found("owner=bob").await.is_empty());
        let of_one = found(&format!("image_id={}", images[0])).await;
        assert_eq!(of_one, [all[2].clone()]);
        for wrong in ["sort_key=owner", "sort_dir=up", "colour=red"] {
            glance
                .get(ADMIN, &format!("/v2/tasks?{wrong}"))
                .await
                .is(400);
        }
        glance
            .get(BOB, &format!("/v2/images/{}/tasks", images[0]))
            .await
            .is(404);
    }
}
