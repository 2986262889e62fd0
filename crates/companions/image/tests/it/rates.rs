//! How slow and how many: the least rate of uploads, and how many a project may have at once.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures::{StreamExt, stream};
use serde_json::json;

use super::{ALICE, BOB, Glance, SERVICE, until};

/// Never silent for long, and never done.
fn trickle() -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    let each = tokio::time::interval(Duration::from_millis(10));
    stream::unfold(each, |mut each| async move {
        each.tick().await;
        Some((Ok(Bytes::from_static(b"x")), each))
    })
}

async fn demanding() -> Glance {
    Glance::on(sql::testing::sqlite().await, |settings| {
        settings.min_rate = 10_000;
        settings.min_rate_window = Duration::from_millis(200);
        settings.transfers_per_project = 2;
        settings.downloads_per_project = 1;
        settings.web_download.ports = Vec::new();
        settings.web_download.ranges = "127.0.0.1".parse().expect("a range");
    })
    .await
}

#[tokio::test]
async fn a_client_that_trickles_ends_with_a_timeout() {
    let glance = demanding().await;
    for what in ["file", "stage"] {
        let id = glance.create(ALICE, json!({})).await;
        let sent = glance.data(ALICE, &id, what, Body::from_stream(trickle()));
        let answer = tokio::time::timeout(Duration::from_secs(30), sent).await;
        let text = answer.expect("it ends").is(408).json()["message"].to_string();
        assert!(text.contains("slower than 10000 bytes a second"), "{text}");
        assert_eq!(glance.show(ALICE, &id).await["status"], "queued");
    }
    glance.is_clean().await;
}

#[tokio::test]
async fn a_server_that_trickles_ends_the_import() {
    let glance = demanding().await;
    let router = Router::new().route("/x", get(|| async { Body::from_stream(trickle()) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let id = glance.create(ALICE, json!({})).await;
    let body = json!({"method": {"name": "web-download", "uri": format!("http://{address}/x")}});
    let import = format!("/v2/images/{id}/import");
    glance.post(ALICE, &import, body).await.is(202);
    until(&glance, &id, |image| {
        image.get("os_glance_failed_import").is_some()
    })
    .await;
    let tasks = glance.get(ALICE, &format!("/v2/images/{id}/tasks")).await;
    let text = tasks.is(200).json()["tasks"][0].to_string();
    assert!(text.contains("slower than 10000 bytes a second"), "{text}");
    glance.is_clean().await;
}

#[tokio::test]
async fn a_fast_client_behind_a_pause_is_not_slow() {
    let glance = demanding().await;
    let id = glance.create(ALICE, json!({})).await;
    let bursts = trickle()
        .take(60)
        .map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![1; 10_000])));
    let body = Body::from_stream(bursts);
    glance.data(ALICE, &id, "file", body).await.is(204);
    assert_eq!(glance.show(ALICE, &id).await["size"], 600_000);
}

#[tokio::test]
async fn a_project_uploads_so_many_images_at_once_and_leaves_room_for_others() {
    let glance = Glance::on(sql::testing::sqlite().await, |settings| {
        settings.transfers_per_project = 2;
        settings.transfers = 3;
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(glance.create(ALICE, json!({})).await);
    }
    let pending = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let stuck = async {
        tokio::join!(
            glance.data(ALICE, &ids[0], "file", pending()),
            glance.data(ALICE, &ids[1], "stage", pending())
        )
    };
    let others = async {
        until(&glance, &ids[0], |image| image["status"] == "saving").await;
        until(&glance, &ids[1], |image| image["status"] == "uploading").await;
        let refused = glance.data(ALICE, &ids[2], "file", Body::from("x")).await;
        assert_eq!(refused.is(429).headers["retry-after"], "5");
        let import = format!("/v2/images/{}/import", ids[2]);
        let web = json!({"method": {"name": "web-download", "uri": "http://192.0.0.8.example/x"}});
        glance.post(ALICE, &import, web).await.is(429);
        assert_eq!(glance.show(ALICE, &ids[2]).await["status"], "queued");
        // The service as a whole has room for one more.
        glance.active(BOB, json!({}), b"bob's").await;
        let id = glance.create(BOB, json!({})).await;
        let last = async { glance.data(BOB, &id, "file", pending()).await };
        let full = async {
            until(&glance, &id, |image| image["status"] == "saving").await;
            let third = glance.create("carol:member,reader", json!({})).await;
            let token = "carol:member,reader";
            let refused = glance.data(token, &third, "file", Body::from("x")).await;
            assert_eq!(refused.is(503).headers["retry-after"], "5");
        };
        tokio::select! {
            _ = last => panic!("it never ends"),
            () = full => {}
        }
    };
    tokio::select! {
        _ = stuck => panic!("they never end"),
        () = others => {}
    }
}

#[tokio::test]
async fn a_project_downloads_so_many_images_at_once_and_hosts_are_not_counted() {
    use tower::ServiceExt;
    let glance = demanding().await;
    let public = json!({"visibility": "public"});
    let id = glance.create(super::ADMIN, public).await;
    let data = Body::from(vec![1; 3 << 20]);
    glance.data(super::ADMIN, &id, "file", data).await.is(204);
    let path = format!("/v2/images/{id}/file");
    let ask = |token: &str| {
        let request = http::Request::builder()
            .uri(&path)
            .header("x-auth-token", token)
            .body(Body::empty())
            .expect("request");
        glance.router().oneshot(request)
    };
    let held = ask(ALICE).await.expect("infallible");
    assert_eq!(held.status(), 200);
    let refused = ask(ALICE).await.expect("infallible");
    assert_eq!(refused.status(), 429);
    assert_eq!(ask(BOB).await.expect("infallible").status(), 200);
    let service = format!("{SERVICE},member,reader");
    let first = ask(&service).await.expect("infallible");
    let second = ask(&service).await.expect("infallible");
    assert_eq!(
        (first.status(), second.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    drop(held);
    assert_eq!(ask(ALICE).await.expect("infallible").status(), 200);
}
