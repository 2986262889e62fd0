//! What every request meets, whatever it asks for.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use compute_api::{Api, router};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use web::{AuthError, Authenticator, Caller};

/// Knows one token, `good`, of one project.
struct OneToken;

const PROJECT: &str = "6f70656e737461636b20342065766572";

#[async_trait]
impl Authenticator for OneToken {
    async fn authenticate(&self, token: &str, _: Option<&str>) -> Result<Arc<Caller>, AuthError> {
        if token != "good" {
            return Err(AuthError::Unauthorized);
        }
        Ok(Arc::new(Caller {
            user_id: "u".into(),
            user_name: "user".into(),
            user_domain_id: "default".into(),
            user_domain_name: "Default".into(),
            project_id: Some(PROJECT.into()),
            project_name: Some("project".into()),
            project_domain_id: Some("default".into()),
            project_domain_name: Some("Default".into()),
            domain_id: None,
            system: false,
            roles: vec!["member".into()],
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: "good".to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://cloud/identity".into()
    }
}

async fn cloud() -> Router {
    let none = Router::new;
    let control = compute_control::testing::control(none(), none(), none()).await;
    let api = router(Arc::new(Api {
        authenticator: Arc::new(OneToken),
        control: Arc::new(control),
    }));
    Router::new().nest_service("/compute", api)
}

async fn ask(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (Response<Body>, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "cloud")
        .header("accept", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Body::from(body.to_owned()))
        .expect("a request");
    let (parts, body) = cloud()
        .await
        .oneshot(request)
        .await
        .expect("an answer")
        .into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (
        Response::from_parts(parts, Body::empty()),
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

/// Asks with a good token.
async fn call(method: &str, path: &str, version: &str, body: &str) -> (Response<Body>, Value) {
    let spoken = format!("compute {version}");
    ask(
        method,
        path,
        &[("x-auth-token", "good"), ("openstack-api-version", &spoken)],
        body,
    )
    .await
}

#[tokio::test]
async fn versions_are_told_to_anybody() {
    let (response, list) = ask("GET", "/compute/", &[], "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        list["versions"][1]["links"][0]["href"],
        "http://cloud/compute/v2.1/"
    );
    let (response, document) = ask(
        "GET",
        "/compute/v2.1/",
        &[("openstack-api-version", "compute 2.50")],
        "",
    )
    .await;
    assert_eq!(document["version"]["version"], "2.104");
    assert_eq!(response.headers()["openstack-api-version"], "compute 2.50");
    let (response, document) = ask("GET", "/compute/v2", &[], "").await;
    assert_eq!(document["version"]["id"], "v2.0");
    assert!(!response.headers().contains_key("openstack-api-version"));
    let (response, choices) = ask("GET", "/compute/servers", &[], "").await;
    assert_eq!(response.status(), StatusCode::MULTIPLE_CHOICES);
    assert_eq!(
        choices["choices"][1]["links"][0]["href"],
        "http://cloud/compute/v2.1/servers"
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_under_both_names() {
    for path in [
        "/compute/",
        "/compute/v2.1/servers",
        "/compute/v2.1/nothing",
    ] {
        let (response, _) = ask("GET", path, &[], "").await;
        let id = &response.headers()["x-openstack-request-id"];
        assert!(id.to_str().expect("text").starts_with("req-"));
        assert_eq!(id, &response.headers()["x-compute-request-id"]);
    }
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    for headers in [&[][..], &[("x-auth-token", "bad")]] {
        let (response, body) = ask("GET", "/compute/v2.1/servers", headers, "").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            response.headers()["www-authenticate"],
            "Keystone uri=\"http://cloud/identity\""
        );
        assert_eq!(body["error"]["code"], 401);
    }
}

#[tokio::test]
async fn paths_that_no_version_knows_are_answered_from_in_front_of_the_api() {
    for (method, path) in [
        ("GET", "/compute/v2.1/nothing"),
        ("PATCH", "/compute/v2.1/servers"),
    ] {
        let (response, body) = call(method, path, "2.1", "").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(body["code"], "404 Not Found");
        assert!(!response.headers().contains_key("openstack-api-version"));
    }
}

#[tokio::test]
async fn a_route_outside_its_versions_is_not_found() {
    let (response, body) = call("GET", "/compute/v2.1/os-hosts", "2.43", "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        body,
        json!({"itemNotFound": {"code": 404, "message": "The resource could not be found."}})
    );
    assert_eq!(response.headers()["openstack-api-version"], "compute 2.43");
    assert_eq!(response.headers()["x-openstack-nova-api-version"], "2.43");
    let vary: Vec<_> = response.headers().get_all("vary").into_iter().collect();
    assert_eq!(
        vary,
        ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"]
    );
}

#[tokio::test]
async fn versions_that_cannot_be_spoken_are_refused() {
    let (response, body) = call("GET", "/compute/v2.1/servers", "2.999", "").await;
    assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(
        body["computeFault"]["message"],
        "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.104."
    );
    assert_eq!(response.headers()["openstack-api-version"], "compute 2.999");
    let (response, body) = call("GET", "/compute/v2.1/servers", "new", "").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        body["badRequest"]["message"],
        "API Version String new is of invalid format. Must be of format MajorNum.MinorNum."
    );
    assert!(!response.headers().contains_key("openstack-api-version"));
}

#[tokio::test]
async fn removed_calls_say_so_at_every_version() {
    for (method, path, body) in [
        ("GET", "/compute/v2.1/os-cells", ""),
        (
            "POST",
            "/compute/v2.1/servers/x/action",
            "{\"resetNetwork\": null}",
        ),
    ] {
        let (response, answer) = call(method, path, "2.104", body).await;
        assert_eq!(response.status(), StatusCode::GONE);
        assert_eq!(
            answer["computeFault"]["message"],
            "This resource is no longer available. No forwarding address is given."
        );
    }
}

#[tokio::test]
async fn an_action_is_the_only_key_of_its_body() {
    let path = "/compute/v2.1/servers/x/action";
    for body in ["", "{", "[]", "{}", "{\"pause\": null, \"lock\": null}"] {
        let (response, answer) = call("POST", path, "2.1", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            answer["badRequest"]["message"], "Malformed request body",
            "{body}"
        );
    }
    let (response, answer) = call("POST", path, "2.1", "{\"dance\": null}").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        answer["badRequest"]["message"],
        "There is no such action: dance"
    );
    let (response, _) = call("POST", path, "2.16", "{\"trigger_crash_dump\": null}").await;
    assert_eq!(
        response.status(),
        StatusCode::NOT_FOUND,
        "it came with 2.17"
    );
}

#[tokio::test]
async fn a_project_id_in_the_url_must_be_the_caller_s_own() {
    let (response, answer) = call("GET", "/compute/v2.1/0badcafe/os-agents", "2.1", "").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        answer["badRequest"]["message"],
        format!(
            "Malformed request URL: URL's project_id '0badcafe' doesn't match Context's project_id '{PROJECT}'"
        )
    );
    let (response, _) = call(
        "GET",
        &format!("/compute/v2.1/{PROJECT}/os-agents"),
        "2.1",
        "",
    )
    .await;
    assert_eq!(response.status(), StatusCode::GONE);
}

#[tokio::test]
async fn the_legacy_face_has_the_same_calls_and_no_version_headers() {
    let (response, answer) = call("GET", "/compute/v2/os-agents", "nonsense", "").await;
    assert_eq!(response.status(), StatusCode::GONE);
    assert_eq!(answer["computeFault"]["code"], 410);
    assert!(!response.headers().contains_key("openstack-api-version"));
    assert!(!response.headers().contains_key("vary"));
}

#[tokio::test]
async fn bodies_must_be_json_and_not_too_large() {
    let xml = [
        ("x-auth-token", "good"),
        ("content-type", "application/xml"),
    ];
    let (response, answer) = ask("POST", "/compute/v2.1/os-keypairs", &xml, "<a/>").await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        answer["badMediaType"]["message"],
        "Unsupported Content-Type"
    );
    let large = format!("\"{}\"", "x".repeat(114_688));
    let (response, _) = call("POST", "/compute/v2.1/os-keypairs", "2.1", &large).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=UTF-8"
    );
    let (response, answer) = call("POST", "/compute/v2.1/os-keypairs", "2.1", "{").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer["badRequest"]["message"], "Malformed request body");
}
