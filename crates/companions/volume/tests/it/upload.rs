//! Images made of volumes, in the name of who asked.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::{delete, post, put};
use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::images::{Shelf, glance, with_glance};
use crate::{ADMIN, ALICE, Cinder};

/// Whose token it is, and whether a service's stands beside it.
fn asker(headers: &HeaderMap) -> (String, bool) {
    let token = headers
        .get("x-auth-token")
        .and_then(|token| token.to_str().ok());
    let vouched = headers
        .get("x-service-token")
        .is_some_and(|token| token == "token");
    (token.unwrap_or_default().to_owned(), vouched)
}

/// What of Glance an upload needs besides. The name of an image says how it is answered.
fn writable(shelf: Shelf) -> Router {
    let create = async |State(shelf): State<Shelf>,
                        headers: HeaderMap,
                        axum::Json(mut image): axum::Json<Value>| {
        assert_eq!(asker(&headers).0, ALICE);
        if image["name"] == "refused" {
            return (
                StatusCode::FORBIDDEN,
                axum::Json(json!({"message": "no more images"})),
            );
        }
        image["status"] = json!("queued");
        shelf
            .lock()
            .expect("unpoisoned")
            .push((image.clone(), Vec::new()));
        (StatusCode::CREATED, axum::Json(image))
    };
    let file = async |State(shelf): State<Shelf>,
                      Path(id): Path<String>,
                      headers: HeaderMap,
                      body: Body| {
        assert_eq!(asker(&headers), (ALICE.to_owned(), true));
        let (mut size, mut first) = (0, Vec::new());
        let mut stream = body.into_data_stream();
        while let Some(Ok(piece)) = stream.next().await {
            size += piece.len();
            if first.is_empty() {
                first = piece[..4].to_vec();
            }
        }
        let mut all = shelf.lock().expect("unpoisoned");
        let (image, data) = all
            .iter_mut()
            .find(|(image, _)| image["id"] == id)
            .expect("an image");
        if image["name"] == "broken" {
            return StatusCode::BAD_REQUEST;
        }
        (image["status"], image["size"], *data) = (json!("active"), json!(size), first);
        StatusCode::NO_CONTENT
    };
    let change = async |State(shelf): State<Shelf>, Path(id): Path<String>| {
        let mut all = shelf.lock().expect("unpoisoned");
        let (image, _) = all
            .iter_mut()
            .find(|(image, _)| image["id"] == id)
            .expect("an image");
        image["protected"] = json!(false);
        axum::Json(image.clone())
    };
    let remove = async |State(shelf): State<Shelf>, Path(id): Path<String>, headers: HeaderMap| {
        assert_eq!(asker(&headers), (ALICE.to_owned(), true));
        let mut all = shelf.lock().expect("unpoisoned");
        let at = all
            .iter()
            .position(|(image, _)| image["id"] == id)
            .expect("an image");
        if all[at].0["protected"] == true {
            return StatusCode::FORBIDDEN;
        }
        all.remove(at);
        StatusCode::NO_CONTENT
    };
    let more = Router::new()
        .route("/v2/images", post(create))
        .route("/v2/images/{id}/file", put(file))
        .route("/v2/images/{id}", delete(remove).patch(change))
        .with_state(shelf.clone());
    glance(shelf).merge(more)
}

async fn with_images(cinder: &Cinder) -> Shelf {
    let shelf = Shelf::default();
    with_glance(cinder, writable(shelf.clone()));
    shelf
}

impl Cinder {
    async fn upload(&self, volume: &str, minor: u16, wish: Value) -> crate::Answer {
        let body = Some(json!({"os-volume_upload_image": wish}));
        let path = format!("/volumes/{volume}/action");
        self.at(minor, ALICE, Method::POST, &path, body).await
    }
}

#[tokio::test]
async fn an_image_is_made_of_a_volume() {
    for cinder in Cinder::all().await {
        let shelf = with_images(&cinder).await;
        let volume = cinder.volume(ALICE, json!({"description": "d"})).await;
        let known = json!({"os-set_image_metadata": {"metadata": {"hw_disk_bus": "scsi", "size": "7", "owner": "b0b"}}});
        cinder.act(ALICE, &volume, known).await.is(200);
        cinder.write(&volume, b"root");
        let wish = json!({"image_name": "i", "protected": true, "visibility": "shared"});
        let made = cinder.upload(&volume, 1, wish).await.is(202).json();
        let made = &made["os-volume_upload_image"];
        for (key, value) in [
            ("id", json!(volume)),
            ("status", json!("uploading")),
            ("display_description", json!("d")),
            ("size", json!(1)),
            ("container_format", json!("bare")),
            ("disk_format", json!("raw")),
            ("image_name", json!("i")),
            ("protected", json!(true)),
            ("visibility", json!("shared")),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
        assert_eq!(made["volume_type"]["name"], "__DEFAULT__");
        cinder.becomes(&volume, "available").await;
        let all = shelf.lock().expect("unpoisoned").clone();
        let [(image, first)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!(
            (&image["id"], &image["size"]),
            (&made["image_id"], &json!(1u64 << 30))
        );
        assert_eq!(
            (&image["hw_disk_bus"], image.get("owner")),
            (&json!("scsi"), None)
        );
        assert_eq!(first, b"root");
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn an_image_in_qcow2_has_what_the_volume_has_and_no_holes() {
    let cinder = Cinder::start().await;
    let shelf = with_images(&cinder).await;
    let volume = cinder.volume(ALICE, json!({})).await;
    cinder.write(&volume, b"root");
    let wish = json!({"image_name": "i", "disk_format": "qcow2"});
    let made = cinder.upload(&volume, 1, wish).await.is(202).json();
    assert_eq!(made["os-volume_upload_image"]["disk_format"], "qcow2");
    cinder.becomes(&volume, "available").await;
    let all = shelf.lock().expect("unpoisoned").clone();
    let [(image, first)] = all.as_slice() else {
        panic!("{all:?}");
    };
    // Header, two of reference counts, two of places, one of data: clusters of 64 KiB.
    assert_eq!(
        (&image["size"], &image["disk_format"]),
        (&json!(6 << 16), &json!("qcow2"))
    );
    assert_eq!(first, b"QFI\xfb");
    cinder.is_clean().await;
}

#[tokio::test]
async fn a_failed_upload_leaves_no_image() {
    for cinder in Cinder::all().await {
        let shelf = with_images(&cinder).await;
        let volume = cinder.volume(ALICE, json!({})).await;
        let refused = cinder
            .upload(&volume, 0, json!({"image_name": "refused"}))
            .await;
        assert!(refused.is(400).says().contains("no more images"));
        cinder.becomes(&volume, "available").await;
        for wish in [
            json!({"image_name": "broken"}),
            json!({"image_name": "broken", "protected": true}),
        ] {
            cinder.upload(&volume, 1, wish).await.is(202);
            cinder.becomes(&volume, "available").await;
            assert!(shelf.lock().expect("unpoisoned").is_empty());
        }
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn of_a_volume_in_use_only_where_the_operator_lets_it() {
    let attach = json!({"os-attach": {"mountpoint": "/dev/vdb", "host_name": "h"}});
    for allowed in [false, true] {
        let db = sql::testing::engines().await.remove(0);
        let cinder = Cinder::on(db, |settings| settings.force_upload = allowed).await;
        let shelf = with_images(&cinder).await;
        let volume = cinder.volume(ALICE, json!({})).await;
        let action = format!("/volumes/{volume}/action");
        cinder.post(ALICE, &action, attach.clone()).await.is(202);
        let force = json!({"image_name": "i", "force": true});
        cinder
            .upload(&volume, 1, json!({"image_name": "i"}))
            .await
            .is(400);
        let code = if allowed { 202 } else { 400 };
        cinder.upload(&volume, 1, force).await.is(code);
        cinder.becomes(&volume, "in-use").await;
        assert_eq!(
            shelf.lock().expect("unpoisoned").len(),
            usize::from(allowed)
        );
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn what_is_not_built_or_not_allowed_is_refused() {
    let cinder = Cinder::start().await;
    with_images(&cinder).await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let public = json!({"image_name": "i", "visibility": "public"});
    cinder.upload(&volume, 1, public.clone()).await.is(403);
    cinder.upload(&volume, 0, public).await.is(400);
    for (wish, code) in [
        (json!({"image_name": "i", "disk_format": "vmdk"}), 501),
        (json!({"image_name": "i", "disk_format": "none"}), 400),
        (
            json!({"image_name": "i", "container_format": "compressed"}),
            400,
        ),
        (json!({"image_name": ""}), 400),
    ] {
        cinder.upload(&volume, 1, wish).await.is(code);
    }
    assert_eq!(cinder.show(ADMIN, &volume).await["status"], "available");
}
