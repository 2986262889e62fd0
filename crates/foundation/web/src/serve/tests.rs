#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

/// Short for the tests, long for a loaded machine to answer within.
const HEAD: Duration = Duration::from_millis(400);

/// A listener that gives a head so long, and the rest as long as ever.
fn heads(head: Duration) -> Waits {
    Waits { head, ..WAITS }
}

type Running = (SocketAddr, CancellationToken, JoinHandle<io::Result<()>>);

async fn running(router: Router) -> Running {
    running_with(router, heads(HEAD)).await
}

async fn running_with(router: Router, waits: Waits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve_within(listener.into(), router, stop.clone(), waits));
    (address, stop, served)
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// All that comes until the other side closes; fails the test when it never does.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text));
    read.await.expect("the connection is closed").unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_client_that_trickles_its_head_is_cut_off() {
    let (address, ..) = running(hello()).await;
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let begun = Instant::now();
    let trickle = tokio::spawn(async move {
        let head = b"GET / HTTP/1.1\r\nhost: x\r\n";
        for byte in head.iter().chain(std::iter::repeat(&b'a')) {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), reading.read_to_end(&mut answer));
    drop(ended.await.expect("the connection is closed"));
    assert!(begun.elapsed() >= HEAD);
    assert!(answer.is_empty(), "there was no request to answer");
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let (address, ..) = running(hello()).await;
    let mut never_asks = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut never_asks).await, "");
    let mut asked_once = TcpStream::connect(address).await.unwrap();
    asked_once
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut asked_once).await.ends_with("hello"));
}

#[tokio::test]
async fn a_slow_upload_and_a_slow_answer_are_not_cut() {
    let echo = |body: Body| async move {
        let bytes = crate::body::read(body, 1024).await.unwrap();
        tokio::time::sleep(HEAD * 2).await;
        bytes
    };
    let (address, ..) = running(Router::new().route("/", post(echo))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 8\r\n\r\n")
        .await
        .unwrap();
    for byte in b"01234567" {
        tokio::time::sleep(HEAD / 3).await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    assert!(rest(&mut stream).await.ends_with("01234567"));
}

#[tokio::test]
async fn a_connection_that_becomes_another_protocol_may_be_silent() {
    let upgrade = |mut request: axum::extract::Request| async move {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let mut stream = TokioIo::new(upgraded);
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            tokio::time::sleep(HEAD * 2).await;
            stream.write_all(&word).await.unwrap();
        });
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, headers)
    };
    let (address, ..) = running(Router::new().route("/", get(upgrade))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping")
        .await
        .unwrap();
    let all = rest(&mut stream).await;
    assert!(
        all.starts_with("HTTP/1.1 101") && all.ends_with("ping"),
        "{all}"
    );
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_takes_no_more() {
    let (started, starts) = tokio::sync::oneshot::channel::<()>();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some((started, finished)));
    let once = std::sync::Arc::new(once);
    let handler = move || {
        let (started, finished) = once.lock().unwrap().take().unwrap();
        async move {
            started.send(()).unwrap();
            finished.await.unwrap();
            "done"
        }
    };
    let (address, stop, served) = running(Router::new().route("/", get(handler))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    starts.await.unwrap();
    stop.cancel();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.is_finished());
    finish.send(()).unwrap();
    assert!(rest(&mut stream).await.ends_with("done"));
    served.await.unwrap().unwrap();
}

/// An answer without an end, and what is cancelled when it is dropped.
fn endless() -> (Router, CancellationToken) {
    let dropped = CancellationToken::new();
    let guard = dropped.clone().drop_guard();
    let once = Arc::new(std::sync::Mutex::new(Some(guard)));
    let handler = move || {
        let guard = once.lock().unwrap().take().unwrap();
        let parts = futures::stream::unfold(guard, |guard| async move {
            Some((Ok::<_, io::Error>(vec![b'x'; 1 << 16]), guard))
        });
        async move { Body::from_stream(parts) }
    };
    (Router::new().route("/", get(handler)), dropped)
}

/// A client that asks, and takes nothing of its answer but its beginning.
async fn idler(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    asked.await.unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_endless_answer_loses_its_connection() {
    let (router, dropped) = endless();
    let waits = Waits {
        taken: HEAD,
        ..WAITS
    };
    let (address, ..) = running_with(router, waits).await;
    let idler = idler(address).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), dropped.cancelled());
    ended.await.expect("the answer is given up");
    drop(idler);
}

#[tokio::test]
async fn a_stop_does_not_wait_long_for_a_client_that_takes_nothing() {
    let (router, dropped) = endless();
    let waits = Waits {
        at_end: HEAD,
        ..WAITS
    };
    let (address, stop, served) = running_with(router, waits).await;
    let idler = idler(address).await;
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(60), served);
    ended.await.expect("it ends").unwrap().unwrap();
    assert!(dropped.is_cancelled());
    drop(idler);
}

#[tokio::test]
async fn a_handler_that_panics_costs_only_its_request() {
    let broken = || async { panic!("on purpose") as &'static str };
    let (address, ..) = running(hello().route("/broken", get(broken))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n\
              GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let both = rest(&mut stream).await;
    assert!(
        both.starts_with("HTTP/1.1 500") && both.ends_with("hello"),
        "{both}"
    );
}

/// A listener that gives a head all the time that it takes.
async fn patient(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_within(
        listener.into(),
        router,
        stop,
        heads(HEAD * 50),
    ));
    address
}

/// Sends these bytes and reads until the other side closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

/// The message of a refusal, which is looked at whole.
fn refused(answer: &str, code: u16) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    for line in [
        "content-type: application/json",
        "connection: close",
        &format!("content-length: {}", body.len()),
    ] {
        assert!(head.contains(line), "no {line} in {head}");
    }
    let id = head.split("x-openstack-request-id: req-").nth(1);
    assert!(id.is_some_and(|id| id.len() >= 36), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).expect(body);
    assert_eq!(body["error"]["code"], code);
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_with_a_fault() {
    let address = patient(hello()).await;
    let headers = "x: y\r\n".repeat(101);
    // hyper parses what it has before it looks at its limit of 417,792 bytes, so a head just above it may pass.
    let (long, large) = ("a".repeat(65_535), "a".repeat(4 << 20));
    for (head, code, words) in [
        (
            "GET /?all=\"tenants\" HTTP/1.1\r\nhost: x\r\n\r\n",
            400,
            "%22",
        ),
        ("GE(T / HTTP/1.1\r\nhost: x\r\n\r\n", 400, "method"),
        ("GET /?a=b c HTTP/1.1\r\nhost: x\r\n\r\n", 400, "%20"),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nbad header: 1\r\n\r\n",
            400,
            "header",
        ),
        (
            "GET / HTTP/1.1\r\ncontent-length: two\r\n\r\n",
            400,
            "Content-Length",
        ),
        (
            "GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
            "HTTP/1.0",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n").as_str(),
            414,
            "65534",
        ),
        (
            format!("GET / HTTP/1.1\r\n{headers}\r\n").as_str(),
            431,
            "100",
        ),
        (
            format!("GET / HTTP/1.1\r\nx: {large}\r\n\r\n").as_str(),
            431,
            "too large",
        ),
    ] {
        let answer = exchange(address, head.as_bytes()).await;
        let message = refused(&answer, code);
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test]
async fn an_answer_before_a_refusal_is_whole() {
    let address = patient(hello()).await;
    let good = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let bad = "GET /?\" HTTP/1.1\r\nhost: x\r\n\r\n";
    let both = exchange(address, format!("{good}{bad}").as_bytes()).await;
    let (first, second) = both.split_once("hello").expect("the first answer");
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{both}");
    refused(second, 400);

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(good.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"hello") {
        assert!(stream.read_buf(&mut said).await.unwrap() > 0);
    }
    stream.write_all(bad.as_bytes()).await.unwrap();
    refused(&rest(&mut stream).await, 400);
}

#[tokio::test]
async fn answers_that_look_like_a_refusal_of_hyper_are_left_as_they_are() {
    const PIECE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                         date: Mon, 30 Nov 2026 16:00:00 GMT\r\n\r\n";
    const PIECES: usize = 2_000;
    let stream = || async {
        let pieces = futures::stream::iter((0..PIECES).map(|_| Ok::<_, io::Error>(PIECE)));
        // Each piece is written by itself.
        let pieces = futures::StreamExt::then(pieces, |piece| async move {
            tokio::task::yield_now().await;
            piece
        });
        let length = (PIECE.len() * PIECES).to_string();
        ([("content-length", length)], Body::from_stream(pieces))
    };
    let empty = || async { StatusCode::BAD_REQUEST };
    let large = || async { "a".repeat(8 << 20) };
    let router = Router::new().route("/stream", get(stream));
    let router = router
        .route("/empty", get(empty))
        .route("/large", get(large));
    let address = patient(router).await;
    let asked = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");

    let streamed = exchange(address, asked("/stream").as_bytes()).await;
    let (_, body) = streamed.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, PIECE.repeat(PIECES));
    let empty = exchange(address, asked("/empty").as_bytes()).await;
    assert!(empty.starts_with("HTTP/1.1 400 ") && empty.ends_with("\r\n\r\n"));
    assert!(!empty.contains("x-openstack-request-id"), "{empty}");
    let large = exchange(address, asked("/large").as_bytes()).await;
    let (_, body) = large.split_once("\r\n\r\n").unwrap();
    assert!(body.len() == 8 << 20 && body.bytes().all(|byte| byte == b'a'));
}

#[tokio::test]
async fn a_client_that_begins_with_http_2_is_closed_on() {
    let address = patient(hello()).await;
    assert_eq!(
        exchange(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await,
        ""
    );
}

/// A connection that says nothing and stays.
async fn idle(address: SocketAddr, from: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

/// What a client at `from` is answered.
async fn asks(address: SocketAddr, from: &str) -> String {
    let mut stream = idle(address, from).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn a_client_with_many_connections_leaves_the_others_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door {
        limits: Limits {
            in_all: 8,
            per_address: 4,
            proxies: Arc::from([]),
        },
        ..Door::from(listener)
    };
    tokio::spawn(serve_within(
        door,
        hello(),
        CancellationToken::new(),
        heads(HEAD * 50),
    ));
    let mut flood = Vec::new();
    for _ in 0..4 {
        flood.push(idle(address, "127.0.0.2").await);
    }
    for _ in 0..20 {
        let mut refused = idle(address, "127.0.0.2").await;
        let said = rest(&mut refused).await;
        assert!(
            said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after"),
            "{said}"
        );
    }
    assert!(asks(address, "127.0.0.3").await.ends_with("hello"));
    flood.clear();
    // The places come back when the server has seen the ends.
    let again = async {
        while !asks(address, "127.0.0.2").await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .expect("served again");
}
