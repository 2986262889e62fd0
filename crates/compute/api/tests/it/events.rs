//! `GET /servers/events`: who sees which events, where a client goes on, and when a stream ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, BodyDataStream};
use compute_api::{Api, router};
use compute_control::events::{Hub, Limits};
use compute_control::{Control, testing};
use futures::StreamExt;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use web::{AuthError, Authenticator, Caller};

const PATH: &str = "/compute/v2.1/servers/events";

/// Headers of requests.
const NONE: &[(&str, &str)] = &[];
const JSON: &[(&str, &str)] = &[("accept", "application/json")];

/// What the identity service says of tokens.
#[derive(Default)]
struct Identity {
    /// Roles by token, which is the user and the project; one that is not here is not good.
    tokens: Mutex<Vec<(&'static str, &'static str)>>,
    /// Questions that it does not answer from now on.
    away: AtomicUsize,
}

#[async_trait]
impl Authenticator for Identity {
    async fn authenticate(&self, token: &str, _: Option<&str>) -> Result<Arc<Caller>, AuthError> {
        let less = |left: usize| left.checked_sub(1);
        let away = self
            .away
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if away.is_ok() {
            return Err(AuthError::Unavailable("away".to_owned()));
        }
        let tokens = self.tokens.lock().expect("whole");
        let found = tokens.iter().find(|(known, _)| *known == token);
        let (_, roles) = found.ok_or(AuthError::Unauthorized)?;
        Ok(Arc::new(Caller {
            user_id: token.into(),
            user_name: token.into(),
            user_domain_id: "default".into(),
            user_domain_name: "Default".into(),
            project_id: Some(token.into()),
            project_name: Some(token.into()),
            project_domain_id: Some("default".into()),
            project_domain_name: Some("Default".into()),
            domain_id: None,
            system: false,
            roles: roles.split(',').map(str::to_owned).collect(),
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: token.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://cloud/identity".into()
    }
}

struct Cloud {
    control: Arc<Control>,
    identity: Arc<Identity>,
    router: Router,
}

/// An open stream, and what came of it.
struct Stream {
    head: HeaderMap,
    body: BodyDataStream,
    text: String,
}

/// One block of a stream.
#[derive(Debug, Default)]
struct Block {
    id: Option<i64>,
    event: String,
    data: Value,
}

impl Stream {
    /// The next block; none when the stream ended.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let read = read(block);
                self.text = rest.to_owned();
                return Some(read);
            }
            let part = tokio::time::timeout(Duration::from_secs(60), self.body.next());
            let part = part.await.expect("something comes")?;
            let part = part.expect("no failure");
            self.text += std::str::from_utf8(&part).expect("text");
        }
    }

    /// The next event.
    async fn event(&mut self) -> (i64, Value) {
        let block = self.block().await.expect("the stream goes on");
        assert_eq!(block.data["event"], block.event, "{block:?}");
        assert_eq!(block.data["number"], block.id.expect("an id"), "{block:?}");
        (block.id.expect("an id"), block.data)
    }

    /// Why it ended.
    async fn why(&mut self) -> String {
        let block = self.block().await.expect("a last word");
        assert_eq!(block.event, "end", "{block:?}");
        assert!(self.block().await.is_none(), "nothing follows");
        block.data["why"].as_str().expect("a text").to_owned()
    }
}

fn read(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", number)) => block.id = Some(number.parse().expect("a number")),
            Some(("event", word)) => block.event = word.to_owned(),
            Some(("data", data)) => block.data = serde_json::from_str(data).expect("JSON"),
            Some(("retry" | "", _)) => {}
            other => panic!("{other:?} in {text}"),
        }
    }
    block
}

impl Cloud {
    async fn start() -> Self {
        let none = Router::new;
        let mut control = testing::control(none(), none(), none()).await;
        control.settings.event_check_interval = Duration::from_millis(50);
        control.events = Hub::new(
            control.db.clone(),
            Limits {
                in_all: 100,
                per_user: 2,
            },
        );
        let control = Arc::new(control);
        let identity = Arc::new(Identity::default());
        let known = [
            ("one", "reader"),
            ("two", "reader"),
            ("root", "admin,reader"),
        ];
        identity.tokens.lock().expect("whole").extend(known);
        let api = router(Arc::new(Api {
            authenticator: identity.clone(),
            control: control.clone(),
        }));
        Cloud {
            control,
            identity,
            router: Router::new().nest_service("/compute", api),
        }
    }

    async fn ask(
        &self,
        who: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> axum::response::Response {
        let mut request = Request::builder()
            .uri(format!("{PATH}{query}"))
            .header("host", "cloud")
            .header("x-auth-token", who);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer")
    }

    /// Opens a stream; the number where it begins.
    async fn open(&self, who: &str, query: &str, headers: &[(&str, &str)]) -> (Stream, i64) {
        let answer = self.ask(who, query, headers).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let head = answer.headers().clone();
        let body = answer.into_body().into_data_stream();
        let text = String::new();
        let mut stream = Stream { head, body, text };
        let first = stream.block().await.expect("a beginning");
        assert_eq!(first.data, Value::Null);
        (stream, first.id.expect("a place"))
    }

    async fn page(&self, who: &str, query: &str) -> (u16, Value) {
        let answer = self.ask(who, query, JSON).await;
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body");
        (
            code,
            serde_json::from_slice(&body.to_bytes()).expect("JSON"),
        )
    }

    async fn server(&self, project: &str) -> String {
        testing::server(&self.control, project, "node1").await.id
    }
}

fn message(body: &Value) -> &str {
    let fault = body.as_object().and_then(|body| body.values().next());
    fault
        .and_then(|fault| fault["message"].as_str())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_stream_shows_ones_own_servers_and_goes_on_where_it_broke_off() {
    let cloud = Cloud::start().await;
    let first = cloud.server("one").await;
    cloud.server("two").await;
    let second = cloud.server("one").await;
    let (mut stream, after) = cloud.open("one", "?after=0", &[]).await;
    assert_eq!(after, 0);
    assert_eq!(stream.head["content-type"], "text/event-stream");
    assert_eq!(stream.head["cache-control"], "no-store");
    let (number, event) = stream.event().await;
    assert_eq!(
        (number, &event["server_id"]),
        (1, &Value::from(first.clone()))
    );
    assert_eq!(event["event"], "server.create");
    assert_eq!(event["old"], Value::Null);
    assert!(event.get("host").is_none(), "{event}");
    let (number, event) = stream.event().await;
    assert_eq!((number, &event["server_id"]), (3, &Value::from(second)));
    testing::change(&cloud.control, &first, |server| {
        server.vm_state = compute_model::VmState::Stopped;
    })
    .await;
    let (number, event) = stream.event().await;
    assert_eq!(
        (number, &event["event"]),
        (4, &Value::from("server.update"))
    );
    let states = (&event["old"]["status"], &event["status"]);
    assert_eq!(states, (&Value::from("ACTIVE"), &Value::from("SHUTOFF")));
    assert_eq!(event["power_state"], 1);
    drop(stream);
    // The header of a client that comes back is newer than its query.
    let (mut again, after) = cloud
        .open("one", "?after=0", &[("last-event-id", "3")])
        .await;
    assert_eq!(after, 3);
    assert_eq!(again.event().await.0, 4);
    // Without a number: what comes from now on.
    let (mut now, after) = cloud.open("one", "", &[("accept", "*/*")]).await;
    assert_eq!(after, 4);
    cloud.server("two").await;
    cloud.server("one").await;
    assert_eq!(now.event().await.0, 6);
    assert_eq!(again.event().await.0, 6);
}

#[tokio::test]
async fn whoever_asks_for_json_alone_reads_pages() {
    let cloud = Cloud::start().await;
    for project in ["one", "two", "one", "one", "two"] {
        cloud.server(project).await;
    }
    // They get their numbers within a moment of somebody watching.
    let (mut stream, _) = cloud.open("root", "?after=0&all_tenants=1", &[]).await;
    while stream.event().await.0 < 5 {}
    let (code, page) = cloud.page("one", "?after=0&limit=2").await;
    assert_eq!(code, 200, "{page}");
    let numbers = |page: &Value| -> Vec<i64> {
        let events = page["events"].as_array().expect("a list");
        let number = |event: &Value| event["number"].as_i64().expect("a number");
        events.iter().map(number).collect()
    };
    assert_eq!(
        (numbers(&page), &page["after"]),
        (vec![1, 3], &Value::from(3))
    );
    let (_, page) = cloud.page("one", "?after=3&limit=2").await;
    assert_eq!((numbers(&page), &page["after"]), (vec![4], &Value::from(5)));
    let (_, page) = cloud.page("one", "").await;
    assert_eq!((numbers(&page), &page["after"]), (vec![], &Value::from(5)));
    let (_, page) = cloud.page("root", "?after=3&all_tenants=1").await;
    assert_eq!(numbers(&page), [4, 5]);
    assert_eq!(page["events"][0]["host"], "node1");
    // An operator's own project has none.
    let (_, page) = cloud.page("root", "?after=0").await;
    assert_eq!(numbers(&page), [0_i64; 0]);
    let (code, body) = cloud.page("one", "?after=0&all_tenants=1").await;
    assert_eq!(code, 403, "{body}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_a_stream_begins() {
    const WRONG: &[(&str, &str)] = &[("last-event-id", "x")];
    let cloud = Cloud::start().await;
    for (query, headers, code) in [
        ("?after=x", NONE, 400),
        ("?after=-1", NONE, 400),
        ("?limit=0", JSON, 400),
        ("?limit=5", NONE, 400),
        ("?colour=red", NONE, 400),
        ("?all_tenants=perhaps", NONE, 400),
        ("", WRONG, 400),
        ("?all_tenants=1", NONE, 403),
        ("?after=1", NONE, 410),
    ] {
        let answer = cloud.ask("one", query, headers).await;
        assert_eq!(answer.status().as_u16(), code, "{query}");
    }
    assert_eq!(cloud.ask("nobody", "", &[]).await.status().as_u16(), 401);
    let first = cloud.open("one", "", &[]).await;
    let second = cloud.open("one", "", &[]).await;
    let refused = cloud.ask("one", "", &[]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "60");
    drop(first);
    let (_third, _) = cloud.open("one", "", &[]).await;
    drop(second);
}

#[tokio::test]
async fn events_that_are_forgotten_are_gone_and_the_fault_says_where_to_go_on() {
    let cloud = Cloud::start().await;
    for _ in 0..3 {
        cloud.server("one").await;
    }
    let (mut stream, _) = cloud.open("one", "?after=0", &[]).await;
    while stream.event().await.0 < 3 {}
    testing::forget_events(&cloud.control).await;
    let (code, body) = cloud.page("one", "?after=1").await;
    assert_eq!(code, 410, "{body}");
    assert_eq!(body["computeFault"]["code"], 410);
    assert_eq!(
        message(&body),
        "The events behind 1 are forgotten up to 3. Read on behind 3 if that is enough, or list the servers and read \
         on behind 3."
    );
    let answer = cloud.ask("one", "?after=1", &[]).await;
    assert_eq!(answer.status(), StatusCode::GONE);
    let (mut on, _) = cloud.open("one", "?after=3", &[]).await;
    cloud.server("one").await;
    assert_eq!(on.event().await.0, 4);
}

#[tokio::test]
async fn a_stream_ends_when_its_user_loses_the_right() {
    let cloud = Cloud::start().await;
    let (mut kept, _) = cloud.open("two", "", &[]).await;
    let (mut lost, _) = cloud.open("one", "", &[]).await;
    let (mut less, _) = cloud.open("root", "?all_tenants=1", &[]).await;
    let known = [("two", "reader"), ("root", "reader")];
    *cloud.identity.tokens.lock().expect("whole") = known.to_vec();
    assert_eq!(
        lost.why().await,
        "the token of its user was revoked or expired"
    );
    assert_eq!(
        less.why().await,
        "its user may not see all of this any more"
    );
    // It was away for a moment: that ends nothing.
    cloud.identity.away.store(2, Ordering::SeqCst);
    while cloud.identity.away.load(Ordering::SeqCst) > 0 {
        // A stream looks while it is read.
        let next = tokio::time::timeout(Duration::from_millis(20), kept.block()).await;
        assert!(next.is_err(), "{next:?}");
    }
    cloud.server("two").await;
    assert_eq!(kept.event().await.0, 1);
    cloud.identity.away.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(
        kept.why().await,
        "nobody says whether its user still has the right"
    );
}

#[tokio::test]
async fn a_stream_ends_with_the_process() {
    let cloud = Cloud::start().await;
    let (mut open, _) = cloud.open("one", "", &[]).await;
    cloud.control.events.close();
    assert_eq!(open.why().await, "the service ends: ask again");
}
