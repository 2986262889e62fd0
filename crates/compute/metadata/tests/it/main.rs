//! The service as a guest's proxy sees it: who is told, what, and what a guest may write.

use axum::Router;
use axum::body::Body;
use compute_db::{Database, HISTORY, servers};
use compute_metadata::{Settings, StartError, router, sign};
use compute_model::Server;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

const SECRET: &str = "shared";
const ID: &str = "11111111-2222-3333-4444-555555555555";
const PASSWORD: &str = "/openstack/latest/password";

fn settings() -> Settings {
    Settings {
        shared_secret: SECRET.to_owned().into(),
        dhcp_domain: "novalocal".into(),
        vendordata_jsonfile_path: None,
    }
}

/// A service that knows one server of project `p`.
async fn service() -> (Router, Database) {
    let db = sql::testing::sqlite().await;
    db.apply(&HISTORY).await.expect("tables");
    let tx = db.begin().await.expect("begin");
    let server = Server {
        user_data: Some("IyEvYmluL3No".into()),
        ..compute_model::testing::server(ID)
    };
    servers::insert(&tx, &server).await.expect("inserted");
    tx.commit().await.expect("commit");
    (router(db.clone(), settings()).expect("starts"), db)
}

/// A request as the proxy of this project's network passes it on.
fn proxied(method: &str, path: &str, project: &str, signature: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("x-instance-id", ID)
        .header("x-tenant-id", project)
        .header("x-instance-id-signature", signature)
}

async fn answer(service: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer = service.clone().oneshot(request).await.expect("infallible");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn ask(service: &Router, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let request = proxied(method, path, "p", &sign(SECRET, ID));
    let request = request.body(Body::from(body.to_owned())).expect("request");
    answer(service, request).await
}

#[tokio::test]
async fn only_the_proxy_of_the_server_s_own_project_is_told_anything() {
    let (service, _db) = service().await;
    let path = "/openstack/latest/meta_data.json";
    let good = sign(SECRET, ID);
    let cases = [
        ("p", good.as_str(), StatusCode::OK),
        ("q", good.as_str(), StatusCode::NOT_FOUND),
        ("p", &sign("guessed", ID), StatusCode::FORBIDDEN),
        ("p", "not hex", StatusCode::FORBIDDEN),
    ];
    for (project, signature, expected) in cases {
        let request = proxied("GET", path, project, signature).body(Body::empty());
        let (status, body) = answer(&service, request.expect("request")).await;
        assert_eq!(status, expected, "{project} {signature}");
        assert_eq!(body.contains(ID), status == StatusCode::OK);
    }
    let bare = Request::get(path).body(Body::empty()).expect("request");
    assert_eq!(answer(&service, bare).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_guest_reads_both_trees() {
    let (service, _db) = service().await;
    let hostname = ask(&service, "GET", "/latest/meta-data/hostname", "").await;
    assert_eq!(hostname, (StatusCode::OK, "n.novalocal".to_owned()));
    let user_data = ask(&service, "GET", "/openstack/latest/user_data", "").await;
    assert_eq!(user_data, (StatusCode::OK, "#!/bin/sh".to_owned()));
    let missing = ask(&service, "GET", "/openstack/latest/nothing", "").await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_guest_posts_its_password_once_and_reads_it_back() {
    let (service, db) = service().await;
    assert_eq!(
        ask(&service, "GET", PASSWORD, "").await,
        (StatusCode::OK, String::new())
    );
    let first = ask(&service, "POST", PASSWORD, "secret").await;
    assert_eq!(first.0, StatusCode::OK);
    let second = ask(&service, "POST", PASSWORD, "other").await;
    assert_eq!(second.0, StatusCode::CONFLICT);
    assert_eq!(ask(&service, "GET", PASSWORD, "").await.1, "secret");
    let kept = compute_db::passwords::find(db.read(), ID).await;
    assert_eq!(kept.expect("find").as_deref(), Some("secret"));
}

#[tokio::test]
async fn what_is_no_password_is_refused_and_leaves_nothing() {
    let (service, db) = service().await;
    let cases = [
        ("POST", PASSWORD, String::new(), StatusCode::BAD_REQUEST),
        ("POST", PASSWORD, "x".repeat(1021), StatusCode::BAD_REQUEST),
        ("PUT", PASSWORD, "x".into(), StatusCode::BAD_REQUEST),
        (
            "POST",
            "/openstack/2012-08-10/password",
            "x".into(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            "POST",
            "/openstack/latest/meta_data.json",
            "x".into(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ];
    for (method, path, body, expected) in cases {
        let (status, _) = ask(&service, method, path, &body).await;
        assert_eq!(status, expected, "{method} {path}");
    }
    let kept = compute_db::passwords::find(db.read(), ID).await;
    assert_eq!(kept.expect("find"), None);
    let longest = "x".repeat(1020);
    let most = ask(&service, "POST", PASSWORD, &longest).await;
    assert_eq!(most.0, StatusCode::OK);
}

#[tokio::test]
async fn vendor_data_that_is_no_json_stops_the_start() {
    let db = sql::testing::sqlite().await;
    let file = std::env::temp_dir().join(format!("vendor-data-{}", std::process::id()));
    let with = |path: &std::path::Path| Settings {
        vendordata_jsonfile_path: Some(path.to_owned()),
        ..settings()
    };
    let missing = router(db.clone(), with(&file));
    assert!(matches!(missing, Err(StartError::Read { .. })));
    std::fs::write(&file, "{").expect("written");
    let broken = router(db, with(&file));
    assert!(matches!(broken, Err(StartError::NotJson { .. })));
    std::fs::remove_file(&file).expect("removed");
}
