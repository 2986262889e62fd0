//! Many callers at once, on every database engine: no limit is passed, no change is lost. And texts
//! that not every engine keeps.

use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, PROJECT, message};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUgh7W6KgMJWcEhOrZ+IMiKPo09/GUIuM5UGTpFwzLc somebody";

/// How many callers there are at once.
const CROWD: usize = 12;

/// Lets a crowd of members make things of which `limit` are allowed; how many were made.
async fn crowd(cloud: &Cloud, path: &str, body: impl Fn(usize) -> Value) -> usize {
    let asked = (0..CROWD).map(|number| cloud.post("member", 64, path, body(number)));
    let answers = join_all(asked).await;
    for (code, answer) in &answers {
        let expected = code.is_success() || *code == StatusCode::FORBIDDEN;
        assert!(expected, "{code}: {answer}");
    }
    answers.iter().filter(|(code, _)| code.is_success()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quotas_hold_for_callers_at_once() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        let quota = json!({"quota_set": {"key_pairs": 3, "server_groups": 3}});
        let path = format!("/os-quota-sets/{PROJECT}");
        assert_eq!(cloud.put("admin", 1, &path, quota).await.0, StatusCode::OK);
        let keys = crowd(
            &cloud,
            "/os-keypairs",
            |number| json!({"keypair": {"name": format!("k{number}"), "public_key": KEY, "type": "ssh"}}),
        );
        assert_eq!(keys.await, 3, "{engine:?}: key pairs");
        let groups = crowd(
            &cloud,
            "/os-server-groups",
            |number| json!({"server_group": {"name": format!("g{number}"), "policy": "affinity"}}),
        );
        assert_eq!(groups.await, 3, "{engine:?}: server groups");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_two_operators_say_of_a_service_both_holds() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        compute_control::testing::host(&cloud.control, "h").await;
        let (_, listed) = cloud.get("admin", 53, "/os-services").await;
        let id = listed["services"][0]["id"].as_str().expect("an id");
        let path = format!("/os-services/{id}");
        for round in 0..10 {
            let (down, status) = match round % 2 {
                0 => (true, "disabled"),
                _ => (false, "enabled"),
            };
            let (one, other) = tokio::join!(
                cloud.put("admin", 53, &path, json!({"forced_down": down})),
                cloud.put("admin", 53, &path, json!({"status": status})),
            );
            assert_eq!((one.0, other.0), (StatusCode::OK, StatusCode::OK));
            let (_, listed) = cloud.get("admin", 53, "/os-services").await;
            let now = &listed["services"][0];
            assert_eq!(
                (&now["forced_down"], &now["status"]),
                (&json!(down), &json!(status)),
                "{engine:?} round {round}"
            );
        }
    }
}

#[tokio::test]
async fn a_nul_is_refused_with_the_name_of_its_field() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        let key = json!({"keypair": {"name": "a\u{0}b", "public_key": KEY, "type": "ssh"}});
        let group = json!({"server_group": {"name": "g\u{0}", "policy": "affinity"}});
        let refused = [
            (
                cloud.post("member", 64, "/os-keypairs", key).await,
                "keypair.name",
            ),
            (
                cloud.post("member", 64, "/os-server-groups", group).await,
                "server_group.name",
            ),
            (cloud.get("member", 64, "/servers?name=a%00b").await, "name"),
            (cloud.get("member", 64, "/os-keypairs/a%00b").await, "path"),
            (cloud.get("admin", 64, "/os-quota-sets/a%00b").await, "path"),
        ];
        for ((code, answer), field) in refused {
            assert_eq!(code, StatusCode::BAD_REQUEST, "{engine:?}: {answer}");
            let blamed = format!("Invalid input for field/attribute {field}.");
            assert!(
                message(&answer).starts_with(&blamed),
                "{engine:?}: {answer}"
            );
        }
    }
}
