//! The image service through its REST face, in process, on every database engine offered.

mod attributes;
mod full_disk;
mod imports;
mod isolation;
mod life;
mod lists;
mod metadefs;
mod policy;
mod quotas;
mod rates;
mod rebinding;
mod recovery;
mod sharing;
mod threads;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use image::{Images, Settings};
use serde_json::{Value, json};
use sql::Database;
use tempfile::TempDir;
use web::testing::{Answer, Tokens};

pub const ALICE: &str = "alice:member,reader";
pub const BOB: &str = "bob:member,reader";
pub const READER: &str = "alice:reader";
pub const ADMIN: &str = "admin:admin,member,reader";
pub const SERVICE: &str = "service:service";

/// A running service with a folder and a database of its own.
pub struct Glance {
    pub images: Images,
    pub db: Database,
    pub settings: Settings,
    router: Router,
    _folder: TempDir,
}

impl Glance {
    pub async fn on(db: Database, change: impl FnOnce(&mut Settings)) -> Glance {
        let folder = tempfile::tempdir().expect("folder");
        let mut settings = Settings {
            image_dir: folder.path().join("images"),
            ..Settings::default()
        };
        change(&mut settings);
        let images = Images::open(db.clone(), settings.clone())
            .await
            .expect("opens");
        let router = images.router(Arc::new(Tokens));
        Glance {
            images,
            db,
            settings,
            router,
            _folder: folder,
        }
    }

    pub async fn start() -> Glance {
        Glance::on(sql::testing::sqlite().await, |_| {}).await
    }

    /// Opens the service again on the same database and folder, as after a crash.
    pub async fn restart(&mut self) {
        let opened = Images::open(self.db.clone(), self.settings.clone()).await;
        self.images = opened.expect("opens again");
        self.router = self.images.router(Arc::new(Tokens));
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(&self.router, request).await
    }

    pub async fn ask(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let builder = Request::builder()
            .method(method)
            .uri(path)
            .header("x-auth-token", token)
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(builder.body(body).expect("request")).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::GET, path, None).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask(token, Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, token: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask(token, Method::PUT, path, body).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::DELETE, path, None).await
    }

    pub async fn patch(&self, token: &str, id: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("/v2/images/{id}"))
            .header("x-auth-token", token)
            .header("accept", "application/json")
            .header(
                "content-type",
                "application/openstack-images-v2.1-json-patch",
            )
            .body(Body::from(body.to_string()))
            .expect("request");
        self.send(request).await
    }

    /// Sends data to `file` or `stage`.
    pub async fn data(&self, token: &str, id: &str, what: &str, body: Body) -> Answer {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("/v2/images/{id}/{what}"))
            .header("x-auth-token", token)
            .header("accept", "application/json")
            .header("content-type", "application/octet-stream")
            .body(body)
            .expect("request");
        self.send(request).await
    }

    /// A new image of `token`'s project; `more` is merged into its description.
    pub async fn create(&self, token: &str, more: Value) -> String {
        let mut body = json!({"name": "test", "disk_format": "raw", "container_format": "bare"});
        let all = body.as_object_mut().expect("object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        let made = self.post(token, "/v2/images", body).await.is(201).json();
        made["id"].as_str().expect("id").to_owned()
    }

    /// A new image with data.
    pub async fn active(&self, token: &str, more: Value, data: &[u8]) -> String {
        let id = self.create(token, more).await;
        self.data(token, &id, "file", Body::from(data.to_vec()))
            .await
            .is(204);
        id
    }

    pub async fn show(&self, token: &str, id: &str) -> Value {
        self.get(token, &format!("/v2/images/{id}"))
            .await
            .is(200)
            .json()
    }

    /// Nothing leaked and nothing lost.
    pub async fn is_clean(&self) {
        let audit = self.images.audit().await.expect("audit");
        assert!(audit.is_clean(), "{audit:?}");
    }
}

/// Waits for a condition on the image.
pub async fn until(glance: &Glance, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..500 {
        let image = glance.show(ADMIN, id).await;
        if holds(&image) {
            return image;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!(
        "the image never came to it: {}",
        glance.show(ADMIN, id).await
    );
}
