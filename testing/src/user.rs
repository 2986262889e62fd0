//! Somebody with a token, and what the cloud answers.

use http::{Method, StatusCode};
use serde_json::{Value, json};

/// A logged-in user. Cheap to clone.
#[derive(Clone)]
pub struct User {
    http: reqwest::Client,
    /// Of the front door.
    pub url: String,
    pub token: String,
    pub user_id: String,
    pub project_id: String,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// `null` when there was no JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    async fn of(answer: reqwest::Result<reqwest::Response>) -> Self {
        let answer = answer.expect("the cloud answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// The body, if the status is the one expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// The message of a fault, in any service's shape, if the status is the one expected.
    #[track_caller]
    pub fn fault(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let inner = self.body.as_object().and_then(|body| body.values().next());
        let message = inner.and_then(|fault| fault["message"].as_str());
        message
            .or_else(|| self.body["message"].as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

impl User {
    /// Logs in with name and password, both in the domain `Default`.
    ///
    /// # Panics
    /// When the cloud refuses.
    pub async fn log_in(url: &str, user: &str, password: &str, project: &str) -> Self {
        let refused = |answer: Answer| panic!("{user} cannot log in: {}", answer.text);
        Self::try_log_in(url, user, password, project)
            .await
            .unwrap_or_else(refused)
    }

    /// The same, or the refusal.
    ///
    /// # Errors
    /// What the cloud answers instead of a token.
    pub async fn try_log_in(
        url: &str,
        user: &str,
        password: &str,
        project: &str,
    ) -> Result<Self, Answer> {
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": domain, "password": password,
            }}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let http = reqwest::Client::new();
        let asked = http
            .post(format!("{url}/identity/v3/auth/tokens"))
            .json(&body);
        let answer = Answer::of(asked.send().await).await;
        let Some(token) = answer.headers.get("x-subject-token") else {
            return Err(answer);
        };
        let token = token.to_str().expect("a token is ASCII").to_owned();
        let document = &answer.body;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Ok(User {
            http,
            url: url.to_owned(),
            token,
            user_id: text(&document["token"]["user"]["id"]),
            project_id: text(&document["token"]["project"]["id"]),
        })
    }

    /// Any request; `path` begins with the service: `/compute/v2.1/servers`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header("x-auth-token", &self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await).await
    }

    /// A request to compute (`/servers…`) at a microversion.
    pub async fn compute(
        &self,
        version: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let version = format!("compute {version}");
        let headers = [("openstack-api-version", version.as_str())];
        self.send(method, &format!("/compute/v2.1{path}"), &headers, body)
            .await
    }

    /// Asks compute for a server, at the newest version.
    pub async fn asks_for_server(&self, body: &Value) -> Answer {
        self.compute("latest", Method::POST, "/servers", Some(body))
            .await
    }

    /// `GET` of any service.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// `GET` of what has no end: the answer, whose body is read as it comes.
    ///
    /// # Panics
    /// Nobody answers.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .header("x-auth-token", &self.token);
        request.send().await.expect("the cloud answers")
    }

    /// `POST` to any service.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// `PUT` to any service.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// `PATCH` of an image, with operations of a JSON patch.
    pub async fn patch(&self, path: &str, operations: &Value) -> Answer {
        let kind = "application/openstack-images-v2.1-json-patch";
        let request = self
            .http
            .patch(format!("{}{path}", self.url))
            .header("x-auth-token", &self.token)
            .header("content-type", kind);
        Answer::of(request.body(operations.to_string()).send().await).await
    }

    /// `DELETE` of any service.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// The same user with another token.
    pub fn with_token(&self, token: &str) -> Self {
        User {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// A `POST` of bytes that need not be JSON.
    pub async fn post_text(&self, path: &str, text: &str) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request
            .header("x-auth-token", &self.token)
            .header("content-type", "application/json");
        Answer::of(request.body(text.to_owned()).send().await).await
    }

    /// A public flavor of this name and id, made once, by an administrator: 64 MiB, one processor, and so many GiB.
    pub async fn flavor(&self, name: &str, disk: u64) {
        let flavor = json!({"id": name, "name": name, "ram": 64, "vcpus": 1, "disk": disk});
        let body = json!({"flavor": flavor});
        let made = self.post("/compute/v2.1/flavors", &body).await;
        assert!(made.status == 200 || made.status == 409, "{}", made.text);
    }

    /// The answer to an upload into a new image, and the image's id.
    pub async fn upload(&self, format: &str, data: Vec<u8>) -> (Answer, String) {
        let body = json!({"name": format, "disk_format": format, "container_format": "bare"});
        let made = self.post("/image/v2/images", &body).await.expect(201);
        let id = made["id"].as_str().expect("an id").to_owned();
        let request = self
            .http
            .put(format!("{}/image/v2/images/{id}/file", self.url))
            .header("x-auth-token", &self.token)
            .header("content-type", "application/octet-stream");
        (Answer::of(request.body(data).send().await).await, id)
    }

    /// A network of this name with a subnet of this range; its id.
    pub async fn network(&self, name: &str, cidr: &str) -> String {
        let body = json!({"network": {"name": name}});
        let made = self.post("/network/v2.0/networks", &body).await.expect(201);
        let id = made["network"]["id"].as_str().expect("an id").to_owned();
        let body = json!({"subnet": {"network_id": id, "cidr": cidr, "ip_version": 4}});
        self.post("/network/v2.0/subnets", &body).await.expect(201);
        id
    }

    /// An image with these bytes; its id.
    pub async fn image(&self, format: &str, data: Vec<u8>) -> String {
        let (answer, id) = self.upload(format, data).await;
        answer.expect(204);
        id
    }

    /// A raw image of one MiB with these properties; its id.
    pub async fn image_with(&self, properties: &Value) -> String {
        let id = self.image("raw", vec![0; 1 << 20]).await;
        self.set_properties(&id, properties).await;
        id
    }

    /// Gives an image more properties.
    ///
    /// # Panics
    /// They are no object, or Glance refuses them.
    pub async fn set_properties(&self, image: &str, properties: &Value) {
        let properties = properties.as_object().expect("an object");
        let add = |(name, value)| json!({"op": "add", "path": format!("/{name}"), "value": value});
        let patch = Value::Array(properties.iter().map(add).collect());
        let path = format!("/image/v2/images/{image}");
        self.patch(&path, &patch).await.expect(200);
    }
}
