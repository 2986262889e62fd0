//! Nothing is accepted and ignored: what an image may say of itself.

use http::Method;
use rest::accepted::Fate;
use serde_json::json;

use super::{ALICE, Glance};

const SIGNATURE: [(&str, &str); 4] = [
    ("img_signature", "c2lnbmVk"),
    (
        "img_signature_certificate_uuid",
        "b0d1f6a2-5f0c-4b43-9d9e-0f6a3c2e7d11",
    ),
    ("img_signature_hash_method", "SHA-256"),
    ("img_signature_key_type", "RSA-PSS"),
];

#[tokio::test]
async fn a_signed_image_takes_no_data_because_nothing_would_verify_it() {
    let glance = Glance::start().await;
    let mut body = json!({"name": "signed", "disk_format": "raw", "container_format": "bare"});
    for (name, value) in SIGNATURE {
        body[name] = json!(value);
    }
    let made = glance.post(ALICE, "/v2/images", body).await.is(201).json();
    let path = format!("/v2/images/{}", made["id"].as_str().expect("an id"));
    let says = "signatures of images are not verified";
    for into in ["file", "stage"] {
        let answer = glance.send(octets(&format!("{path}/{into}"))).await.is(501);
        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(said.contains(says), "{said}");
    }
    let import =
        json!({"method": {"name": "web-download", "uri": "http://images.example.org/image"}});
    let answer = glance
        .post(ALICE, &format!("{path}/import"), import)
        .await
        .is(501);
    assert!(String::from_utf8_lossy(&answer.bytes).contains(says));
    // Three of the four promise nothing, as in Glance.
    let id = made["id"].as_str().expect("an id");
    let less = json!([{"op": "remove", "path": "/img_signature"}]);
    glance.patch(ALICE, id, less).await.is(200);
    glance.send(octets(&format!("{path}/file"))).await.is(204);
}

fn octets(path: &str) -> http::Request<axum::body::Body> {
    http::Request::builder()
        .method(Method::PUT)
        .uri(path)
        .header("x-auth-token", ALICE)
        .header("content-type", "application/octet-stream")
        .body(axum::body::Body::from("data"))
        .expect("request")
}

#[tokio::test]
async fn what_is_only_shown_cannot_be_set() {
    let glance = Glance::start().await;
    for accepts in image::accepted() {
        for (name, fate) in accepts.attributes {
            if accepts.resource != "image" || fate != Fate::Shown {
                continue;
            }
            let body = json!({ name: "x" });
            let answer = glance.post(ALICE, "/v2/images", body).await;
            assert_eq!(answer.status.as_u16(), 403, "{name}");
        }
    }
    glance
        .post(ALICE, "/v2/images", json!({"locations": []}))
        .await
        .is(403);
}
