//! Volumes made of images, with a small image service of the test's own.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use clients::{Login, Service, Session};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use volume::Images;

use crate::{ADMIN, ALICE, Cinder, READER};

const RAW: &str = "1a9e0000-0000-4000-8000-000000000001";
const SERVER: &str = "1a9e0000-0000-4000-8000-000000000002";
const LARGE: &str = "1a9e0000-0000-4000-8000-000000000003";

/// Images by id, and their data.
pub type Shelf = Arc<Mutex<Vec<(Value, Vec<u8>)>>>;

fn found(shelf: &Shelf, id: &str) -> Option<(Value, Vec<u8>)> {
    let all = shelf.lock().expect("unpoisoned");
    all.iter().find(|(image, _)| image["id"] == id).cloned()
}

/// What of Glance and Keystone is asked.
pub fn glance(shelf: Shelf) -> Router {
    let show = async |State(shelf): State<Shelf>, Path(id): Path<String>| match found(&shelf, &id) {
        Some((image, _)) => axum::Json(image).into_response(),
        None => http::StatusCode::NOT_FOUND.into_response(),
    };
    let file = async |State(shelf): State<Shelf>, Path(id): Path<String>| match found(&shelf, &id) {
        Some((_, data)) => data.into_response(),
        None => http::StatusCode::NOT_FOUND.into_response(),
    };
    let list = async |State(shelf): State<Shelf>, Query(query): Query<Vec<(String, String)>>| {
        let all = shelf.lock().expect("unpoisoned");
        let wish = query
            .iter()
            .find(|(key, _)| key == "name")
            .map(|(_, name)| name.clone());
        let all: Vec<Value> = all
            .iter()
            .filter(|(image, _)| wish.as_ref().is_some_and(|name| image["name"] == *name))
            .map(|(image, _)| image.clone())
            .collect();
        axum::Json(json!({"images": all}))
    };
    let token = async || {
        let body = json!({"token": {"expires_at": "2999-01-01T00:00:00.000000Z"}});
        ([("x-subject-token", "token")], axum::Json(body))
    };
    Router::new()
        .route("/v2/images", get(list))
        .route("/v2/images/{id}", get(show))
        .route("/v2/images/{id}/file", get(file))
        .route("/v3/auth/tokens", post(token))
        .with_state(shelf)
}

async fn with_images(cinder: &Cinder, images: Vec<(Value, Vec<u8>)>) {
    with_glance(cinder, glance(Arc::new(Mutex::new(images))));
}

/// The service asks this image service, which is its identity service too.
pub fn with_glance(cinder: &Cinder, router: Router) {
    let service = Service::in_process("image", router);
    let login = Login {
        user: "cinder".to_owned(),
        password: "secret".to_owned().into(),
        project: "service".to_owned(),
        domain: "Default".to_owned(),
    };
    let session = Session::new(service.clone(), login);
    cinder.volumes.set_images(Images { service, session });
}

fn image(id: &str, format: &str, data: &[u8], more: Value) -> (Value, Vec<u8>) {
    let mut image = json!({
        "id": id, "name": "disk", "status": "active", "disk_format": format, "container_format": "bare",
        "size": data.len(), "min_disk": 0, "min_ram": 0, "hw_disk_bus": "virtio",
    });
    let all = image.as_object_mut().expect("object");
    all.extend(more.as_object().cloned().unwrap_or_default());
    (image, data.to_vec())
}

/// Questions to the image service wait here.
struct Gate {
    asked: Notify,
    open: Semaphore,
}

/// A cloud with one image, whose data comes when the gate opens.
fn behind_gate(cinder: &Cinder) -> Arc<Gate> {
    gated(cinder, |path| path.ends_with("/file"))
}

/// A cloud with one image; questions with these paths wait until the gate opens.
fn gated(cinder: &Cinder, waits_at: fn(&str) -> bool) -> Arc<Gate> {
    let gate = Arc::new(Gate {
        asked: Notify::new(),
        open: Semaphore::new(0),
    });
    let waits = gate.clone();
    let pass = middleware::from_fn(move |request: Request, next: Next| {
        let gate = waits.clone();
        async move {
            if waits_at(request.uri().path()) {
                gate.asked.notify_one();
                drop(gate.open.acquire().await.expect("never closed"));
            }
            next.run(request).await
        }
    });
    let images = vec![image(RAW, "raw", b"boot sector", json!({}))];
    with_glance(cinder, glance(Arc::new(Mutex::new(images))).layer(pass));
    gate
}

#[tokio::test]
async fn no_volume_is_made_of_a_type_that_goes_while_its_image_is_looked_at() {
    for cinder in Cinder::all().await {
        let made = json!({"volume_type": {"name": "short"}});
        let made = cinder.post(ADMIN, "/types", made).await.is(200).json();
        let kind = made["volume_type"]["id"].as_str().expect("an id");
        let gate = gated(&cinder, |_| true);
        // Its type was found when the image is asked for.
        let wish = json!({"volume": {"size": 1, "volume_type": "short", "imageRef": RAW}});
        let goes = async {
            gate.asked.notified().await;
            let path = format!("/types/{kind}");
            cinder.delete(ADMIN, &path).await.is(202);
            gate.open.add_permits(1);
        };
        let (made, ()) = tokio::join!(cinder.post(ALICE, "/volumes", wish), goes);
        let said = made.is(404).says();
        assert_eq!(said, format!("Volume type {kind} could not be found."));
        let all = cinder.get(ADMIN, "/volumes?all_tenants=1").await.is(200);
        assert_eq!(all.json()["volumes"], json!([]));
        let used = cinder.get(ALICE, "/os-quota-sets/a11ce?usage=1").await;
        let used = used.is(200).json()["quota_set"]["volumes"]["in_use"].clone();
        assert_eq!(used, 0);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_volume_that_goes_by_force_while_it_is_made_leaves_nothing() {
    for cinder in Cinder::all().await {
        let gate = behind_gate(&cinder);
        let made = cinder.begin(ALICE, json!({"imageRef": RAW})).await;
        let id = made["id"].as_str().expect("an id");
        gate.asked.notified().await;
        let force = json!({"os-force_delete": {}});
        cinder.act(ADMIN, id, force).await.is(202);
        cinder.is_gone(&format!("/volumes/{id}")).await;
        gate.open.add_permits(1);
        cinder.rests(id).await;
        cinder.is_clean().await;
        assert!(!cinder.folder().join(id).exists());
        let left = std::fs::read_dir(cinder.folder().join("incoming"));
        assert_eq!(left.expect("a folder").count(), 0);
    }
}

#[tokio::test]
async fn a_volume_that_a_server_got_meanwhile_keeps_its_bytes() {
    for cinder in Cinder::all().await {
        let gate = behind_gate(&cinder);
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let action = format!("/volumes/{volume}/action");
        let wish = json!({"os-reimage": {"image_id": RAW}});
        cinder.post(ALICE, &action, wish.clone()).await.is(202);
        gate.asked.notified().await;
        cinder.reset(&volume, "available").await;
        cinder.attached(&volume, SERVER).await;
        gate.open.add_permits(1);
        cinder.rests(&volume).await;
        assert_eq!(&cinder.read(&volume), b"then");
        assert_eq!(cinder.show(ALICE, &volume).await["status"], "in-use");
        cinder.reset(&volume, "error").await;
        let said = cinder.post(ALICE, &action, wish).await.is(400).says();
        assert!(said.ends_with("while it is attached."), "{said}");
    }
}

#[tokio::test]
async fn a_volume_is_made_of_an_image() {
    for cinder in Cinder::all().await {
        with_images(&cinder, vec![image(RAW, "raw", b"boot sector", json!({}))]).await;
        for wish in [RAW, "disk"] {
            let id = cinder
                .volume(ALICE, json!({"imageRef": wish, "size": 1}))
                .await;
            let shown = cinder.show(ALICE, &id).await;
            assert_eq!(shown["bootable"], "true");
            let known = &shown["volume_image_metadata"];
            assert_eq!(
                (&known["image_id"], &known["hw_disk_bus"]),
                (&json!(RAW), &json!("virtio"))
            );
            assert_eq!(&cinder.read(&id), b"boot");
            let disk = cinder.disk(&id);
            assert_eq!(std::fs::metadata(disk).expect("a disk").len(), 1 << 30);
        }
        let left = std::fs::read_dir(cinder.folder().join("incoming")).expect("a folder");
        assert_eq!(left.count(), 0);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn an_image_that_does_not_fit_is_refused() {
    let cinder = Cinder::start().await;
    let large = json!({"virtual_size": 3u64 << 30});
    with_images(
        &cinder,
        vec![
            image(RAW, "qcow2", b"QFI\xfbnonsense", large),
            image(
                SERVER,
                "raw",
                b"",
                json!({"name": "other", "status": "queued"}),
            ),
        ],
    )
    .await;
    let post = async |wish: Value| {
        cinder
            .post(ALICE, "/volumes", json!({"volume": wish}))
            .await
    };
    let said = post(json!({"imageRef": RAW, "size": 2}))
        .await
        .is(400)
        .says();
    assert!(said.contains("larger than volume size 2GB"), "{said}");
    let said = post(json!({"imageRef": SERVER, "size": 2}))
        .await
        .is(400)
        .says();
    assert!(said.contains("is not active"), "{said}");
    post(json!({"imageRef": "none", "size": 2})).await.is(400);
    // Its header lies: found out by the inspector, and nothing is left.
    let made = post(json!({"imageRef": RAW, "size": 3}))
        .await
        .is(202)
        .json();
    let id = made["volume"]["id"].as_str().expect("an id").to_owned();
    cinder.becomes(&id, "error").await;
    assert!(!cinder.folder().join(&id).exists());
    let left = std::fs::read_dir(cinder.folder().join("incoming")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn an_image_of_a_server_stands_for_a_snapshot() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    cinder.write(&volume, b"root");
    let snapshot = cinder.snapshot(ALICE, &volume, json!({})).await;
    let mapping = json!([{"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot}]);
    let mapping = json!({"block_device_mapping": mapping.to_string()});
    with_images(&cinder, vec![image(SERVER, "raw", b"", mapping)]).await;
    let id = cinder
        .volume(ALICE, json!({"imageRef": SERVER, "size": null}))
        .await;
    let shown = cinder.show(ALICE, &id).await;
    assert_eq!(
        (&shown["snapshot_id"], &shown["size"]),
        (&json!(snapshot), &json!(1))
    );
    assert_eq!(&cinder.read(&id), b"root");
}

#[tokio::test]
async fn a_volume_gets_an_image_again() {
    for cinder in Cinder::all().await {
        let mapping = json!([{"source_type": "snapshot", "boot_index": 0, "snapshot_id": "x"}]);
        let mapping = json!({"block_device_mapping": mapping.to_string()});
        let large = json!({"virtual_size": 3u64 << 30});
        with_images(
            &cinder,
            vec![
                image(RAW, "raw", b"root disk", json!({})),
                image(SERVER, "raw", b"", mapping),
                image(LARGE, "qcow2", b"QFI\xfbnonsense", large),
            ],
        )
        .await;
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then, and much behind it");
        let action = format!("/volumes/{volume}/action");
        let wish = |id: &str| json!({"os-reimage": {"image_id": id}});
        cinder.post(ALICE, &action, wish(RAW)).await.is(202);
        let shown = cinder.becomes(&volume, "available").await;
        assert_eq!(shown["volume_image_metadata"]["image_id"], RAW);
        assert_eq!(&cinder.read(&volume), b"root");
        for (id, code) in [(LARGE, 400), (SERVER, 404), (&*volume, 404)] {
            cinder.post(ALICE, &action, wish(id)).await.is(code);
        }
        cinder.post(READER, &action, wish(RAW)).await.is(403);
        let reserve = json!({"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}});
        cinder.post(ALICE, "/attachments", reserve).await.is(200);
        cinder.write(&volume, b"then");
        cinder.post(ALICE, &action, wish(RAW)).await.is(400);
        let reserved = json!({"os-reimage": {"image_id": RAW, "reimage_reserved": true}});
        cinder.post(ALICE, &action, reserved).await.is(202);
        cinder.becomes(&volume, "reserved").await;
        assert_eq!(&cinder.read(&volume), b"root");
        cinder.is_clean().await;
    }
}
