//! Data in and out: hashes, ranges, refusals, and that nothing is left of what failed.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use http::{Method, Request};
use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha512;

use super::{ADMIN, ALICE, Answer, BOB, Glance, until};

async fn ranged(glance: &Glance, id: &str, range: &str) -> Answer {
    let request = Request::builder()
        .uri(format!("/v2/images/{id}/file"))
        .header("x-auth-token", ALICE)
        .header("range", range)
        .body(Body::empty())
        .expect("request");
    glance.send(request).await
}

#[tokio::test]
async fn uploaded_data_comes_back_with_its_hashes() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let data: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let id = glance.create(ALICE, json!({})).await;
        let file = format!("/v2/images/{id}/file");
        assert!(glance.get(ALICE, &file).await.is(204).bytes.is_empty());
        let pieces: Vec<Result<Bytes, std::io::Error>> = data
            .chunks(70_001)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let body = Body::from_stream(stream::iter(pieces));
        glance.data(ALICE, &id, "file", body).await.is(204);
        let image = glance.show(ALICE, &id).await;
        assert_eq!(image["status"], "active");
        assert_eq!(image["size"], 3_000_000);
        assert_eq!(image["virtual_size"], 3_000_000);
        assert_eq!(image["checksum"], hex::encode(Md5::digest(&data)));
        assert_eq!(image["os_hash_algo"], "sha512");
        assert_eq!(image["os_hash_value"], hex::encode(Sha512::digest(&data)));
        let whole = glance.get(ALICE, &file).await.is(200);
        assert_eq!(
            whole.headers["content-md5"],
            image["checksum"].as_str().expect("text")
        );
        assert_eq!(whole.headers["content-length"], "3000000");
        assert!(whole.bytes == data);
        let part = ranged(&glance, &id, "bytes=10-19").await.is(206);
        assert_eq!(part.headers["content-range"], "bytes 10-19/3000000");
        assert_eq!(part.bytes, data[10..20]);
        assert_eq!(
            ranged(&glance, &id, "bytes=-5").await.is(206).bytes,
            data[2_999_995..]
        );
        ranged(&glance, &id, "bytes=3000000-").await.is(416);
        glance
            .data(ALICE, &id, "file", Body::from("again"))
            .await
            .is(409);
        glance.get(BOB, &file).await.is(404);
        glance.is_clean().await;
    }
}

#[tokio::test]
async fn an_empty_upload_is_an_image_too() {
    // Nova writes snapshots of volume-backed servers so.
    let glance = Glance::start().await;
    let id = glance.active(ALICE, json!({}), b"").await;
    assert_eq!(glance.show(ALICE, &id).await["size"], 0);
    assert!(
        glance
            .get(ALICE, &format!("/v2/images/{id}/file"))
            .await
            .is(200)
            .bytes
            .is_empty()
    );
}

#[tokio::test]
async fn an_upload_needs_formats_and_the_right_content_type() {
    let glance = Glance::start().await;
    let bare = glance
        .post(ALICE, "/v2/images", json!({"name": "x"}))
        .await
        .is(201)
        .json();
    let id = bare["id"].as_str().expect("id");
    let refused = glance
        .data(ALICE, id, "file", Body::from("x"))
        .await
        .is(400)
        .json();
    assert!(
        refused["message"]
            .as_str()
            .expect("text")
            .contains("disk_format, container_format")
    );
    let path = format!("/v2/images/{id}/file");
    glance
        .ask(ALICE, Method::PUT, &path, Some(json!({})))
        .await
        .is(415);
    assert_eq!(glance.show(ALICE, id).await["status"], "queued");
}

#[tokio::test]
async fn a_disguised_image_is_refused_and_can_be_sent_again() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let mut qcow2 = b"QFI\xfb\0\0\0\x03".to_vec();
    qcow2.resize(4096, 0);
    let refused = glance
        .data(ALICE, &id, "file", Body::from(qcow2))
        .await
        .is(415)
        .json();
    assert!(refused["message"].as_str().expect("text").contains("qcow2"));
    assert_eq!(glance.show(ALICE, &id).await["status"], "queued");
    glance.is_clean().await;
    glance
        .data(ALICE, &id, "file", Body::from("plain"))
        .await
        .is(204);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let pieces = vec![
        Ok(Bytes::from_static(b"some")),
        Err(std::io::Error::other("the client went away")),
    ];
    let body = Body::from_stream(stream::iter(pieces));
    glance.data(ALICE, &id, "file", body).await.is(400);
    assert_eq!(glance.show(ALICE, &id).await["status"], "queued");
    glance.is_clean().await;
}

#[tokio::test]
async fn an_upload_whose_request_is_dropped_still_ends_in_queued() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(tokio_stream(receiver));
    {
        let sending = glance.data(ALICE, &id, "file", body);
        tokio::pin!(sending);
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut sending).await;
        assert!(waited.is_err(), "the upload waits for data");
        assert_eq!(glance.show(ALICE, &id).await["status"], "saving");
    }
    sender
        .send(Err(std::io::Error::other("connection closed")))
        .await
        .expect("still read");
    until(&glance, &id, |image| image["status"] == "queued").await;
    glance.is_clean().await;
}

fn tokio_stream<T>(mut receiver: tokio::sync::mpsc::Receiver<T>) -> impl futures::Stream<Item = T> {
    stream::poll_fn(move |context| receiver.poll_recv(context))
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let db = sql::testing::sqlite().await;
    let glance = Glance::on(db, |settings| {
        settings.idle_timeout = Duration::from_millis(50)
    })
    .await;
    let id = glance.create(ALICE, json!({})).await;
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    glance.data(ALICE, &id, "file", body).await.is(408);
    assert_eq!(glance.show(ALICE, &id).await["status"], "queued");
    glance.is_clean().await;
}

#[tokio::test]
async fn more_than_the_size_cap_is_refused_announced_or_not() {
    let db = sql::testing::sqlite().await;
    let glance = Glance::on(db, |settings| settings.size_cap = 1000).await;
    let id = glance.create(ALICE, json!({})).await;
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        (0..3).map(|_| Ok(Bytes::from(vec![1; 500]))).collect();
    let body = Body::from_stream(stream::iter(pieces));
    glance.data(ALICE, &id, "file", body).await.is(413);
    let announced = Request::builder()
        .method(Method::PUT)
        .uri(format!("/v2/images/{id}/file"))
        .header("x-auth-token", ALICE)
        .header("content-type", "application/octet-stream")
        .header("content-length", "1001")
        .body(Body::empty())
        .expect("request");
    glance.send(announced).await.is(413);
    assert_eq!(glance.show(ALICE, &id).await["status"], "queued");
    glance.is_clean().await;
}

#[tokio::test]
async fn an_image_deleted_during_its_upload_leaves_nothing() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let upload = glance.data(
        ALICE,
        &id,
        "file",
        Body::from_stream(tokio_stream(receiver)),
    );
    let meddle = async {
        until(&glance, &id, |image| image["status"] == "saving").await;
        glance
            .delete(ALICE, &format!("/v2/images/{id}"))
            .await
            .is(204);
        sender
            .send(Ok(Bytes::from_static(b"alice's")))
            .await
            .expect("still read");
        drop(sender);
    };
    let (answer, ()) = tokio::join!(upload, meddle);
    answer.is(410);
    glance.is_clean().await;
}

#[tokio::test]
async fn a_second_upload_at_the_same_time_is_refused() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let first = glance.data(
        ALICE,
        &id,
        "file",
        Body::from_stream(tokio_stream(receiver)),
    );
    let second = async {
        until(&glance, &id, |image| image["status"] == "saving").await;
        glance
            .data(ADMIN, &id, "file", Body::from("second"))
            .await
            .is(409);
        sender
            .send(Ok(Bytes::from_static(b"first")))
            .await
            .expect("still read");
        drop(sender);
    };
    let (answer, ()) = tokio::join!(first, second);
    answer.is(204);
    assert_eq!(glance.show(ALICE, &id).await["size"], 5);
}
