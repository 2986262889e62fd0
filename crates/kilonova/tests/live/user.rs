//! A user of the REST APIs.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::cloud::{Site, TIMEOUT, eventually};

const DOOR: &str = "http://127.0.0.1:8774";
/// Compute's microversion, unless a test says another.
const VERSION: &str = "2.90";

/// A user who is logged in.
pub struct User {
    http: Client,
    token: String,
    project: String,
}

impl User {
    /// Logs in with the password that the cloud made.
    pub async fn log_in(state: &Path, name: &str) -> Self {
        let secrets = std::fs::read_to_string(state.join("keys/secrets.json")).unwrap();
        let secrets: Value = serde_json::from_str(&secrets).unwrap();
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": name, "domain": domain, "password": secrets[format!("{name}_password")],
            }}},
            "scope": {"project": {"name": name, "domain": domain}},
        }});
        let http = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let reply = http
            .post(format!("{DOOR}/identity/v3/auth/tokens"))
            .json(&body)
            .send()
            .await
            .unwrap();
        let token = reply.headers()["x-subject-token"]
            .to_str()
            .unwrap()
            .to_owned();
        let document: Value = reply.json().await.unwrap();
        User {
            http,
            token,
            project: text(&document["token"]["project"]["id"]),
        }
    }

    /// Any request; any answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        self.send_at(VERSION, method, path, body).await
    }

    /// The same at a version of compute.
    async fn send_at(
        &self,
        version: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Response {
        let mut request = self
            .http
            .request(method, format!("{DOOR}{path}"))
            .header("x-auth-token", &self.token);
        if path.starts_with("/compute") {
            request = request.header("x-openstack-nova-api-version", version);
        }
        if path.starts_with("/volume") {
            // Paths need no project from here on.
            request = request.header("openstack-api-version", "volume 3.67");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    async fn document(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let reply = self.send(method.clone(), path, body).await;
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.document(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.document(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.document(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) {
        self.document(Method::DELETE, path, None).await;
    }

    /// Gives an image its data.
    pub async fn upload(&self, image: &str, data: Vec<u8>) {
        let reply = self
            .http
            .put(format!("{DOOR}/image/v2/images/{image}/file"))
            .header("x-auth-token", &self.token)
            .header("content-type", "application/octet-stream")
            .body(data)
            .send()
            .await
            .unwrap();
        assert!(
            reply.status().is_success(),
            "{}",
            reply.text().await.unwrap()
        );
    }

    /// Asks for a server of the demo image on the private network; `more` is added to the body.
    pub async fn create(&self, site: &Site, name: &str, more: Value) -> String {
        let mut server = json!({
            "name": name, "imageRef": site.image, "flavorRef": site.flavor, "key_name": "key",
            "networks": [{"uuid": site.private}],
        });
        let members = more.as_object().cloned().unwrap_or_default();
        server.as_object_mut().unwrap().extend(members);
        id(&self
            .post("/compute/v2.1/servers", &json!({"server": server}))
            .await["server"])
    }

    pub async fn server(&self, server: &str) -> Value {
        self.get(&format!("/compute/v2.1/servers/{server}")).await["server"].clone()
    }

    /// Waits for a status without a task; an unexpected ERROR ends the wait.
    pub async fn reaches(&self, server: &str, status: &str) -> Value {
        eventually(
            &format!("server {server} is {status}"),
            TIMEOUT,
            async || {
                let now = self.server(server).await;
                assert!(
                    status == "ERROR" || now["status"] != "ERROR",
                    "the server is in error: {}",
                    now["fault"]
                );
                (now["status"] == status && now["OS-EXT-STS:task_state"].is_null()).then_some(now)
            },
        )
        .await
    }

    pub async fn act(&self, server: &str, action: Value) -> Value {
        self.post(&format!("/compute/v2.1/servers/{server}/action"), &action)
            .await
    }

    /// An action at a version of compute.
    pub async fn act_at(&self, version: &str, server: &str, action: Value) {
        let path = format!("/compute/v2.1/servers/{server}/action");
        let reply = self
            .send_at(version, Method::POST, &path, Some(&action))
            .await;
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {text}");
    }

    /// Deletes a server and waits until it is gone.
    pub async fn remove(&self, server: &str) {
        let path = format!("/compute/v2.1/servers/{server}");
        self.delete(&path).await;
        eventually("the server is gone", TIMEOUT, async || {
            (self.send(Method::GET, &path, None).await.status() == 404).then_some(())
        })
        .await;
    }

    /// The address of a server's first port on its own network.
    pub async fn fixed_ip(&self, server: &str) -> IpAddr {
        let port = self.port(server).await;
        text(&port["fixed_ips"][0]["ip_address"]).parse().unwrap()
    }

    pub async fn port(&self, server: &str) -> Value {
        self.get(&format!("/network/v2.0/ports?device_id={server}"))
            .await["ports"][0]
            .clone()
    }

    /// A floating address that leads to the server.
    pub async fn floating_ip(&self, site: &Site, server: &str) -> IpAddr {
        let port = id(&self.port(server).await);
        let body = json!({"floatingip": {"floating_network_id": site.public, "port_id": port}});
        let made = self.post("/network/v2.0/floatingips", &body).await;
        text(&made["floatingip"]["floating_ip_address"])
            .parse()
            .unwrap()
    }

    /// The demo project's own group.
    pub async fn default_group(&self) -> String {
        let path = format!(
            "/network/v2.0/security-groups?name=default&project_id={}",
            self.project
        );
        id(&self.get(&path).await["security_groups"][0])
    }

    /// Lets TCP in to one port of a group's members, from where `from` says.
    pub async fn open_port(&self, group: &str, port: u16, from: Value) -> String {
        let mut rule = json!({
            "security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_range_min": port, "port_range_max": port,
        });
        rule.as_object_mut()
            .unwrap()
            .extend(from.as_object().cloned().unwrap_or_default());
        let made = self
            .post(
                "/network/v2.0/security-group-rules",
                &json!({"security_group_rule": rule}),
            )
            .await;
        id(&made["security_group_rule"])
    }

    pub async fn close_port(&self, rule: &str) {
        self.delete(&format!("/network/v2.0/security-group-rules/{rule}"))
            .await;
    }

    /// The one-use address of a console.
    pub async fn console(&self, server: &str, protocol: &str, kind: &str) -> String {
        let body = json!({"remote_console": {"protocol": protocol, "type": kind}});
        let made = self
            .post(
                &format!("/compute/v2.1/servers/{server}/remote-consoles"),
                &body,
            )
            .await;
        text(&made["remote_console"]["url"])
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

pub fn id(object: &Value) -> String {
    text(&object["id"])
}
