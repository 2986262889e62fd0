//! An API over a fresh database, without companions, and callers with roles.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use compute_api::{Api, router};
use compute_control::Control;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use web::{AuthError, Authenticator, Caller};

/// The project of everybody but `stranger`.
pub const PROJECT: &str = "aaaa0000";
/// The project of `stranger`.
pub const OTHER: &str = "bbbb0000";

/// Tokens are the names of who they belong to: `admin`, `member`, `reader`, and `stranger`, a member of another project.
struct Names;

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str, _: Option<&str>) -> Result<Arc<Caller>, AuthError> {
        let (project, roles) = match token {
            "admin" => (PROJECT, &["admin", "manager", "member", "reader"][..]),
            "member" => (PROJECT, &["member", "reader"][..]),
            "reader" => (PROJECT, &["reader"][..]),
            "stranger" => (OTHER, &["member", "reader"][..]),
            _ => return Err(AuthError::Unauthorized),
        };
        Ok(Arc::new(Caller {
            user_id: token.to_owned(),
            user_name: token.to_owned(),
            user_domain_id: "default".into(),
            user_domain_name: "Default".into(),
            project_id: Some(project.into()),
            project_name: Some(project.into()),
            project_domain_id: Some("default".into()),
            project_domain_name: Some("Default".into()),
            domain_id: None,
            system: false,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: token.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://cloud/identity".into()
    }
}

pub struct Cloud {
    pub control: Arc<Control>,
    router: Router,
}

impl Cloud {
    pub async fn start() -> Self {
        Self::on(sql::testing::sqlite().await).await
    }

    /// An API over this fresh database.
    pub async fn on(db: sql::Database) -> Self {
        // An identity service that answers nothing to questions about projects passes them all, but for `gone`.
        let gone = axum::routing::get(|| async { StatusCode::NOT_FOUND });
        let fine = axum::routing::get(|| async { "{}" });
        let identity = Router::new()
            .route("/v3/projects/gone", gone)
            .route("/v3/projects/{id}", fine);
        let none = Router::new;
        let control = compute_control::testing::control_on(db, identity, none(), none()).await;
        let control = Arc::new(control);
        let api = router(Arc::new(Api {
            authenticator: Arc::new(Names),
            control: control.clone(),
        }));
        Cloud {
            control,
            router: Router::new().nest_service("/compute", api),
        }
    }

    /// `GET`, by `who` at 2.`minor`.
    pub async fn get(&self, who: &str, minor: u16, path: &str) -> (StatusCode, Value) {
        self.ask(who, minor, "GET", path, Value::Null).await
    }

    pub async fn post(
        &self,
        who: &str,
        minor: u16,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.ask(who, minor, "POST", path, body).await
    }

    pub async fn put(&self, who: &str, minor: u16, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(who, minor, "PUT", path, body).await
    }

    pub async fn delete(&self, who: &str, minor: u16, path: &str) -> (StatusCode, Value) {
        self.ask(who, minor, "DELETE", path, Value::Null).await
    }

    async fn ask(
        &self,
        who: &str,
        minor: u16,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/compute/v2.1{path}"))
            .header("host", "cloud")
            .header("accept", "application/json")
            .header("x-auth-token", who)
            .header("openstack-api-version", format!("compute 2.{minor}"))
            .body(body)
            .expect("a request");
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status();
        let bytes = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }
}

/// The text of an error answer.
pub fn message(answer: &Value) -> &str {
    let inner = answer.as_object().and_then(|answer| answer.values().next());
    inner
        .and_then(|fault| fault["message"].as_str())
        .unwrap_or_default()
}
