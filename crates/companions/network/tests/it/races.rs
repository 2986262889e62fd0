//! Callers at once, on every engine: no quota is passed, and nothing leads to a port that is gone. And texts that not
//! every engine keeps.

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, text};

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

/// A network behind a router to an external one: both networks and a subnet inside.
async fn behind_a_router(cloud: &Cloud) -> (Value, Value) {
    let (external, _) = cloud.external("203.0.113.0/24").await;
    let (network, subnet) = cloud.net("10.0.0.0/24").await;
    let gateway = json!({"external_gateway_info": {"network_id": external["id"]}});
    let router = cloud.make(DEMO, "routers", gateway).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
    let body = json!({"subnet_id": subnet["id"]});
    cloud.put(DEMO, &path, body).await;
    (external, network)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_floating_address_is_not_left_on_a_port_or_an_address_that_goes() {
    for cloud in Cloud::all().await {
        let (external, network) = behind_a_router(&cloud).await;
        let floating = json!({"floating_network_id": external["id"]});
        let floating = cloud.make(DEMO, "floatingips", floating).await;
        let path = format!("/v2.0/floatingips/{}", text(&floating["id"]));
        for number in 0..24 {
            let port = json!({"network_id": network["id"]});
            let port = cloud.make(DEMO, "ports", port).await;
            let tied = json!({"floatingip": {"port_id": port["id"]}});
            let at = format!("/v2.0/ports/{}", text(&port["id"]));
            let goes = match number % 2 {
                0 => cloud.raw(DEMO, Method::DELETE, &at, None),
                _ => {
                    let none = json!({"port": {"fixed_ips": []}});
                    cloud.raw(DEMO, Method::PUT, &at, Some(none))
                }
            };
            let ties = cloud.raw(DEMO, Method::PUT, &path, Some(tied));
            let ((ties, answer), (gone, why)) = tokio::join!(ties, goes);
            assert!(gone.is_success(), "{gone}: {why}");
            // Gone already, or without its addresses already.
            assert!([200, 400, 404].contains(&ties.as_u16()), "{ties}: {answer}");
            let left = cloud.show(DEMO, "floatingips", &floating["id"]).await;
            assert_eq!(left["port_id"], Value::Null, "{number}: {left}");
        }
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
