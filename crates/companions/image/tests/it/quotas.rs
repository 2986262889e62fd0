//! Quotas: Glance's names and answers, and that no race passes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use futures::stream;
use http::{Method, Request};
use image::{LimitSource, Limits, LimitsUnavailable};
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{ADMIN, ALICE, Answer, BOB, Glance, until};

const MIB: usize = 1 << 20;
const NONE: Limits = Limits {
    size_total: -1,
    stage_total: -1,
    count_total: -1,
    count_uploading: -1,
};

async fn limited(db: sql::Database, limits: Limits) -> Glance {
    Glance::on(db, |settings| settings.limits = limits).await
}

/// Data whose length nobody says.
fn unannounced(size: usize) -> Body {
    let piece = |_| Ok::<_, std::io::Error>(Bytes::from(vec![7; MIB / 4]));
    Body::from_stream(stream::iter((0..size / (MIB / 4)).map(piece)))
}

/// Data whose length is said beforehand.
async fn announced(glance: &Glance, id: &str, what: &str, size: usize) -> Answer {
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!("/v2/images/{id}/{what}"))
        .header("x-auth-token", ALICE)
        .header("accept", "application/json")
        .header("content-type", "application/octet-stream")
        .header("content-length", size.to_string())
        .body(Body::from(vec![7; size]))
        .expect("request");
    glance.send(request).await
}

fn over(answer: Answer, resource: &str) {
    let text = answer.is(413).json()["message"].to_string();
    assert!(
        text.contains("Project alice is over a limit for")
            && text.contains(&format!("Resource {resource} is over limit of")),
        "{text}"
    );
}

async fn usage(glance: &Glance) -> Value {
    let answer = glance.get(ALICE, "/v2/info/usage").await;
    answer.is(200).json()["usage"].clone()
}

#[tokio::test]
async fn the_number_of_images_is_limited_and_a_deleted_one_makes_room() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            count_total: 2,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let first = glance.create(ALICE, json!({})).await;
        glance.create(ALICE, json!({})).await;
        let body = json!({"name": "third"});
        over(
            glance.post(ALICE, "/v2/images", body.clone()).await,
            "image_count_total",
        );
        glance.create(BOB, json!({})).await;
        glance
            .delete(ALICE, &format!("/v2/images/{first}"))
            .await
            .is(204);
        glance.post(ALICE, "/v2/images", body).await.is(201);
        assert_eq!(
            usage(&glance).await["image_count_total"],
            json!({"limit": 2, "usage": 2})
        );
    }
}

#[tokio::test]
async fn images_made_at_once_do_not_pass_the_limit_together() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            count_total: 5,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let all = (0..20).map(|_| glance.post(ALICE, "/v2/images", json!({"name": "x"})));
        let answers = futures::future::join_all(all).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| answer.status == 413).count();
        assert_eq!((made, refused), (5, 15));
    }
}

#[tokio::test]
async fn announced_bytes_never_pass_the_limit_also_when_many_come_at_once() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            size_total: 4,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let mut ids = Vec::new();
        for _ in 0..7 {
            ids.push(glance.create(ALICE, json!({})).await);
        }
        let all = ids.iter().map(|id| announced(&glance, id, "file", MIB));
        let answers = futures::future::join_all(all).await;
        let taken = answers.iter().filter(|answer| answer.status == 204).count();
        let refused = answers.iter().filter(|answer| answer.status == 413).count();
        assert_eq!((taken, refused), (4, 3));
        let one_more = glance.create(ALICE, json!({})).await;
        over(
            announced(&glance, &one_more, "file", 1).await,
            "image_size_total",
        );
        assert_eq!(glance.show(ALICE, &one_more).await["status"], "queued");
        // A deleted image gives its bytes back.
        let stored = answers.iter().position(|answer| answer.status == 204);
        let gone = &ids[stored.expect("one was taken")];
        glance
            .delete(ALICE, &format!("/v2/images/{gone}"))
            .await
            .is(204);
        announced(&glance, &one_more, "file", MIB).await.is(204);
        glance.is_clean().await;
    }
}

#[tokio::test]
async fn an_upload_of_unknown_length_begins_at_the_limit_and_passes_it_by_little_as_nobody_can_then()
 {
    for db in sql::testing::engines().await {
        let limits = Limits {
            size_total: 1,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(glance.create(ALICE, json!({})).await);
        }
        // As Tempest's test of Glance has it.
        let send = |id: String, size| {
            let glance = &glance;
            async move { glance.data(ALICE, &id, "file", unannounced(size)).await }
        };
        send(ids[0].clone(), MIB).await.is(204);
        send(ids[1].clone(), MIB).await.is(204);
        over(send(ids[2].clone(), MIB).await, "image_size_total");
        glance
            .delete(ALICE, &format!("/v2/images/{}", ids[0]))
            .await
            .is(204);
        // Not as in Glance: nobody sends a hundred times their limit.
        over(send(ids[2].clone(), 40 * MIB).await, "image_size_total");
        assert_eq!(glance.show(ALICE, &ids[2]).await["status"], "queued");
        glance.is_clean().await;
        let both = tokio::join!(
            send(ids[2].clone(), 12 * MIB),
            send(ids[3].clone(), 12 * MIB)
        );
        let taken = [both.0, both.1]
            .iter()
            .filter(|one| one.status == 204)
            .count();
        assert!(taken <= 1, "both together are beyond what one may pass");
        glance.is_clean().await;
    }
}

#[tokio::test]
async fn staged_bytes_have_a_limit_of_their_own_and_become_stored_ones_by_the_import() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            size_total: 3,
            stage_total: 2,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(glance.create(ALICE, json!({})).await);
        }
        announced(&glance, &ids[0], "stage", 2 * MIB).await.is(204);
        over(
            announced(&glance, &ids[1], "stage", MIB).await,
            "image_stage_total",
        );
        announced(&glance, &ids[1], "file", 2 * MIB).await.is(204);
        let direct = json!({"method": {"name": "glance-direct"}});
        let import = format!("/v2/images/{}/import", ids[0]);
        over(
            glance.post(ALICE, &import, direct.clone()).await,
            "image_size_total",
        );
        assert_eq!(glance.show(ALICE, &ids[0]).await["status"], "uploading");
        glance
            .delete(ALICE, &format!("/v2/images/{}", ids[1]))
            .await
            .is(204);
        glance.post(ALICE, &import, direct).await.is(202);
        until(&glance, &ids[0], |image| image["status"] == "active").await;
        let seen = usage(&glance).await;
        assert_eq!(seen["image_size_total"], json!({"limit": 3, "usage": 2}));
        assert_eq!(seen["image_stage_total"], json!({"limit": 2, "usage": 0}));
        announced(&glance, &ids[2], "stage", 2 * MIB).await.is(204);
    }
}

#[tokio::test]
async fn images_that_receive_data_or_wait_staged_are_counted() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            count_uploading: 1,
            ..NONE
        };
        let glance = limited(db, limits).await;
        let first = glance.create(ALICE, json!({})).await;
        let second = glance.create(ALICE, json!({})).await;
        announced(&glance, &first, "stage", 9).await.is(204);
        for what in ["stage", "file"] {
            over(
                announced(&glance, &second, what, 9).await,
                "image_count_uploading",
            );
        }
        let import = format!("/v2/images/{first}/import");
        let direct = json!({"method": {"name": "glance-direct"}});
        glance.post(ALICE, &import, direct).await.is(202);
        until(&glance, &first, |image| image["status"] == "active").await;
        announced(&glance, &second, "file", 9).await.is(204);
    }
}

#[tokio::test]
async fn what_a_crashed_upload_had_reserved_is_given_back() {
    for db in sql::testing::engines().await {
        let limits = Limits {
            size_total: 2,
            ..NONE
        };
        let mut glance = limited(db, limits).await;
        let cut = glance.create(ALICE, json!({})).await;
        let text = format!(
            "UPDATE images SET status = 'saving', data = 'cut', reserved = {} WHERE id = '{cut}'",
            2 * MIB
        );
        glance
            .db
            .write()
            .execute_unprepared(&text)
            .await
            .expect("as a crash leaves it");
        let other = glance.create(ALICE, json!({})).await;
        over(
            announced(&glance, &other, "file", MIB).await,
            "image_size_total",
        );
        glance.restart().await;
        announced(&glance, &other, "file", MIB).await.is(204);
        assert_eq!(usage(&glance).await["image_size_total"]["usage"], 1);
    }
}

/// An identity service whose limits a test sets.
#[derive(Default)]
struct Keystone(Mutex<Option<BTreeMap<String, i64>>>);

#[async_trait]
impl LimitSource for Keystone {
    async fn limits(&self, project: &str) -> Result<BTreeMap<String, i64>, LimitsUnavailable> {
        assert_eq!(
            project, "alice",
            "the owner's limits hold, not the sender's"
        );
        let known = self.0.lock().expect("lock").clone();
        known.ok_or_else(|| LimitsUnavailable("it is away".to_owned()))
    }
}

#[tokio::test]
async fn the_identity_service_says_the_limits_and_what_it_leaves_open_the_settings_say() {
    let db = sql::testing::sqlite().await;
    let limits = Limits {
        count_total: 1,
        size_total: 1,
        ..NONE
    };
    let glance = limited(db, limits).await;
    let keystone = Arc::new(Keystone::default());
    glance.images.set_limit_source(keystone.clone());
    let body = json!({"name": "x", "disk_format": "raw", "container_format": "bare"});
    glance.post(ALICE, "/v2/images", body.clone()).await.is(503);
    *keystone.0.lock().expect("lock") = Some(BTreeMap::from([("image_count_total".into(), 2)]));
    let first = glance.create(ALICE, json!({})).await;
    glance.create(ALICE, json!({})).await;
    over(
        glance.post(ALICE, "/v2/images", body).await,
        "image_count_total",
    );
    // An administrator's upload counts for the image's owner.
    let data = Body::from(vec![1; 2 * MIB]);
    glance.data(ADMIN, &first, "file", data).await.is(204);
    let second = glance.post(ALICE, "/v2/images", json!({"name": "y"})).await;
    over(second, "image_count_total");
}
