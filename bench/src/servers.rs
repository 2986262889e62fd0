//! Building servers as a user does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cloud::Bench;

/// Pause between two looks at a server that is being built.
const LOOK: Duration = Duration::from_millis(2);

/// The administrator with an image and a flavor.
#[derive(Clone)]
pub struct User {
    http: reqwest::Client,
    url: String,
    pub token: String,
    pub project: String,
    image: String,
}

/// Logs in and makes what servers need.
pub async fn prepare(bench: &Bench) -> Result<User> {
    let secrets = std::fs::read_to_string(bench.file("keys/secrets.json"))?;
    let secrets: Value = serde_json::from_str(&secrets)?;
    let domain = json!({"name": "Default"});
    let login = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": domain, "password": secrets["admin_password"],
        }}},
        "scope": {"project": {"name": "admin", "domain": domain}},
    }});
    let http = reqwest::Client::new();
    let url = bench.url();
    let answer = http
        .post(format!("{url}/identity/v3/auth/tokens"))
        .json(&login)
        .send()
        .await?;
    let token = answer
        .headers()
        .get("x-subject-token")
        .context("no token")?;
    let mut user = User {
        http,
        token: token.to_str()?.to_owned(),
        url,
        project: String::new(),
        image: String::new(),
    };
    let flavor = json!({"flavor": {"id": "b", "name": "b", "ram": 64, "vcpus": 1, "disk": 1}});
    user.post("/compute/v2.1/flavors", &flavor).await?;
    let image = json!({"name": "b", "disk_format": "raw", "container_format": "bare"});
    let made = user.post("/image/v2/images", &image).await?;
    user.image = made["id"].as_str().context("no image")?.to_owned();
    let file = format!("{}/image/v2/images/{}/file", user.url, user.image);
    let sent = user
        .http
        .put(file)
        .header("x-auth-token", &user.token)
        .header("content-type", "application/octet-stream")
        .body(vec![0u8; 1 << 20])
        .send()
        .await?;
    sent.error_for_status()?;
    let network = json!({"network": {"name": "b"}});
    let made = user.post("/network/v2.0/networks", &network).await?;
    let subnet = json!({"subnet": {
        "network_id": made["network"]["id"], "ip_version": 4, "cidr": "10.0.0.0/16",
    }});
    user.post("/network/v2.0/subnets", &subnet).await?;
    let quota = json!({"quota": {"port": -1}});
    user.project = user.project_of_token().await?;
    let path = format!("/network/v2.0/quotas/{}", user.project);
    user.send(reqwest::Method::PUT, &path, Some(&quota)).await?;
    let quota = json!({"quota_set": {"volumes": -1, "gigabytes": -1}});
    let path = format!("/volume/v3/{0}/os-quota-sets/{0}", user.project);
    user.send(reqwest::Method::PUT, &path, Some(&quota)).await?;
    Ok(user)
}

impl User {
    async fn project_of_token(&self) -> Result<String> {
        let answer = self
            .http
            .get(format!("{}/identity/v3/auth/tokens", self.url))
            .header("x-auth-token", &self.token)
            .header("x-subject-token", &self.token)
            .send()
            .await?;
        let token: Value = serde_json::from_str(&answer.text().await?)?;
        let id = token["token"]["project"]["id"].as_str();
        Ok(id.context("no project")?.to_owned())
    }

    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header("x-auth-token", &self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{path}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    /// A server with a port on the only network; its id and the time from the request to ACTIVE.
    pub async fn boot(&self, name: &str) -> Result<(String, Duration)> {
        let body = json!({"server": {"name": name, "flavorRef": "b", "imageRef": self.image}});
        let started = Instant::now();
        let made = self.post("/compute/v2.1/servers", &body).await?;
        let id = made["server"]["id"].as_str().context("no id")?.to_owned();
        let path = format!("/compute/v2.1/servers/{id}");
        loop {
            let shown = self.send(reqwest::Method::GET, &path, None).await?;
            match shown["server"]["status"].as_str() {
                Some("ACTIVE") => return Ok((id, started.elapsed())),
                Some("ERROR") => bail!("in error: {}", shown["server"]["fault"]),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Many servers, `at_once` being built at any time; how long all of them took.
    pub async fn boot_many(
        &self,
        name: &str,
        count: usize,
        at_once: usize,
    ) -> Result<(Vec<String>, Duration)> {
        let turns = Arc::new(Semaphore::new(at_once));
        let started = Instant::now();
        let mut builds = JoinSet::new();
        for number in 0..count {
            let (user, turns, name) = (self.clone(), turns.clone(), format!("{name}-{number}"));
            builds.spawn(async move {
                let _turn = turns.acquire().await?;
                anyhow::Ok(user.boot(&name).await?.0)
            });
        }
        let mut ids = Vec::with_capacity(count);
        while let Some(built) = builds.join_next().await {
            ids.push(built??);
        }
        Ok((ids, started.elapsed()))
    }

    /// Deletes a server; does not wait.
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.send(
            reqwest::Method::DELETE,
            &format!("/compute/v2.1/servers/{id}"),
            None,
        )
        .await?;
        Ok(())
    }
}
