//! A token that opens another console than its own: OSSA-2013-006, 2014-035, 2020-001.

use futures::StreamExt;
use http::Method;
use serde_json::json;
use testing::{Server, TestCloud};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A cloud whose guests all show one screen that says hello.
pub async fn with_screens() -> TestCloud {
    with_screens_and("").await
}

/// The same, with more settings.
pub async fn with_screens_and(more: &str) -> TestCloud {
    let screen = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = screen.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = screen.accept().await {
            tokio::spawn(async move {
                // Who left no longer cares.
                let _ = stream.write_all(b"RFB 003.008\n").await;
                let mut rest = [0; 64];
                while matches!(
                    tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await,
                    Ok(1..)
                ) {}
            });
        }
    });
    TestCloud::with(&format!("[fake]\nvnc_server = {address}\n{more}")).await
}

/// A token of a console of this server.
pub async fn token(server: &Server) -> String {
    let path = format!("/servers/{}/remote-consoles", server.id);
    let body = json!({"remote_console": {"protocol": "vnc", "type": "novnc"}});
    let opened = server
        .user
        .compute("2.8", Method::POST, &path, Some(&body))
        .await
        .expect(200);
    let url = opened["remote_console"]["url"]
        .as_str()
        .expect("an address")
        .to_owned();
    url.split_once("token%3D").expect("a token").1.to_owned()
}

/// What the proxy says to this token: the first bytes of the screen, or the status of its refusal.
pub async fn open(cloud: &TestCloud, token: &str, origin: Option<&str>) -> Result<Vec<u8>, u16> {
    let url = cloud.cloud().console_url.replacen("http", "ws", 1);
    let mut request = format!("{url}/?token={token}")
        .into_client_request()
        .expect("a request");
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", origin.parse().expect("a header"));
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((mut socket, _)) => match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => Ok(bytes.to_vec()),
            other => panic!("{other:?}"),
        },
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_console_once_and_dies_with_its_server() {
    let cloud = with_screens().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let (used, kept) = (token(&server).await, token(&server).await);
    assert_eq!(
        open(&cloud, &used, None).await,
        Ok(b"RFB 003.008\n".to_vec())
    );
    assert_eq!(open(&cloud, &used, None).await, Err(403), "a second time");
    for wrong in ["", "0", &"f".repeat(36), &kept[..kept.len() - 1]] {
        assert_eq!(open(&cloud, wrong, None).await, Err(403), "{wrong:?}");
    }
    server.delete().await.vanishes().await;
    assert_eq!(
        open(&cloud, &kept, None).await,
        Err(403),
        "its server is gone"
    );
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_token_for_a_server_of_another_project() {
    let cloud = with_screens().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let stranger = cloud.stranger("stranger").await;
    let path = format!("/servers/{}/remote-consoles", server.id);
    let body = json!({"remote_console": {"protocol": "vnc", "type": "novnc"}});
    stranger
        .compute("2.8", Method::POST, &path, Some(&body))
        .await
        .fault(404);
    server.delete().await.vanishes().await;
}
