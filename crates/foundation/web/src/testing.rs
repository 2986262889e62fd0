//! What tests of REST faces share: callers whose tokens say everything, and answers that were read whole.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::{AuthError, Authenticator, Caller};

/// Tokens say everything: `project:role,role`, or `:role,role` without a project. A service's is its role.
pub struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(
        &self,
        token: &str,
        service: Option<&str>,
    ) -> Result<Arc<Caller>, AuthError> {
        let (project, roles) = token.split_once(':').ok_or(AuthError::Unauthorized)?;
        let of_project = (!project.is_empty()).then(|| project.to_owned());
        Ok(Arc::new(Caller {
            user_id: format!("user-of-{project}"),
            user_name: "someone".to_owned(),
            user_domain_id: "default".to_owned(),
            user_domain_name: "Default".to_owned(),
            project_id: of_project.clone(),
            project_name: of_project,
            project_domain_id: Some("default".to_owned()),
            project_domain_name: Some("Default".to_owned()),
            domain_id: None,
            system: false,
            roles: roles.split(',').map(str::to_owned).collect(),
            service_roles: service.map(str::to_owned).into_iter().collect(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: token.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://127.0.0.1/identity/v3".to_owned()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// What a router answers.
    ///
    /// # Panics
    /// The body breaks off.
    pub async fn of(router: &Router, request: Request<Body>) -> Answer {
        let response = router.clone().oneshot(request).await;
        let (parts, body) = response.expect("infallible").into_parts();
        let bytes = body.collect().await.expect("body").to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes,
        }
    }

    /// The same, if it has this status and a request's id.
    ///
    /// # Panics
    /// It has not.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert!(self.headers.contains_key("x-openstack-request-id"));
        self
    }

    /// Its body.
    ///
    /// # Panics
    /// It is no JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("a JSON body")
    }

    /// The message of an error.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn says(&self) -> String {
        let body = self.json();
        let fault = body.as_object().and_then(|body| body.values().next());
        let message = fault.and_then(|fault| fault["message"].as_str());
        message.expect("a message").to_owned()
    }
}
