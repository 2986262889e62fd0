//! Callers at once, on every engine: no quota is passed. And texts that not every engine keeps.

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use crate::cloud::{ADMIN, Cloud, DEMO};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quotas_hold_for_callers_at_once() {
    for cloud in Cloud::all().await {
        let quota = json!({"quota": {"network": 3, "router": 3}});
        cloud.put(ADMIN, "/v2.0/quotas/p-demo", quota).await;
        for (one, many) in [("network", "networks"), ("router", "routers")] {
            let path = format!("/v2.0/{many}");
            let asked = (0..12).map(|number| {
                let body = json!({one: {"name": format!("n{number}")}});
                cloud.raw(DEMO, Method::POST, &path, Some(body))
            });
            let answers = join_all(asked).await;
            let made = answers
                .iter()
                .filter(|answer| answer.0 == StatusCode::CREATED);
            assert_eq!(made.count(), 3, "{many}");
            for (status, answer) in &answers {
                let fine = [StatusCode::CREATED, StatusCode::CONFLICT].contains(status);
                assert!(fine, "{status}: {answer}");
            }
        }
        let listed = cloud.get(ADMIN, "/v2.0/quotas").await;
        assert_eq!(
            listed["quotas"].as_array().map(Vec::len),
            Some(1),
            "{listed}"
        );
    }
}

#[tokio::test]
async fn a_nul_is_refused_with_the_name_of_its_field() {
    for cloud in Cloud::all().await {
        let body = json!({"network": {"name": "a\u{0}b"}});
        let asked = [
            (Method::POST, "/v2.0/networks", Some(body), "network.name"),
            (Method::GET, "/v2.0/networks?name=a%00b", None, "name"),
            (Method::GET, "/v2.0/networks/a%00b", None, "path"),
        ];
        for (method, path, body, field) in asked {
            let (status, answer) = cloud.raw(DEMO, method, path, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
            let text = answer["NeutronError"]["message"].to_string();
            assert!(
                text.contains(&format!("field/attribute {field}.")),
                "{text}"
            );
        }
    }
}
