//! Key pairs: imported or generated, per user, counted.

use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, message};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUgh7W6KgMJWcEhOrZ+IMiKPo09/GUIuM5UGTpFwzLc somebody";

fn import(name: &str) -> Value {
    json!({"keypair": {"name": name, "public_key": KEY}})
}

#[tokio::test]
async fn an_imported_key_is_shown_to_its_user_alone() {
    let cloud = Cloud::start().await;
    let (code, made) = cloud
        .post("member", 92, "/os-keypairs", import("me@home"))
        .await;
    assert_eq!(code, StatusCode::CREATED, "{made}");
    let pair = &made["keypair"];
    assert_eq!(
        (&pair["type"], &pair["user_id"]),
        (&json!("ssh"), &json!("member"))
    );
    assert!(pair.get("private_key").is_none());
    let (_, shown) = cloud.get("member", 1, "/os-keypairs/me@home").await;
    let shown = &shown["keypair"];
    assert_eq!(shown["fingerprint"].as_str().map(str::len), Some(47));
    assert_eq!(
        (&shown["deleted"], &shown["updated_at"]),
        (&json!(false), &Value::Null)
    );
    assert!(shown["id"].is_i64() && shown.get("type").is_none());
    let (code, answer) = cloud.get("reader", 10, "/os-keypairs/me@home").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "Keypair me@home not found for user reader"
        )
    );
    let of_member = "/os-keypairs/me@home?user_id=member";
    assert_eq!(
        cloud.get("reader", 10, of_member).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(cloud.get("admin", 10, of_member).await.0, StatusCode::OK);
    assert_eq!(
        cloud.get("admin", 9, of_member).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        cloud.delete("admin", 10, of_member).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        cloud.delete("member", 1, "/os-keypairs/me@home").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_pair_is_generated_until_2_91() {
    let cloud = Cloud::start().await;
    let body = json!({"keypair": {"name": "new"}});
    let (code, made) = cloud.post("member", 1, "/os-keypairs", body.clone()).await;
    assert_eq!(code, StatusCode::OK);
    let private = made["keypair"]["private_key"]
        .as_str()
        .expect("a private key");
    assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    let (code, answer) = cloud.post("member", 92, "/os-keypairs", body).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    assert!(
        message(&answer).contains("'public_key' is a required property"),
        "{answer}"
    );
    assert_eq!(
        cloud.delete("member", 1, "/os-keypairs/new").await.0,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn bad_keys_taken_names_and_full_quotas_are_refused() {
    let cloud = Cloud::start().await;
    let bad = json!({"keypair": {"name": "k", "public_key": "no key"}});
    let (code, answer) = cloud.post("member", 2, "/os-keypairs", bad).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Keypair data is invalid: failed to generate fingerprint"
        )
    );
    cloud.post("member", 2, "/os-keypairs", import("k")).await;
    let (code, answer) = cloud.post("member", 2, "/os-keypairs", import("k")).await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::CONFLICT, "Key pair 'k' already exists.")
    );
    let one = json!({"quota_class_set": {"key_pairs": 1}});
    cloud
        .put("admin", 1, "/os-quota-class-sets/default", one)
        .await;
    let (code, answer) = cloud.post("member", 2, "/os-keypairs", import("l")).await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::FORBIDDEN, "Quota exceeded, too many key pairs.")
    );
    assert_eq!(
        cloud.post("reader", 2, "/os-keypairs", import("l")).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn key_pairs_come_in_pages_since_2_35() {
    let cloud = Cloud::start().await;
    for name in ["b", "a", "c"] {
        cloud.post("member", 2, "/os-keypairs", import(name)).await;
    }
    let names = |answer: &Value| {
        let pairs = answer["keypairs"].as_array().expect("a list").clone();
        pairs
            .iter()
            .map(|pair| pair["keypair"]["name"].to_string())
            .collect::<String>()
    };
    let (_, page) = cloud.get("member", 35, "/os-keypairs?limit=2").await;
    assert_eq!(names(&page), "\"a\"\"b\"");
    assert_eq!(
        page["keypairs_links"][0]["href"],
        "http://cloud/compute/v2.1/os-keypairs?limit=2&marker=b"
    );
    let (_, page) = cloud
        .get("member", 35, "/os-keypairs?limit=2&marker=b")
        .await;
    assert_eq!(names(&page), "\"c\"");
    let (_, all) = cloud.get("member", 34, "/os-keypairs?limit=2").await;
    assert_eq!(names(&all), "\"a\"\"b\"\"c\"");
    assert!(all.get("keypairs_links").is_none());
    let (code, answer) = cloud.get("member", 35, "/os-keypairs?marker=x").await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::BAD_REQUEST, "Marker x could not be found.")
    );
}
