//! Version documents, microversions, paths.

use axum::body::Body;
use http::{Method, Request};

use crate::{ADMIN, ALICE, Cinder};

#[tokio::test]
async fn version_documents_need_no_token() {
    let cinder = Cinder::start().await;
    for (path, code) in [("/", 300), ("/v3", 200), ("/v3/", 200)] {
        let request = Request::get(path)
            .header("host", "cloud:1")
            .body(Body::empty());
        let answer = cinder.send(request.expect("request")).await.is(code).json();
        let version = &answer["versions"][0];
        assert_eq!(
            (&version["id"], &version["version"]),
            (&"v3.0".into(), &"3.71".into())
        );
        let links = version["links"].as_array().expect("links");
        let own = links
            .iter()
            .find(|link| link["rel"] == "self")
            .expect("a link");
        assert_eq!(own["href"], "http://cloud:1/v3/");
    }
    let request = Request::get("/v3/volumes")
        .body(Body::empty())
        .expect("request");
    cinder.send(request).await.is(401);
}

#[tokio::test]
async fn the_version_spoken_is_named() {
    let cinder = Cinder::start().await;
    let answer = cinder
        .at(27, ALICE, Method::GET, "/volumes", None)
        .await
        .is(200);
    assert_eq!(answer.headers["openstack-api-version"], "volume 3.27");
    assert!(answer.headers.contains_key("x-compute-request-id"));
    let answer = cinder
        .at(99, ALICE, Method::GET, "/volumes", None)
        .await
        .is(406);
    assert!(answer.says().contains("3.99"), "{}", answer.says());
    cinder
        .at(11, ALICE, Method::GET, "/volumes/summary", None)
        .await
        .is(404);
    cinder
        .at(12, ALICE, Method::GET, "/volumes/summary", None)
        .await
        .is(200);
}

#[tokio::test]
async fn a_project_may_stand_in_the_path() {
    let cinder = Cinder::start().await;
    let made = cinder
        .post(
            ALICE,
            "/a11ce/volumes",
            serde_json::json!({"volume": {"size": 1}}),
        )
        .await
        .is(202)
        .json();
    let link = made["volume"]["links"][0]["href"].as_str().expect("a link");
    assert!(link.contains("/v3/a11ce/volumes/"), "{link}");
    cinder.get(ALICE, "/b0b/volumes").await.is(400);
    cinder.get(ALICE, "/nothing").await.is(404);
    let answer = cinder.ask(ADMIN, Method::PATCH, "/volumes", None).await;
    assert_eq!(answer.status.as_u16(), 404);
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let cinder = Cinder::start().await;
    let answer = cinder.get(ADMIN, "/consistencygroups").await.is(501);
    assert_eq!(answer.json()["notImplemented"]["code"], 501);
}
