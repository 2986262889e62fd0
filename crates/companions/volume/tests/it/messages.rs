//! Messages that work leaves which was accepted and failed.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder, READER};

/// No pool has room for it.
const HUGE: i64 = 1 << 30;

impl Cinder {
    pub async fn messages(&self, token: &str, query: &str) -> Vec<Value> {
        let all = self
            .get(token, &format!("/messages{query}"))
            .await
            .is(200)
            .json();
        all["messages"].as_array().expect("a list").clone()
    }

    /// A volume for which there is no pool.
    async fn homeless(&self) -> String {
        let made = self.begin(ALICE, json!({"size": HUGE})).await;
        let id = made["id"].as_str().expect("an id").to_owned();
        self.becomes(&id, "error").await;
        id
    }
}

#[tokio::test]
async fn a_volume_without_a_pool_leaves_a_message() {
    let db = sql::testing::engines().await;
    for db in db {
        let cinder = Cinder::on(db, |settings| settings.limits.gigabytes = -1).await;
        let (first, second) = (cinder.homeless().await, cinder.homeless().await);
        let all = cinder.messages(ALICE, "").await;
        let of: Vec<_> = all.iter().map(|one| &one["resource_uuid"]).collect();
        assert_eq!(of, [&json!(second), &json!(first)]);
        let one = &all[1];
        for (key, value) in [
            ("event_id", "VOLUME_VOLUME_001_003"),
            (
                "user_message",
                "schedule allocate volume:Could not find any available weighted backend.",
            ),
            ("message_level", "ERROR"),
            ("resource_type", "VOLUME"),
        ] {
            assert_eq!(one[key], value, "{key}");
        }
        assert!(
            one["request_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("req-"))
        );
        assert!(one["guaranteed_until"].as_str() > one["created_at"].as_str());
        let query = format!("?resource_uuid={first}&event_id=VOLUME_VOLUME_001_003");
        assert_eq!(cinder.messages(ALICE, &query).await.len(), 1);
        assert_eq!(
            cinder.messages(ALICE, "?sort=created_at:asc&limit=1").await[0]["resource_uuid"],
            first
        );
        assert_eq!(cinder.messages(BOB, "").await.len(), 0);
        assert_eq!(cinder.messages(ADMIN, "").await.len(), 2);
        let path = format!("/messages/{}", one["id"].as_str().expect("an id"));
        assert_eq!(
            cinder.get(READER, &path).await.is(200).json()["message"],
            *one
        );
        cinder.get(BOB, &path).await.is(404);
        cinder.delete(READER, &path).await.is(403);
        cinder.delete(ALICE, &path).await.is(204);
        cinder.delete(ALICE, &path).await.is(404);
        cinder
            .at(2, ALICE, Method::GET, "/messages", None)
            .await
            .is(404);
        let all = cinder
            .at(4, ALICE, Method::GET, "/messages?limit=0", None)
            .await;
        assert_eq!(
            all.is(200).json()["messages"].as_array().map(Vec::len),
            Some(1)
        );
    }
}
