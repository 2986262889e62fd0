//! Secrets of the volume service: the key of a transfer.

use http::Method;
use serde_json::{Value, json};
use testing::canaries::Canaries;
use testing::until;

use super::life::{log_in, refused, text};
use crate::process::Process;

/// A volume that is handed over twice: with a wrong key, then with the right one.
pub async fn volumes(process: &Process, canaries: &mut Canaries) {
    let demo = log_in(process, "demo", canaries).await;
    let admin = log_in(process, "admin", canaries).await;
    let volumes = format!("/volume/v3/{}/volumes", demo.project_id);
    let body = json!({"volume": {"size": 1}});
    let id = text(&demo.post(&volumes, &body).await.expect(202)["volume"]["id"]);
    let volume = format!("{volumes}/{id}");
    until("the volume is made", || async {
        let shown = demo.get(&volume).await.expect(200);
        (shown["volume"]["status"] == "available").then_some(())
    })
    .await;
    let transfers = format!("/volume/v3/{}/os-volume-transfer", demo.project_id);
    let body = json!({"transfer": {"volume_id": id, "name": "canary"}});
    let made = demo.post(&transfers, &body).await.expect(202);
    let transfer = text(&made["transfer"]["id"]);
    canaries.learn("key of a transfer", &text(&made["transfer"]["auth_key"]));

    let wrong = canaries.seed("secret of a request that is refused");
    let accept = format!("{transfers}/{transfer}/accept");
    for auth_key in [json!(wrong), json!([wrong]), Value::Null] {
        let body = json!({"accept": {"auth_key": auth_key, "odd": wrong}});
        let answer = admin.post(&accept, &body).await;
        refused("a wrong key of a transfer", &answer, canaries);
        let body = json!({"accept": {"auth_key": auth_key}});
        let answer = admin.post(&accept, &body).await;
        refused("a wrong key of a transfer", &answer, canaries);
    }
    for path in [
        format!("{transfers}/detail"),
        format!("{transfers}/{transfer}"),
        volume,
    ] {
        let answer = demo.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        canaries.heard(&path, &answer);
    }
    let right = json!({"accept": {"auth_key": made["transfer"]["auth_key"]}});
    let other = format!("/volume/v3/{}/os-volume-transfer", admin.project_id);
    let taken = admin
        .post(&format!("{other}/{transfer}/accept"), &right)
        .await;
    canaries.heard("a volume that was taken", &taken);
    taken.expect(202);
    let volumes = format!("/volume/v3/{}/volumes", admin.project_id);
    let gone = admin
        .send(Method::DELETE, &format!("{volumes}/{id}"), &[], None)
        .await;
    gone.expect(202);
}
