//! An operator's rules, and what the service users of the cloud may.

use http::Method;
use network::Settings;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, SERVICE, text};

async fn with_rules(rules: Value) -> Cloud {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.json");
    std::fs::write(&file, rules.to_string()).expect("written");
    let settings = Settings {
        policy_file: Some(file),
        ..Settings::default()
    };
    Cloud::open(sql::testing::sqlite().await, settings).await
}

#[tokio::test]
async fn rules_that_an_operator_adds_are_asked() {
    let cloud = with_rules(json!({
        "get_network:mtu": "rule:admin_only",
        "create_network:description": "rule:admin_only",
        "update_network:name": "rule:namers",
        "namers": "role:namer",
        "get_subnet": "rule:admin_only",
    }))
    .await;
    let (network, subnet) = cloud.net("10.0.0.0/24").await;
    assert!(network.get("mtu").is_none());
    let seen = cloud.show(DEMO, "networks", &network["id"]).await;
    assert!(seen.get("mtu").is_none(), "{seen}");
    // What is hidden is no filter: nothing can be learned from what it finds.
    let right = cloud.list(DEMO, "networks", "mtu=1500").await;
    assert_eq!(right, cloud.list(DEMO, "networks", "mtu=1400").await);
    assert!(cloud.show(ADMIN, "networks", &network["id"]).await["mtu"].is_number());
    let described = json!({"description": "mine"});
    cloud
        .not_made(DEMO, "networks", described.clone(), 403)
        .await;
    cloud.make(ADMIN, "networks", described).await;
    let path = format!("/v2.0/networks/{}", text(&network["id"]));
    for token in [DEMO, ADMIN] {
        let body = Some(json!({"network": {"name": "other"}}));
        cloud.refused(token, Method::PUT, &path, body, 403).await;
    }
    assert!(cloud.list(DEMO, "subnets", "").await.is_empty());
    let path = format!("/v2.0/subnets/{}", text(&subnet["id"]));
    cloud.refused(DEMO, Method::GET, &path, None, 404).await;
    cloud.refused(DEMO, Method::DELETE, &path, None, 404).await;
    cloud.show(ADMIN, "subnets", &subnet["id"]).await;
}

#[tokio::test]
async fn an_administrator_is_whom_the_rule_says() {
    let cloud =
        with_rules(json!({"context_is_admin": "role:manager and project_id:p-admin"})).await;
    let network = cloud.make(DEMO, "networks", json!({})).await;
    cloud.show(ADMIN, "networks", &network["id"]).await;
    let cloud = with_rules(json!({"context_is_admin": "role:operator"})).await;
    let network = cloud.make(DEMO, "networks", json!({})).await;
    let path = format!("/v2.0/networks/{}", text(&network["id"]));
    cloud.refused(ADMIN, Method::GET, &path, None, 404).await;
}

#[tokio::test]
async fn a_service_works_with_ports_of_all_projects_and_with_nothing_else() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let wanted = json!({
            "network_id": network["id"], "project_id": "p-demo", "device_id": "s",
            "device_owner": "compute:nova", "binding:host_id": "h1",
        });
        let port = cloud.make(SERVICE, "ports", wanted).await;
        assert_eq!(port["binding:host_id"], "h1");
        let bound = json!({"binding:host_id": null, "device_id": "", "device_owner": ""});
        cloud.change(SERVICE, "ports", &port["id"], bound).await;
        assert_eq!(
            cloud
                .list(SERVICE, "ports", "binding:host_id=h9")
                .await
                .len(),
            0
        );
        cloud.show(SERVICE, "networks", &network["id"]).await;
        cloud.show(SERVICE, "subnets", &subnet["id"]).await;
        for (collection, id) in [("networks", &network["id"]), ("subnets", &subnet["id"])] {
            cloud.not_removed(SERVICE, collection, id, 403).await;
        }
        cloud.not_made(SERVICE, "networks", json!({}), 403).await;
        cloud
            .not_made(SERVICE, "security-groups", json!({"name": "x"}), 403)
            .await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        cloud
            .not_removed(SERVICE, "routers", &router["id"], 404)
            .await;
        assert!(cloud.list(OTHER, "ports", "").await.is_empty());
        cloud.remove(SERVICE, "ports", &port["id"]).await;
    }
}
