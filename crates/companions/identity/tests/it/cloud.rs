//! A bootstrapped identity service and a client for it.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use identity::{Bootstrap, Endpoint, Identity, Interface, ServiceUser, Settings};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

pub struct Cloud {
    pub identity: Identity,
    pub db: sql::Database,
    pub settings: Settings,
    app: Router,
    pub admin: String,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The reply, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    pub fn message(&self) -> &str {
        self.body["error"]["message"]
            .as_str()
            .expect("an error body")
    }

    pub fn subject(&self) -> String {
        self.headers["x-subject-token"]
            .to_str()
            .expect("text")
            .to_owned()
    }
}

pub fn bootstrap() -> Bootstrap {
    Bootstrap {
        admin_password: SecretString::from("admin-secret"),
        service_users: vec![ServiceUser {
            name: "nova".to_owned(),
            password: SecretString::from("nova-secret"),
            roles: &["service", "reader"],
        }],
        demo_password: Some(SecretString::from("demo-secret")),
        reset_passwords: false,
        region: "RegionOne".to_owned(),
        endpoints: Interface::ALL
            .map(|interface| Endpoint {
                service_type: "volumev3".to_owned(),
                service_name: "cinder".to_owned(),
                interface,
                url: "http://cloud/volume/v3/$(project_id)s".to_owned(),
            })
            .to_vec(),
    }
}

pub fn settings() -> Settings {
    let keys = tempfile::tempdir().expect("folder").keep();
    Settings {
        fernet_keys: keys.join("fernet"),
        credential_keys: keys.join("credential"),
        password_hash_rounds: 4,
        ..Settings::default()
    }
}

impl Cloud {
    pub async fn on(db: sql::Database) -> Self {
        Self::with(db, settings()).await
    }

    pub async fn with(db: sql::Database, settings: Settings) -> Self {
        let identity = Identity::open(db.clone(), settings.clone())
            .await
            .expect("opens");
        identity.bootstrap(&bootstrap()).await.expect("bootstraps");
        let app = identity.router();
        let mut cloud = Cloud {
            identity,
            db,
            settings,
            app,
            admin: String::new(),
        };
        cloud.admin = cloud
            .log_in(password("admin", "admin-secret", Some("admin")))
            .await
            .expect(201)
            .subject();
        cloud
    }

    pub async fn call(
        &self,
        verb: &str,
        path: &str,
        token: &str,
        subject: Option<&str>,
        body: Option<Value>,
    ) -> Reply {
        let verb = Method::from_bytes(verb.as_bytes()).expect("verb");
        let mut request = Request::builder()
            .method(verb)
            .uri(path)
            .header("host", "cloud");
        if !token.is_empty() {
            request = request.header("x-auth-token", token);
        }
        if let Some(subject) = subject {
            request = request.header("x-subject-token", subject);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("request");
        let answer = self.app.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("body").to_bytes();
        assert!(parts.headers.contains_key("x-openstack-request-id"));
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// What a service hears that asks about a token and says that it knows access rules of this version.
    pub async fn validated(&self, subject: &str, version: &str) -> StatusCode {
        let request = Request::get("/v3/auth/tokens")
            .header("host", "cloud")
            .header("x-auth-token", &self.admin)
            .header("x-subject-token", subject)
            .header("openstack-identity-access-rules", version);
        let request = request.body(Body::empty()).expect("request");
        let answer = self.app.clone().oneshot(request).await.expect("infallible");
        answer.status()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &self.admin, None, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, &self.admin, None, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call("PATCH", path, &self.admin, None, Some(body))
            .await
    }

    pub async fn put(&self, path: &str) -> Reply {
        self.call("PUT", path, &self.admin, None, None).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, &self.admin, None, None).await
    }

    pub async fn log_in(&self, auth: Value) -> Reply {
        self.call(
            "POST",
            "/v3/auth/tokens",
            "",
            None,
            Some(json!({"auth": auth})),
        )
        .await
    }

    /// The same, from an address.
    pub async fn log_in_from(&self, peer: web::client::Peer, auth: Value) -> Reply {
        let body = Body::from(json!({"auth": auth}).to_string());
        let request = Request::post("/v3/auth/tokens").header("host", "cloud");
        let mut request = request.body(body).expect("request");
        request.extensions_mut().insert(peer);
        let answer = self.app.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("body").to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// A token of the demo user on the demo project.
    pub async fn demo(&self) -> String {
        self.log_in(password("demo", "demo-secret", Some("demo")))
            .await
            .expect(201)
            .subject()
    }

    /// The id of the only thing of this name in a list.
    pub async fn id(&self, kind: &str, name: &str) -> String {
        let reply = self
            .get(&format!("/v3/{kind}?name={name}"))
            .await
            .expect(200);
        reply.body[kind][0]["id"]
            .as_str()
            .expect("found")
            .to_owned()
    }

    /// Makes a thing and gives its id.
    pub async fn make(&self, kind: &str, one: &str, body: Value) -> String {
        let reply = self
            .post(&format!("/v3/{kind}"), json!({one: body}))
            .await
            .expect(201);
        reply.body[one]["id"].as_str().expect("id").to_owned()
    }

    /// Whether the token still works, here and for the services beside us.
    pub async fn works(&self, token: &str) -> bool {
        let through_http = self
            .call("GET", "/v3/auth/tokens", &self.admin, Some(token), None)
            .await;
        let in_process = self
            .identity
            .authenticator()
            .authenticate(token, None)
            .await
            .is_ok();
        assert_eq!(
            through_http.status == StatusCode::OK,
            in_process,
            "both ways must agree"
        );
        in_process
    }
}

/// `auth` for a user of the default domain, scoped to a project there.
pub fn password(name: &str, password: &str, project: Option<&str>) -> Value {
    let domain = json!({"id": "default"});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": {
        "name": name, "domain": domain, "password": password,
    }}}});
    if let Some(project) = project {
        auth["scope"] = json!({"project": {"name": project, "domain": domain}});
    }
    auth
}
