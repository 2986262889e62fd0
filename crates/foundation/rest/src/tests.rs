//! A small service in the frame.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use microversion::Version;
use tower::ServiceExt;
use web::policy::Guard;

use crate::words::{ACCEPTED, CREATED, DELETE, GET, NO_CONTENT, OK, POST, PUT};
use crate::{Access, Answer, Call, Paths, Refused, Row, Service, Serving, Table};
use crate::{built, open, streamed};

struct Zoo;

/// The rule of the call.
struct Cx(Guard);

#[derive(Debug)]
struct Fault;

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        StatusCode::IM_A_TEAPOT.into_response()
    }
}

const RULE: Access = Access::Rule("zoo:see");
const WHO: Access = Access::Authenticated;

#[rustfmt::skip]
const ROWS: &[Row<Zoo>] = &[
    Row::new(GET, "/", Access::Open, OK, open!(versions)),
    Row::new(GET, "/animals", WHO, OK, built!(path)),
    Row::new(POST, "/animals", WHO, CREATED, built!(echo)).before(3, ACCEPTED),
    Row::new(GET, "/animals/detail", WHO, OK, built!(path)),
    Row::new(GET, "/animals/{id}", RULE, OK, built!(asks)),
    Row::new(DELETE, "/animals/{id}", RULE, NO_CONTENT, built!(forgets)),
    Row::new(PUT, "/animals/{id}/photo", WHO, OK, streamed!(photo)),
    Row::new(POST, "/animals/{id}/action", WHO, ACCEPTED, built!(echo)).action("feed"),
    Row::new(POST, "/animals/{id}/action", WHO, ACCEPTED, built!(fails)).action("wake").since(2),
    Row::new(POST, "/animals/{id}/action", RULE, ACCEPTED, Serving::NotBuilt).action("train"),
    Row::new(GET, "/dodos", WHO, OK, Serving::Gone),
];

static TABLE: LazyLock<Table<Zoo>> = LazyLock::new(|| Table::new(&[ROWS]));

async fn versions(_: Arc<Zoo>, _: Call<()>) -> Result<Answer, Fault> {
    Ok(Answer::of(&["1"]))
}

async fn path(_: Arc<Zoo>, call: Call<Cx>) -> Result<Answer, Fault> {
    Ok(Answer::of(&call.link("animals")))
}

async fn echo(_: Arc<Zoo>, call: Call<Cx>) -> Result<Answer, Fault> {
    Ok(Answer::of(&call.body))
}

async fn asks(_: Arc<Zoo>, call: Call<Cx>) -> Result<Answer, Fault> {
    assert_eq!(call.cx.0.rule(), "zoo:see");
    call.cx.0.note();
    Ok(Answer::of(call.path("id")))
}

async fn forgets(_: Arc<Zoo>, _: Call<Cx>) -> Result<Answer, Fault> {
    Ok(Answer::empty())
}

async fn fails(_: Arc<Zoo>, _: Call<Cx>) -> Result<Answer, Fault> {
    Err(Fault)
}

async fn photo(_: Arc<Zoo>, _: Call<Cx>, body: Body) -> Result<Answer, Fault> {
    let bytes = body.collect().await.expect("a body").to_bytes();
    Ok(Answer::of(&bytes.len()))
}

impl Service for Zoo {
    type Caller = String;
    type Context = Cx;
    type Fault = Fault;

    const VERSIONS: Option<microversion::Service> = Some(microversion::Service {
        service_type: "zoo",
        legacy_header: None,
        min: Version::new(1, 1),
        max: Version::new(1, 9),
    });
    const PATHS: Paths = Paths {
        project_before: true,
        json_after: true,
        slash_after: true,
        head_is_get: true,
    };

    fn table() -> &'static Table<Self> {
        &TABLE
    }

    async fn identify(self: &Arc<Self>, head: &Parts) -> Result<String, Response> {
        match head.headers.get("x-auth-token") {
            Some(token) => Ok(token.to_str().expect("text").to_owned()),
            None => Err(StatusCode::UNAUTHORIZED.into_response()),
        }
    }

    fn context(_: String, guard: Guard, _: &Parts) -> Cx {
        Cx(guard)
    }

    fn project(caller: &String) -> Option<&str> {
        Some(caller)
    }

    fn admit(head: &Parts) -> Result<(), Refused> {
        match head.headers.contains_key("content-encoding") {
            true => Err(Refused::MediaType),
            false => Ok(()),
        }
    }

    fn refuse(refused: Refused, _: &HeaderMap) -> Response {
        (refused.status(), refused.to_string()).into_response()
    }
}

fn zoo() -> Router {
    let durable = web::Durable::by(|| async { Ok::<_, String>(()) });
    crate::router(Arc::new(Zoo), durable, Some("x-zoo-request-id"))
}

/// Status and body of an answer to the project `ab`.
async fn ask(method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("x-auth-token", "ab");
    said(
        request
            .body(Body::from(body.to_owned()))
            .expect("a request"),
    )
    .await
}

async fn said(request: Request<Body>) -> (u16, String) {
    let response = zoo().oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body");
    (
        status,
        String::from_utf8(body.to_bytes().to_vec()).expect("text"),
    )
}

fn found(path: &str) -> Option<&'static str> {
    let found = TABLE.find(&Method::GET, path).ok();
    found.map(|found| found.rows[0].path)
}

#[test]
fn a_written_out_segment_wins_over_an_open_one() {
    assert_eq!(found("/animals/detail"), Some("/animals/detail"));
    assert_eq!(found("/animals/one"), Some("/animals/{id}"));
    assert_eq!(found("/animals/one.json"), Some("/animals/{id}"));
    assert_eq!(found("/animals/"), Some("/animals"));
    assert_eq!(found("/nothing"), None);
    assert_eq!(found("animals"), None);
}

#[test]
fn a_project_id_may_stand_before_any_path() {
    let found = TABLE.find(&Method::GET, "/6f70-ab/animals/one").ok();
    let found = found.expect("found");
    assert_eq!(found.project.as_deref(), Some("6f70-ab"));
    assert_eq!(found.captures, [("id", "one".to_owned())]);
    assert!(TABLE.find(&Method::GET, "/my_project/animals/one").is_err());
}

#[test]
fn all_parts_of_a_path_are_decoded() {
    let found = TABLE.find(&Method::GET, "/%61nimals/my%20cat").ok();
    let found = found.expect("found");
    assert_eq!(found.captures, [("id", "my cat".to_owned())]);
}

#[test]
fn a_known_path_with_another_verb_is_told_from_an_unknown_one() {
    let refused = |method, path| TABLE.find(&method, path).err().expect("refused").status();
    assert_eq!(refused(Method::PUT, "/animals").as_u16(), 405);
    assert_eq!(refused(Method::TRACE, "/animals").as_u16(), 405);
    assert_eq!(refused(Method::PUT, "/plants").as_u16(), 404);
    assert!(TABLE.find(&Method::HEAD, "/animals/one").is_ok());
}

#[test]
fn a_line_says_all_of_a_row_but_what_serves_it() {
    let lines = TABLE.lines();
    assert_eq!(lines.len(), ROWS.len());
    assert_eq!((lines[2].success, lines[2].path), (CREATED, "/animals"));
    assert_eq!(lines[9].status, crate::Status::NotBuilt);
    assert_eq!(ROWS[9].to_string(), "POST /animals/{id}/action train");
}

#[test]
fn a_handler_that_wants_a_caller_stands_in_no_open_row() {
    const WRONG: &[Row<Zoo>] = &[Row::new(GET, "/animals", Access::Open, OK, built!(path))];
    let made = std::panic::catch_unwind(|| Table::new(&[WRONG]));
    assert!(made.is_err());
}

#[tokio::test]
async fn a_token_is_asked_for_unless_the_row_is_open() {
    let bare = |path: &str| {
        let request = Request::builder().uri(path.to_owned());
        said(request.body(Body::empty()).expect("a request"))
    };
    assert_eq!(bare("/").await, (200, "[\"1\"]".to_owned()));
    assert_eq!(bare("/animals").await.0, 401);
    assert_eq!(
        bare("/nothing").await.0,
        401,
        "before the path is looked at"
    );
    assert_eq!(ask("GET", "/nothing", "").await.0, 404);
}

#[tokio::test]
async fn links_carry_the_project_that_the_client_wrote() {
    let (_, link) = ask("GET", "/ab/animals", "").await;
    assert_eq!(link, "\"http://localhost/ab/animals\"");
    let (status, why) = ask("GET", "/cd/animals", "").await;
    assert_eq!(status, 400);
    assert!(why.contains("'cd'") && why.contains("'ab'"), "{why}");
}

#[tokio::test]
async fn an_action_is_named_by_the_only_key_of_the_body() {
    let act = async |body: &str| ask("POST", "/animals/one/action", body).await;
    assert_eq!(act(r#"{"feed": 1}"#).await.0, 202);
    assert_eq!(
        act(r#"{"wake": 1}"#).await.0,
        404,
        "not at the least version"
    );
    let (status, why) = act(r#"{"train": 1}"#).await;
    assert_eq!(status, 501);
    assert!(why.contains("POST /animals/{id}/action train"), "{why}");
    let (status, why) = act(r#"{"eat": 1}"#).await;
    assert_eq!(status, 400);
    assert!(why.contains("eat"), "{why}");
    assert_eq!(act(r#"{"feed": 1, "wake": 1}"#).await.0, 400);
    assert_eq!(act("[]").await.0, 400);
    assert_eq!(act("{").await.0, 400);
}

#[tokio::test]
async fn codes_and_headers_follow_the_version() {
    let at = async |version: &str| {
        let request = Request::post("/animals")
            .header("x-auth-token", "ab")
            .header("openstack-api-version", format!("zoo {version}"))
            .body(Body::from("{}"))
            .expect("a request");
        let response = zoo().oneshot(request).await.expect("an answer");
        let named = response.headers().get("openstack-api-version");
        let named = named.map(|value| value.to_str().expect("text").to_owned());
        assert!(response.headers().contains_key("x-zoo-request-id"));
        (response.status().as_u16(), named.unwrap_or_default())
    };
    assert_eq!(at("1.2").await, (202, "zoo 1.2".to_owned()));
    assert_eq!(at("latest").await, (201, "zoo 1.9".to_owned()));
    assert_eq!(at("1.99").await, (406, "zoo 1.99".to_owned()));
    assert_eq!(at("new").await, (400, String::new()));
}

#[tokio::test]
async fn faults_and_refusals_are_worded_by_the_service() {
    let request = Request::post("/animals/one/action")
        .header("x-auth-token", "ab")
        .header("openstack-api-version", "zoo 1.2")
        .body(Body::from(r#"{"wake": null}"#));
    assert_eq!(said(request.expect("a request")).await.0, 418);
    assert_eq!(ask("GET", "/dodos", "").await.0, 410);
    let request = Request::get("/animals")
        .header("x-auth-token", "ab")
        .header("content-encoding", "gzip")
        .body(Body::empty());
    assert_eq!(said(request.expect("a request")).await.0, 415);
    assert_eq!(ask("GET", "/animals?name=a%00", "").await.0, 400);
    assert_eq!(ask("POST", "/animals", r#"{"a": "\u0000"}"#).await.0, 400);
}

#[tokio::test]
async fn a_body_is_bounded_unless_its_row_reads_it_as_it_comes() {
    let large = "1".repeat(web::body::MAX_REQUEST_BODY + 1);
    assert_eq!(ask("POST", "/animals", &large).await.0, 413);
    let (status, length) = ask("PUT", "/animals/one/photo", &large).await;
    assert_eq!((status, length), (200, large.len().to_string()));
}

#[tokio::test]
async fn head_has_no_body() {
    assert_eq!(ask("HEAD", "/animals/one", "").await, (200, String::new()));
}

#[tokio::test]
async fn the_rule_of_a_row_is_asked() {
    assert_eq!(ask("GET", "/animals/one", "").await.0, 200);
    let forgotten = tokio::spawn(async { ask("DELETE", "/animals/one", "").await });
    let error = forgotten.await.expect_err("a panic");
    assert!(error.is_panic());
}
