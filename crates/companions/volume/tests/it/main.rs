//! The volume service through its REST face, in process, on every database engine offered.

mod actions;
mod attachments;
mod backups;
mod bodies;
mod foreign;
mod groups;
mod images;
mod iscsi;
mod lists;
mod manage;
mod messages;
mod moves;
mod nbd;
mod operators;
mod qos;
mod quotas;
mod recovery;
mod services;
mod snapshots;
mod transfers;
mod types;
mod upload;
mod versions;
mod volumes;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sql::Database;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use volume::{Settings, Volumes};
use web::testing::{Answer, Tokens};
use workflow::testing::found;

pub const ALICE: &str = "a11ce:member,reader";
pub const BOB: &str = "b0b:member,reader";
pub const READER: &str = "a11ce:reader";
pub const ADMIN: &str = "ad:admin,member,reader";
pub const SERVICE: &str = "5e:service";

/// A running service with a folder and a database of its own.
pub struct Cinder {
    pub volumes: Volumes,
    pub db: Database,
    pub settings: Settings,
    router: Router,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Cinder {
    pub async fn on(db: Database, change: impl FnOnce(&mut Settings)) -> Cinder {
        let folder = tempfile::tempdir().expect("folder");
        let mut settings = Settings {
            backup_dir: folder.path().join("backups"),
            export_dir: folder.path().join("exports"),
            host: "here".to_owned(),
            keep_free: 0,
            ..Settings::default()
        };
        settings.back_end.volume_dir = folder.path().join("volumes");
        change(&mut settings);
        let opened = Volumes::open(db.clone(), settings.clone()).await;
        let volumes = opened.expect("opens");
        let stop = CancellationToken::new();
        let tasks = volumes.start(None, stop.clone()).await;
        let router = volumes.router(Arc::new(Tokens));
        Cinder {
            volumes,
            db,
            settings,
            router,
            stop,
            tasks,
            _folder: folder,
        }
    }

    pub async fn start() -> Cinder {
        Cinder::on(sql::testing::sqlite().await, |_| {}).await
    }

    /// One on each engine that is offered.
    pub async fn all() -> Vec<Cinder> {
        let mut all = Vec::new();
        for db in sql::testing::engines().await {
            all.push(Cinder::on(db, |_| {}).await);
        }
        all
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(&self.router, request).await
    }

    /// At a microversion, `3.n`.
    pub async fn at(
        &self,
        minor: u16,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let builder = Request::builder()
            .method(method)
            .uri(format!("/v3{path}"))
            .header("x-auth-token", token)
            .header("openstack-api-version", format!("volume 3.{minor}"))
            .header("content-type", "application/json");
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(builder.body(body).expect("request")).await
    }

    pub async fn ask(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.at(71, token, method, path, body).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::GET, path, None).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask(token, Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask(token, Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::DELETE, path, None).await
    }

    /// An action of a volume.
    pub async fn act(&self, token: &str, volume: &str, action: Value) -> Answer {
        let path = format!("/volumes/{volume}/action");
        self.post(token, &path, action).await
    }

    /// Deletes something, and waits until it is gone.
    pub async fn removes(&self, token: &str, path: &str) {
        self.delete(token, path).await.is(202);
        self.is_gone(path).await;
    }

    /// A new volume, which may not be there yet.
    pub async fn begin(&self, token: &str, more: Value) -> Value {
        let mut body = json!({"size": 1});
        let all = body.as_object_mut().expect("object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        let made = self.post(token, "/volumes", json!({"volume": body})).await;
        made.is(202).json()["volume"].clone()
    }

    /// A new volume that is there.
    pub async fn volume(&self, token: &str, more: Value) -> String {
        let made = self.begin(token, more).await;
        let id = made["id"].as_str().expect("an id").to_owned();
        self.becomes(&id, "available").await;
        id
    }

    pub async fn show(&self, token: &str, id: &str) -> Value {
        let shown = self.get(token, &format!("/volumes/{id}")).await;
        shown.is(200).json()["volume"].clone()
    }

    /// Waits for a status.
    pub async fn becomes(&self, id: &str, status: &str) -> Value {
        self.shows(&format!("/volumes/{id}"), "volume", ("status", status))
            .await
    }

    /// Waits until a member of something has a value.
    pub async fn shows(&self, path: &str, kind: &str, (member, value): (&str, &str)) -> Value {
        found(|| async {
            let seen = self.get(ADMIN, path).await.is(200).json()[kind].clone();
            match seen[member] == value {
                true => Ok(seen),
                false => Err(format!("never {value}: {seen}")),
            }
        })
        .await
    }

    /// Waits until something is gone.
    pub async fn is_gone(&self, path: &str) {
        found(|| async {
            match self.get(ADMIN, path).await.status {
                StatusCode::NOT_FOUND => Ok(()),
                other => Err(format!("{path} never goes: {other}")),
            }
        })
        .await;
    }

    /// Changes rows as no call does any more.
    pub async fn change(&self, statement: &str) {
        use sql::sea_orm::ConnectionTrait;
        let changed = self.db.write().execute_unprepared(statement).await;
        assert_eq!(changed.expect("changed").rows_affected(), 1, "{statement}");
    }

    /// Waits until no work about it is left in the journal.
    pub async fn rests(&self, subject: &str) {
        found(|| async {
            let left = workflow::find(self.db.read(), subject).await;
            let left = left.expect("the journal");
            match left.is_empty() {
                true => Ok(()),
                false => Err(format!("never ends: {left:?}")),
            }
        })
        .await;
    }

    /// An administrator gives a volume a status.
    pub async fn reset(&self, volume: &str, status: &str) {
        let body = json!({"os-reset_status": {"status": status}});
        self.act(ADMIN, volume, body).await.is(202);
    }

    /// Nothing leaked and nothing lost.
    pub async fn is_clean(&self) {
        let audit = self.volumes.audit().await.expect("audit");
        assert!(audit.is_empty(), "{audit:?}");
    }

    /// The same as soon as what is being removed is gone: a look ends what serves a volume, and then removes its files.
    pub async fn becomes_clean(&self) {
        found(|| async {
            let audit = self.volumes.audit().await.expect("audit");
            match audit.is_empty() {
                true => Ok(()),
                false => Err(format!("{audit:?}")),
            }
        })
        .await;
    }
}

impl Drop for Cinder {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
