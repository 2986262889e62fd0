//! A network service with made-up callers: the token is the name of one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use network::{EventSink, Networks, Settings, SinkError};
use serde_json::{Value, json};
use tower::ServiceExt;
use web::auth::{AuthError, Authenticator, Caller};

pub const ADMIN: &str = "admin";
pub const DEMO: &str = "demo";
pub const OTHER: &str = "other";
pub const READER: &str = "reader";
/// Another service of the cloud.
pub const SERVICE: &str = "service";
/// Roles of a domain, no project.
pub const OF_DOMAIN: &str = "of-domain";
/// A token without any scope.
pub const UNSCOPED: &str = "unscoped";

struct Callers;

#[async_trait]
impl Authenticator for Callers {
    async fn authenticate(
        &self,
        token: &str,
        _service: Option<&str>,
    ) -> Result<Arc<Caller>, AuthError> {
        let (project, roles): (Option<&str>, &[&str]) = match token {
            ADMIN => (Some("p-admin"), &["admin", "manager", "member", "reader"]),
            DEMO => (Some("p-demo"), &["member", "reader"]),
            OTHER => (Some("p-other"), &["member", "reader"]),
            READER => (Some("p-demo"), &["reader"]),
            SERVICE => (Some("p-service"), &["service"]),
            OF_DOMAIN => (None, &["manager", "member", "reader"]),
            UNSCOPED => (None, &[]),
            _ => return Err(AuthError::Unauthorized),
        };
        Ok(Arc::new(Caller {
            user_id: format!("u-{token}"),
            user_name: token.to_owned(),
            user_domain_id: "default".to_owned(),
            user_domain_name: "Default".to_owned(),
            project_id: project.map(str::to_owned),
            project_name: project.map(str::to_owned),
            project_domain_id: Some("default".to_owned()),
            project_domain_name: Some("Default".to_owned()),
            domain_id: (token == OF_DOMAIN).then(|| "default".to_owned()),
            system: false,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: token.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://identity/v3".to_owned()
    }
}

/// What compute was told.
#[derive(Default)]
pub struct Told {
    pub events: Mutex<Vec<(String, String, String)>>,
    /// So many events are refused first.
    pub refuse: Mutex<u32>,
}

impl Told {
    fn note(&self, kind: &str, server: &str, port: &str) -> Result<(), SinkError> {
        let mut refuse = self.refuse.lock().expect("lock");
        if *refuse > 0 {
            *refuse -= 1;
            return Err("compute is away".into());
        }
        self.events.lock().expect("lock").push((
            kind.to_owned(),
            server.to_owned(),
            port.to_owned(),
        ));
        Ok(())
    }

    /// Waits until compute heard this of this port.
    pub async fn heard(&self, kind: &str, port: &str) {
        for _ in 0..1000 {
            let events = self.events.lock().expect("lock").clone();
            if events.iter().any(|(k, _, p)| k == kind && p == port) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "compute never heard {kind} of {port}: {:?}",
            self.events.lock().expect("lock")
        );
    }
}

#[async_trait]
impl EventSink for Told {
    async fn vif_plugged(&self, server: &str, port: &str) -> Result<(), SinkError> {
        self.note("plugged", server, port)
    }
    async fn vif_unplugged(&self, server: &str, port: &str) -> Result<(), SinkError> {
        self.note("unplugged", server, port)
    }
    async fn vif_deleted(&self, server: &str, port: &str) -> Result<(), SinkError> {
        self.note("deleted", server, port)
    }
    async fn changed(&self, server: &str, port: &str) -> Result<(), SinkError> {
        self.note("changed", server, port)
    }
}

#[derive(Clone)]
pub struct Cloud {
    pub networks: Networks,
    pub router: Router,
}

impl Cloud {
    pub async fn open(db: sql::Database, settings: Settings) -> Cloud {
        let networks = Networks::open(db, settings)
            .await
            .expect("the service opens");
        let router = networks.router(Arc::new(Callers));
        Cloud { networks, router }
    }

    /// One on every engine.
    pub async fn all() -> Vec<Cloud> {
        let mut all = Vec::new();
        for db in sql::testing::engines().await {
            all.push(
                Cloud::open(
                    db,
                    Settings {
                        host: "h1".to_owned(),
                        ..Settings::default()
                    },
                )
                .await,
            );
        }
        all
    }

    pub async fn raw(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cloud");
        if !token.is_empty() {
            request = request.header("x-auth-token", token);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).expect("a request"))
            .await
            .expect("an answer");
        let status = response.status();
        assert!(response.headers().contains_key("x-openstack-request-id"));
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        if status == StatusCode::NO_CONTENT {
            assert!(bytes.is_empty(), "a 204 has no body");
        }
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// The answer to a request that must succeed with this status.
    pub async fn ok(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let (found, answer) = self.raw(token, method.clone(), path, body).await;
        assert_eq!(found.as_u16(), status, "{method} {path}: {answer}");
        answer
    }

    pub async fn get(&self, token: &str, path: &str) -> Value {
        self.ok(token, Method::GET, path, None, 200).await
    }

    pub async fn put(&self, token: &str, path: &str, body: Value) -> Value {
        self.ok(token, Method::PUT, path, Some(body), 200).await
    }

    pub async fn delete(&self, token: &str, path: &str) {
        self.ok(token, Method::DELETE, path, None, 204).await;
    }

    /// Makes one object; gives it without its wrapping.
    pub async fn make(&self, token: &str, collection: &str, body: Value) -> Value {
        let name = singular(collection);
        let wrapped = json!({ name.as_str(): body });
        let mut answer = self
            .ok(
                token,
                Method::POST,
                &format!("/v2.0/{collection}"),
                Some(wrapped),
                201,
            )
            .await;
        answer[name].take()
    }

    pub async fn change(&self, token: &str, collection: &str, id: &Value, body: Value) -> Value {
        let name = singular(collection);
        let path = format!("/v2.0/{collection}/{}", text(id));
        let mut answer = self.put(token, &path, json!({ name.as_str(): body })).await;
        answer[name].take()
    }

    pub async fn show(&self, token: &str, collection: &str, id: &Value) -> Value {
        let mut answer = self
            .get(token, &format!("/v2.0/{collection}/{}", text(id)))
            .await;
        answer[singular(collection)].take()
    }

    pub async fn remove(&self, token: &str, collection: &str, id: &Value) {
        self.delete(token, &format!("/v2.0/{collection}/{}", text(id)))
            .await;
    }

    /// The type of the error that the request is refused with.
    pub async fn refused(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> String {
        let (found, answer) = self.raw(token, method.clone(), path, body).await;
        assert_eq!(found.as_u16(), status, "{method} {path}: {answer}");
        assert!(answer["NeutronError"]["message"].is_string(), "{answer}");
        text(&answer["NeutronError"]["type"])
    }

    pub async fn not_made(
        &self,
        token: &str,
        collection: &str,
        body: Value,
        status: u16,
    ) -> String {
        let wrapped = json!({ singular(collection): body });
        self.refused(
            token,
            Method::POST,
            &format!("/v2.0/{collection}"),
            Some(wrapped),
            status,
        )
        .await
    }

    pub async fn not_removed(
        &self,
        token: &str,
        collection: &str,
        id: &Value,
        status: u16,
    ) -> String {
        self.refused(
            token,
            Method::DELETE,
            &format!("/v2.0/{collection}/{}", text(id)),
            None,
            status,
        )
        .await
    }

    pub async fn list(&self, token: &str, collection: &str, query: &str) -> Vec<Value> {
        let answer = self
            .get(token, &format!("/v2.0/{collection}?{query}"))
            .await;
        answer[collection.replace('-', "_")]
            .as_array()
            .cloned()
            .expect("a list")
    }

    /// A network of the demo project with one IPv4 subnet.
    pub async fn net(&self, cidr: &str) -> (Value, Value) {
        let network = self.make(DEMO, "networks", json!({"name": "n"})).await;
        let subnet = json!({"network_id": network["id"], "cidr": cidr, "ip_version": 4});
        let subnet = self.make(DEMO, "subnets", subnet).await;
        (network, subnet)
    }

    /// An external network with one subnet.
    pub async fn external(&self, cidr: &str) -> (Value, Value) {
        let network = self
            .make(
                ADMIN,
                "networks",
                json!({"name": "ext", "router:external": true}),
            )
            .await;
        let subnet = json!({"network_id": network["id"], "cidr": cidr, "ip_version": 4, "enable_dhcp": false});
        let subnet = self.make(ADMIN, "subnets", subnet).await;
        (network, subnet)
    }
}

fn singular(collection: &str) -> String {
    match collection {
        "rbac-policies" => "rbac_policy".to_owned(),
        other => other.trim_end_matches('s').replace('-', "_"),
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

pub fn ip(port: &Value) -> String {
    text(&port["fixed_ips"][0]["ip_address"])
}
