//! A server as its owner sees it.

use http::Method;
use serde_json::{Value, json};

use crate::{Answer, User, until};

/// A server that was asked for.
#[derive(Clone)]
pub struct Server {
    pub user: User,
    pub id: String,
}

impl User {
    /// The server that the answer to a request for one names.
    pub fn made(&self, answer: &Value) -> Server {
        Server {
            user: self.clone(),
            id: answer["server"]["id"].as_str().expect("an id").to_owned(),
        }
    }
}

impl Server {
    /// The same server as another user sees it.
    pub fn seen_by(&self, user: &User) -> Server {
        Server {
            user: user.clone(),
            id: self.id.clone(),
        }
    }

    /// Its present representation.
    pub async fn show(&self) -> Value {
        let path = format!("/servers/{}", self.id);
        let shown = self.user.compute("latest", Method::GET, &path, None).await;
        shown.expect(200)["server"].take()
    }

    /// Waits for a status. A server that is in error unexpectedly fails the test with its fault.
    pub async fn reaches(&self, status: &str) -> Value {
        until(&format!("{} reaches {status}", self.id), || async {
            let server = self.show().await;
            let idle = server["OS-EXT-STS:task_state"].is_null();
            if server["status"] == status && idle {
                return Some(server);
            }
            assert!(
                server["status"] != "ERROR" || !idle,
                "in error: {}",
                server["fault"]
            );
            None
        })
        .await
    }

    /// Waits until it is in error; the message of its fault.
    pub async fn fails(&self) -> String {
        let server = until(&format!("{} fails", self.id), || async {
            let server = self.show().await;
            let idle = server["OS-EXT-STS:task_state"].is_null();
            (server["status"] == "ERROR" && idle).then_some(server)
        })
        .await;
        let message = server["fault"]["message"].as_str();
        message.expect("a fault says why").to_owned()
    }

    /// The one address that it has on a network.
    pub async fn address(&self, network: &str) -> String {
        let server = self.show().await;
        let addresses = server["addresses"][network].as_array();
        let addresses = addresses.unwrap_or_else(|| panic!("on {network}: {server}"));
        assert_eq!(addresses.len(), 1, "{server}");
        addresses[0]["addr"]
            .as_str()
            .expect("an address")
            .to_owned()
    }

    /// Its last action, with the events, as an administrator sees it.
    pub async fn last_action(&self, admin: &User) -> Value {
        let path = format!("/servers/{}/os-instance-actions", self.id);
        let actions = admin.compute("latest", Method::GET, &path, None).await;
        let actions = actions.expect(200);
        let request = &actions["instanceActions"][0]["request_id"];
        let path = format!("{path}/{}", request.as_str().expect("an id"));
        let action = admin.compute("latest", Method::GET, &path, None).await;
        action.expect(200)["instanceAction"].take()
    }

    /// Its ports, as its owner sees them.
    pub async fn ports(&self) -> Vec<Value> {
        let path = format!("/network/v2.0/ports?device_id={}", self.id);
        let mut ports = self.user.get(&path).await.expect(200);
        serde_json::from_value(ports["ports"].take()).expect("a list")
    }

    /// Waits until it is gone.
    pub async fn vanishes(&self) {
        until(&format!("{} vanishes", self.id), || async {
            let path = format!("/servers/{}", self.id);
            let shown = self.user.compute("2.1", Method::GET, &path, None).await;
            (shown.status == 404).then_some(())
        })
        .await;
    }

    /// Asks for an action.
    pub async fn action(&self, body: Value) -> Answer {
        self.action_at("latest", &body).await
    }

    /// Asks for an action, at a version of the API.
    pub async fn action_at(&self, version: &str, body: &Value) -> Answer {
        let (user, path) = (&self.user, format!("/servers/{}/action", self.id));
        user.compute(version, Method::POST, &path, Some(body)).await
    }

    /// Stops it.
    pub async fn stop(&self) -> &Self {
        self.action(json!({"os-stop": null})).await.expect(202);
        self
    }

    /// Starts it.
    pub async fn start(&self) -> &Self {
        self.action(json!({"os-start": null})).await.expect(202);
        self
    }

    /// Deletes it.
    pub async fn delete(&self) -> &Self {
        let path = format!("/servers/{}", self.id);
        let answer = self.user.compute("2.1", Method::DELETE, &path, None).await;
        answer.expect(204);
        self
    }
}
