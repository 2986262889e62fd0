//! A cloud for targets: simulated hosts, all services behind its front door, asked without sockets.
//!
//! It is made when first asked for and serves many inputs, since a start takes long. What an input does to it (a user
//! deleted, a flavor made) is there for the next ones; so that all stays worth asking, [`with`] makes another cloud
//! after [`LIFE`] inputs, and when its tokens are of no use any more.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use testing::{TIMEOUT, TestCloud, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Inputs that one cloud serves: its databases grow with each server and image that an input makes.
const LIFE: u32 = 5000;

/// Inputs between two looks at whether the tokens still work.
const LOOK: u32 = 50;

/// The longest body of an answer, in bytes: requests are short, and so are the lists of a small cloud.
const MOST: usize = 16 << 20;

/// Settings of the cloud. Nothing is fetched from anywhere, and quotas end what one input asks a thousand times.
const SETTINGS: &str = "
[image]
web_download_allowed_hosts = nowhere.invalid
[quota]
instances = 50
";

static CLOUD: Mutex<Option<Cloud>> = Mutex::new(None);

/// What the cloud answered to one request.
pub struct Answer {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A running cloud with a server, an image and a network in it.
pub struct Cloud {
    runtime: Runtime,
    /// Kept because it ends when dropped.
    cloud: TestCloud,
    door: Router,
    seen: Arc<Mutex<Vec<Answer>>>,
    /// What `$NAME` stands for in inputs, longer names first.
    pub words: Vec<(&'static str, String)>,
    served: u32,
}

/// Runs `ask` on the cloud of this process. After a panic the next one gets a new cloud.
pub fn with<T>(ask: impl FnOnce(&Cloud) -> T) -> T {
    let mut held = CLOUD.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = held.take().and_then(Cloud::renewed);
    let mut cloud = kept.unwrap_or_else(Cloud::start);
    let answer = ask(&cloud);
    cloud.served += 1;
    *held = Some(cloud);
    answer
}

impl Cloud {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (cloud, words) = runtime.block_on(async {
            let cloud = TestCloud::with(SETTINGS).await;
            let words = words(&cloud).await;
            (cloud, words)
        });
        let seen = Arc::default();
        let door = cloud.cloud().front_door.clone();
        let door = door.layer(from_fn_with_state(Arc::clone(&seen), record));
        Cloud {
            runtime,
            cloud,
            door,
            seen,
            words,
            served: 0,
        }
    }

    /// The cloud, if it is still worth asking.
    fn renewed(self) -> Option<Self> {
        let due = self.served > 0 && self.served.is_multiple_of(LOOK);
        let works = |name: &str| {
            let request =
                Request::get("/compute/v2.1/servers").header("x-auth-token", self.word(name));
            let request = request.body(Body::empty()).expect("a request");
            self.ask(request).status == StatusCode::OK
        };
        if self.served < LIFE && (!due || (works("$ADMIN") && works("$DEMO"))) {
            return Some(self);
        }
        let Cloud { runtime, cloud, .. } = self;
        drop(cloud);
        runtime.shutdown_background();
        None
    }

    /// What a name of [`Cloud::words`] stands for.
    pub fn word(&self, name: &str) -> &str {
        let found = self.words.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("no word {name}"), |(_, text)| text)
    }

    /// What comes back for these bytes on a connection, and what the services answered to the requests in them.
    ///
    /// # Panics
    /// When it takes too long.
    pub fn send(&self, bytes: &[u8]) -> (Vec<u8>, Vec<Answer>) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let (mut read, mut write) = tokio::io::split(ours);
        let raw = self.bounded(async {
            let served = web::serve::serve_stream(theirs, peer, self.door.clone());
            let sent = async {
                // A connection that was closed early is an answer as good as any.
                drop(write.write_all(bytes).await);
                drop(write.shutdown().await);
            };
            let mut raw = Vec::new();
            let (_, (), read) = tokio::join!(served, sent, read.read_to_end(&mut raw));
            read.expect("a pipe in memory");
            raw
        });
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        (raw, seen)
    }

    /// The answer to one request.
    ///
    /// # Panics
    /// When it takes too long.
    pub fn ask(&self, request: http::Request<Body>) -> Answer {
        let door = self.door.clone();
        drop(self.bounded(async { door.oneshot(request).await.expect("infallible") }));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.pop().expect("one request, one answer")
    }

    fn bounded<T>(&self, asked: impl Future<Output = T>) -> T {
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(TIMEOUT, asked).await });
        ended.unwrap_or_else(|_| panic!("no answer within {TIMEOUT:?}"))
    }
}

/// Middleware: keeps every answer.
async fn record(
    State(seen): State<Arc<Mutex<Vec<Answer>>>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (parts, body) = next.run(request).await.into_parts();
    let body = to_bytes(body, MOST).await;
    let body = body.unwrap_or_else(|error| panic!("{method} {path}: no whole body: {error}"));
    let answer = Answer {
        method,
        path,
        status: parts.status,
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(answer);
    Response::from_parts(parts, Body::from(body))
}

/// Fills the cloud, and names what is in it.
async fn words(cloud: &TestCloud) -> Vec<(&'static str, String)> {
    let (admin, demo, revoked) = (cloud.admin().await, cloud.demo().await, cloud.demo().await);
    let subject = [("x-subject-token", revoked.token.as_str())];
    let path = "/identity/v3/auth/tokens";
    let gone = demo.send(Method::DELETE, path, &subject, None).await;
    gone.expect(204);
    let flavor = cloud.tiny().await;
    let image = cloud.image(&demo).await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let port = json!({"port": {"network_id": network}});
    let port = made(&demo, "/network/v2.0/ports", "port", &port).await;
    let server = cloud.boot(&demo, "fuzzed").await;
    server.reaches("ACTIVE").await;
    let path = format!(
        "/identity/v3/users/{}/application_credentials",
        demo.user_id
    );
    let credential = json!({"application_credential": {"name": "fuzz"}});
    let credential = demo.post(&path, &credential).await.expect(201);
    let volume = json!({"volume": {"name": "fuzzed", "size": 1}});
    let path = "/volume/v3/volumes";
    let volume = demo.post(path, &volume).await.expect(202);
    let credential = |key: &str| text(&credential["application_credential"][key]);
    let mut words = vec![
        ("$ADMIN", admin.token),
        ("$CREDENTIAL", credential("id")),
        ("$DEMO", demo.token),
        ("$FLAVOR", flavor),
        ("$IMAGE", image),
        ("$NETWORK", network),
        ("$PORT", port),
        ("$PROJECT", demo.project_id),
        ("$REVOKED", revoked.token),
        ("$SECRET", credential("secret")),
        ("$SERVER", server.id),
        ("$USER", demo.user_id),
        ("$VOLUME", text(&volume["volume"]["id"])),
    ];
    words.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    words
}

async fn made(user: &User, path: &str, one: &str, body: &Value) -> String {
    let made = user.post(path, body).await.expect(201);
    text(&made[one]["id"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
