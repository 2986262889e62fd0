//! Volumes that go from one project to another.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder, READER};

#[tokio::test]
async fn a_volume_goes_to_who_has_the_key() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let snapshot = cinder.snapshot(ALICE, &volume, json!({})).await;
        let wish = json!({"transfer": {"volume_id": volume, "name": "gift"}});
        let made = cinder
            .post(ALICE, "/volume-transfers", wish.clone())
            .await
            .is(202)
            .json();
        let made = made["transfer"].clone();
        let key = made["auth_key"].as_str().expect("a key");
        let path = format!("/volume-transfers/{}", made["id"].as_str().expect("an id"));
        assert_eq!(made["source_project_id"], "a11ce");
        assert_eq!(
            cinder.show(ALICE, &volume).await["status"],
            "awaiting-transfer"
        );
        let shown = cinder.get(ALICE, &path).await.is(200).json();
        assert_eq!(shown["transfer"]["name"], "gift");
        assert!(shown["transfer"].get("auth_key").is_none());
        cinder.get(BOB, &path).await.is(404);
        cinder.post(ALICE, "/volume-transfers", wish).await.is(400);
        cinder
            .delete(ALICE, &format!("/volumes/{volume}"))
            .await
            .is(400);
        let accept = |key: &str| json!({"accept": {"auth_key": key}});
        let at = format!("{path}/accept");
        let wrong = cinder.post(BOB, &at, accept("wrong")).await.is(400).says();
        assert!(wrong.contains("invalid auth key"), "{wrong}");
        cinder
            .put(
                ADMIN,
                "/os-quota-sets/b0b",
                json!({"quota_set": {"volumes": 0}}),
            )
            .await
            .is(200);
        cinder.post(BOB, &at, accept(key)).await.is(413);
        cinder
            .put(
                ADMIN,
                "/os-quota-sets/b0b",
                json!({"quota_set": {"volumes": 1}}),
            )
            .await
            .is(200);
        cinder.post(BOB, &at, accept(key)).await.is(202);
        cinder.post(BOB, &at, accept(key)).await.is(404);
        assert_eq!(cinder.show(BOB, &volume).await["status"], "available");
        cinder
            .get(ALICE, &format!("/volumes/{volume}"))
            .await
            .is(404);
        cinder
            .get(BOB, &format!("/snapshots/{snapshot}"))
            .await
            .is(200);
        cinder
            .get(ALICE, &format!("/snapshots/{snapshot}"))
            .await
            .is(404);
    }
}

#[tokio::test]
async fn an_offer_is_withdrawn() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let wish = json!({"transfer": {"volume_id": volume}});
        cinder
            .post(READER, "/os-volume-transfer", wish.clone())
            .await
            .is(403);
        cinder
            .post(BOB, "/os-volume-transfer", wish.clone())
            .await
            .is(404);
        let made = cinder
            .at(0, ALICE, Method::POST, "/os-volume-transfer", Some(wish))
            .await;
        let made = made.is(202).json();
        assert!(made["transfer"].get("no_snapshots").is_none());
        let list = cinder
            .get(ALICE, "/os-volume-transfer/detail")
            .await
            .is(200)
            .json();
        assert_eq!(list["transfers"][0]["volume_id"], volume.as_str());
        assert_eq!(
            cinder.get(BOB, "/os-volume-transfer").await.json()["transfers"],
            json!([])
        );
        let path = format!(
            "/os-volume-transfer/{}",
            made["transfer"]["id"].as_str().expect("an id")
        );
        cinder.delete(ALICE, &path).await.is(202);
        cinder.get(ALICE, &path).await.is(404);
        assert_eq!(cinder.show(ALICE, &volume).await["status"], "available");
        cinder
            .at(54, ALICE, Method::GET, "/volume-transfers", None)
            .await
            .is(404);
    }
}

#[tokio::test]
async fn a_volume_that_was_taken_from_an_offer_is_offered_again() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let offer = async || {
            let wish = json!({"transfer": {"volume_id": volume}});
            let made = cinder.post(ALICE, "/volume-transfers", wish).await;
            made.is(202).json()["transfer"].clone()
        };
        let path = |made: &Value| {
            let id = made["id"].as_str().expect("an id");
            format!("/volume-transfers/{id}")
        };
        let accept = async |made: &Value| {
            let body = json!({"accept": {"auth_key": made["auth_key"]}});
            let at = format!("{}/accept", path(made));
            cinder.post(BOB, &at, body).await
        };
        let first = offer().await;
        cinder.reset(&volume, "available").await;
        cinder.get(ALICE, &path(&first)).await.is(404);
        let second = offer().await;
        // A program of before left the offer there.
        let back = format!("UPDATE volumes SET status = 'available' WHERE id = '{volume}'");
        cinder.change(&back).await;
        let third = offer().await;
        for old in [&first, &second] {
            accept(old).await.is(404);
        }
        accept(&third).await.is(202);
        assert_eq!(cinder.show(BOB, &volume).await["status"], "available");
    }
}
