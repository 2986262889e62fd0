//! The cloud's REST APIs as one user sees them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clients::Service;
use http::Method;
use serde_json::{Value, json};

/// A user who is logged in.
pub struct Api {
    pub compute: Service,
    pub image: Service,
    pub network: Service,
    token: String,
    pub project_id: String,
}

/// What `clouds.yaml` says of a cloud. We wrote the file: its form is known.
struct Account {
    auth_url: String,
    username: String,
    password: String,
    project: String,
}

impl Api {
    /// Logs in as the account that the cloud's `clouds.yaml` names.
    pub async fn log_in(state: &Path, cloud: &str) -> Result<Self> {
        let file = state.join("clouds.yaml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}: is the cloud running?", file.display()))?;
        let account = account(&text, cloud)
            .with_context(|| format!("{}: no cloud {cloud}", file.display()))?;
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": account.username, "domain": domain, "password": account.password,
            }}},
            "scope": {"project": {"name": account.project, "domain": domain}},
        }});
        let identity = Service::http("identity", &account.auth_url);
        let reply = identity
            .send(
                Method::POST,
                "/v3/auth/tokens",
                &[("content-type", "application/json")],
                Bytes::from(body.to_string()),
            )
            .await?
            .accepted()
            .await?;
        let token = reply
            .headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok())
            .context("no token in the answer")?
            .to_owned();
        let document: Value = serde_json::from_slice(&reply.bytes().await?)?;
        let project_id = document["token"]["project"]["id"]
            .as_str()
            .context("no project in the token")?
            .to_owned();
        let url = |kind: &str| endpoint(&document, kind);
        Ok(Api {
            compute: Service::http("compute", &url("compute")?),
            image: Service::http("image", &url("image")?),
            network: Service::http("network", &url("network")?),
            token,
            project_id,
        })
    }

    /// `GET`.
    pub async fn get(&self, service: &Service, path: &str) -> Result<Value> {
        Ok(service.json(Method::GET, path, &self.token, None).await?)
    }

    /// `POST` of a document.
    pub async fn post(&self, service: &Service, path: &str, body: &Value) -> Result<Value> {
        Ok(service
            .json(Method::POST, path, &self.token, Some(body))
            .await?)
    }

    /// `PUT` of a document.
    pub async fn put(&self, service: &Service, path: &str, body: &Value) -> Result<Value> {
        Ok(service
            .json(Method::PUT, path, &self.token, Some(body))
            .await?)
    }

    /// Uploads data.
    pub async fn upload(&self, service: &Service, path: &str, data: Bytes) -> Result<()> {
        let headers = [
            ("x-auth-token", self.token.as_str()),
            ("content-type", "application/octet-stream"),
        ];
        service
            .send(Method::PUT, path, &headers, data)
            .await?
            .accepted()
            .await?;
        Ok(())
    }

    /// Compute at a microversion.
    pub async fn compute_at(&self, version: &str, path: &str, body: &Value) -> Result<Value> {
        let headers = [
            ("x-auth-token", self.token.as_str()),
            ("content-type", "application/json"),
            ("x-openstack-nova-api-version", version),
        ];
        let reply = self
            .compute
            .send(Method::POST, path, &headers, Bytes::from(body.to_string()))
            .await?
            .accepted()
            .await?;
        Ok(serde_json::from_slice(&reply.bytes().await?)?)
    }
}

/// The first of a list that has this name.
pub fn named<'a>(document: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let mut items = document[list].as_array()?.iter();
    items.find(|item| item["name"] == name)
}

/// The id of an object.
pub fn id_of(object: &Value) -> Result<String> {
    match object["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => bail!("an answer without id: {object}"),
    }
}

fn endpoint(document: &Value, kind: &str) -> Result<String> {
    let catalog = document["token"]["catalog"].as_array();
    let service = catalog.and_then(|catalog| catalog.iter().find(|entry| entry["type"] == kind));
    let endpoints = service.and_then(|service| service["endpoints"].as_array());
    let public = endpoints.and_then(|all| all.iter().find(|one| one["interface"] == "public"));
    let url = public.and_then(|endpoint| endpoint["url"].as_str());
    url.map(str::to_owned)
        .with_context(|| format!("the catalog has no {kind} service"))
}

fn account(text: &str, cloud: &str) -> Option<Account> {
    let start = text.find(&format!("  {cloud}:\n"))?;
    let field = |name: &str| {
        let lines = text[start..].lines();
        let mut values = lines.filter_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
        values.next().map(str::to_owned)
    };
    Some(Account {
        auth_url: field("auth_url")?,
        username: field("username")?,
        password: field("password")?,
        project: field("project_name")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_of_the_file_is_found_with_its_own_account() {
        let text = "clouds:\n  kilonova:\n    auth:\n      auth_url: u1\n      username: demo\n      \
                    password: p1\n      project_name: demo\n  kilonova-admin:\n    auth:\n      auth_url: u2\n      \
                    username: admin\n      password: p2\n      project_name: admin\n";
        let admin = account(text, "kilonova-admin").expect("admin");
        assert_eq!(
            (admin.username.as_str(), admin.password.as_str()),
            ("admin", "p2")
        );
        assert_eq!(account(text, "kilonova").expect("demo").password, "p1");
        assert!(account(text, "other").is_none());
    }
}
