//! Volumes of users.

use serde_json::{Value, json};

use crate::{User, until};

impl User {
    /// The path of its project's volumes.
    pub fn volumes(&self) -> String {
        format!("/volume/v3/{}/volumes", self.project_id)
    }

    /// The volumes of its project, in detail.
    pub async fn all_volumes(&self) -> Vec<Value> {
        let path = format!("{}/detail", self.volumes());
        let mut list = self.get(&path).await.expect(200);
        match list["volumes"].take() {
            Value::Array(volumes) => volumes,
            other => panic!("no list of volumes: {other}"),
        }
    }

    /// A volume as asked for, when it can be used; its id.
    pub async fn volume(&self, wanted: Value) -> String {
        let body = json!({ "volume": wanted });
        let made = self.post(&self.volumes(), &body).await.expect(202);
        let id = made["volume"]["id"].as_str().expect("an id").to_owned();
        self.volume_is(&id, "available").await;
        id
    }

    /// Waits until a volume has this status; the volume.
    pub async fn volume_is(&self, id: &str, status: &str) -> Value {
        let path = format!("{}/{id}", self.volumes());
        until(&format!("the volume is {status}"), || async {
            let shown = self.get(&path).await.expect(200)["volume"].take();
            (shown["status"] == status).then_some(shown)
        })
        .await
    }
}
