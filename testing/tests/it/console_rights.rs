//! Open consoles end when their user loses the right, when their server goes, and after a limit.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use compute_db::servers;
use futures::StreamExt;
use http::Method;
use serde_json::json;
use testing::{Server, TestCloud, User};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::advisories::wrong_console::{token, with_screens_and};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Looks as often as settings allow.
const OFTEN: &str = "[consoleauth]\ncheck_interval = 1\n";

/// The server as somebody else sees it.
fn by(user: &User, server: &Server) -> Server {
    server.seen_by(user)
}

/// Opens its screen, as who asks with a browser.
async fn screen(cloud: &TestCloud, server: &Server) -> Socket {
    let url = cloud.cloud().console_url.replacen("http", "ws", 1);
    let token = token(server).await;
    let opened = tokio_tungstenite::connect_async(format!("{url}/?token={token}")).await;
    let (mut socket, _) = opened.expect("opens");
    let first = socket.next().await.expect("shown").expect("shown");
    assert_eq!(first, Message::Binary(b"RFB 003.008\n".to_vec().into()));
    socket
}

/// Waits until the proxy ends it; why.
async fn ends(mut socket: Socket) -> String {
    let end = tokio::time::timeout(Duration::from_secs(30), socket.next()).await;
    match end.expect("the console is still open") {
        Some(Ok(Message::Close(Some(frame)))) => frame.reason.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether it is still open after some looks.
async fn stays(mut socket: Socket) {
    let end = tokio::time::timeout(Duration::from_secs(3), socket.next()).await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_when_its_user_loses_the_right() {
    let mut cloud = with_screens_and(OFTEN).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let others = screen(&cloud, &by(&admin, &server)).await;

    // The token is revoked.
    let second = cloud.demo().await;
    let open = screen(&cloud, &by(&second, &server)).await;
    let subject = [("x-subject-token", second.token.as_str())];
    let path = "/identity/v3/auth/tokens";
    let gone = second.send(Method::DELETE, path, &subject, None).await;
    gone.expect(204);
    assert_eq!(
        ends(open).await,
        "the token of its user was revoked or expired"
    );

    // The role in the project is taken away: tokens that have it end.
    let found = admin
        .get("/identity/v3/roles?name=member")
        .await
        .expect(200);
    let role = found["roles"][0]["id"].as_str().expect("an id");
    let (project, user) = (&demo.project_id, &demo.user_id);
    let grant = format!("/identity/v3/projects/{project}/users/{user}/roles/{role}");
    let open = screen(&cloud, &by(&cloud.demo().await, &server)).await;
    admin.delete(&grant).await.expect(204);
    assert_eq!(
        ends(open).await,
        "the token of its user was revoked or expired"
    );
    admin.put(&grant, &json!({})).await.expect(204);

    // The user is disabled.
    let open = screen(&cloud, &by(&cloud.demo().await, &server)).await;
    let user = format!("/identity/v3/users/{}", demo.user_id);
    let off = json!({"user": {"enabled": false}});
    let disabled = admin.send(Method::PATCH, &user, &[], Some(&off)).await;
    disabled.expect(200);
    assert_eq!(
        ends(open).await,
        "the token of its user was revoked or expired"
    );

    // Nobody took anything from the operator.
    stays(others).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_when_the_token_of_its_user_expires() {
    let mut cloud = with_screens_and(OFTEN).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    // The shortest life that a user can give to a token of theirs.
    let end = Utc::now() + TimeDelta::seconds(5);
    let end = end.to_rfc3339_opts(SecondsFormat::Micros, true);
    let wanted = json!({"application_credential": {
        "name": "short", "secret": "a-secret-of-its-own", "expires_at": end.trim_end_matches('Z'),
    }});
    let path = format!(
        "/identity/v3/users/{}/application_credentials",
        demo.user_id
    );
    let made = demo.post(&path, &wanted).await.expect(201);
    let login = json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {
            "id": made["application_credential"]["id"], "secret": "a-secret-of-its-own",
        },
    }}});
    let answer = demo.post("/identity/v3/auth/tokens", &login).await;
    let token = answer.headers["x-subject-token"].to_str().expect("ASCII");
    let brief = demo.with_token(token);
    let (long, short) = (
        screen(&cloud, &server).await,
        screen(&cloud, &by(&brief, &server)).await,
    );
    assert_eq!(
        ends(short).await,
        "the token of its user was revoked or expired"
    );
    stays(long).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_when_its_server_is_deleted_or_on_another_host() {
    let mut cloud = with_screens_and(OFTEN).await;
    let demo = cloud.demo().await;
    let (gone, moved, kept) = (
        cloud.boot(&demo, "gone").await,
        cloud.boot(&demo, "moved").await,
        cloud.boot(&demo, "kept").await,
    );
    for server in [&gone, &moved, &kept] {
        server.reaches("ACTIVE").await;
    }
    let (of_gone, of_moved, of_kept) = (
        screen(&cloud, &gone).await,
        screen(&cloud, &moved).await,
        screen(&cloud, &kept).await,
    );
    gone.delete().await;
    assert_eq!(
        ends(of_gone).await,
        "its server was deleted or left the host"
    );

    // No call moves servers yet.
    let tx = cloud.cloud().db.begin().await.expect("a transaction");
    let mut row = servers::lock(&tx, &moved.id).await.expect("the server");
    row.host = Some("elsewhere".to_owned());
    servers::save(&tx, &mut row).await.expect("saved");
    tx.commit().await.expect("committed");
    assert_eq!(
        ends(of_moved).await,
        "its server was deleted or left the host"
    );
    stays(of_kept).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_console_is_open_longer_than_the_limit() {
    let mut cloud = with_screens_and("[consoleauth]\nsession_limit = 1\n").await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let open = screen(&cloud, &server).await;
    assert_eq!(
        ends(open).await,
        "it was open for as long as consoles may be"
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_when_new_rules_refuse_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, "# The defaults.\n").expect("written");
    let settings = format!("{OFTEN}[oslo_policy]\npolicy_file = {}\n", file.display());
    let mut cloud = with_screens_and(&settings).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let (own, operators) = (
        screen(&cloud, &server).await,
        screen(&cloud, &by(&admin, &server)).await,
    );
    let rule = "\"os_compute_api:os-remote-consoles\": \"role:admin\"\n";
    std::fs::write(&file, rule).expect("written");
    cloud.cloud().reload();
    assert_eq!(
        ends(own).await,
        "its user may not open consoles of this server any more"
    );
    stays(operators).await;
    cloud.stop().await;
}
