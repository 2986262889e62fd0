#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::serve::{Door, serve};

/// A fresh certificate for `localhost` in both files.
fn issue(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

async fn running(tls: Tls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(|| async { "hello" }));
    let door = Door {
        tls: Some(tls),
        ..Door::from(listener)
    };
    tokio::spawn(serve(door, router, CancellationToken::new()));
    address
}

/// Shakes hands, trusting only the certificate in this file.
async fn connect(address: SocketAddr, trusted: &Path) -> io::Result<ClientStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(trusted).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// One request on a connection that goes on.
async fn hello(stream: &mut ClientStream<TcpStream>) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    while !text.ends_with("hello") {
        let mut part = [0; 512];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&part[..count]).unwrap());
    }
    text
}

#[tokio::test]
async fn requests_are_answered_by_tls_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issue(folder.path());
    let address = running(Tls::load(&certificate, &key).unwrap()).await;
    let mut stream = connect(address, &certificate).await.unwrap();
    assert!(hello(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset: no answer in either case.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"));
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_with_a_fault_by_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issue(folder.path());
    let address = running(Tls::load(&certificate, &key).unwrap()).await;
    // hyper parses what it has before it looks at its limit of 417,792 bytes, so a head just above it may pass.
    let large = "a".repeat(4 << 20);
    for (head, code) in [
        ("GET /?all=\"tenants\" HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(65_535)).as_str(),
            414,
        ),
        (
            format!("GET / HTTP/1.1\r\nx: {large}\r\n\r\n").as_str(),
            431,
        ),
    ] {
        let mut stream = connect(address, &certificate).await.unwrap();
        assert!(hello(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{head}");
        assert!(head.contains("x-openstack-request-id: req-"), "{head}");
        assert!(body.contains(&format!("\"code\":{code}")), "{body}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issue(folder.path());
    let old = folder.path().join("old.pem");
    std::fs::copy(&certificate, &old).unwrap();
    let tls = Tls::load(&certificate, &key).unwrap();
    let address = running(tls.clone()).await;
    let mut standing = connect(address, &old).await.unwrap();
    issue(folder.path());
    tls.reload().unwrap();
    assert!(
        connect(address, &old).await.is_err(),
        "the old one is not shown any more"
    );
    let mut fresh = connect(address, &certificate).await.unwrap();
    hello(&mut fresh).await;
    hello(&mut standing).await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_by_name_and_the_old_certificate_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issue(folder.path());
    let tls = Tls::load(&certificate, &key).unwrap();
    let address = running(tls.clone()).await;
    let kept = folder.path().join("kept.pem");
    std::fs::copy(&certificate, &kept).unwrap();

    let stranger = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&key, stranger.serialize_pem()).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Unusable { .. })));
    std::fs::write(&certificate, "no certificate").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NoCertificate(_))));
    std::fs::remove_file(&certificate).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Read { path, .. }) if path == certificate));
    hello(&mut connect(address, &kept).await.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_loses_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = issue(folder.path());
    let address = running(Tls::load(&certificate, &key).unwrap()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer).await;
    assert!(answer.is_empty() && begun.elapsed() >= crate::serve::HANDSHAKE_TIMEOUT);
}
