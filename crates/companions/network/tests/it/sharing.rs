//! Networks, pools and scopes that several projects use: policies of RBAC, external networks.

use http::Method;
use serde_json::{Value, json};
use sql::sea_orm::{ConnectionTrait, Statement};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, text};

#[tokio::test]
async fn strangers_see_only_what_is_shared_or_external() {
    for cloud in Cloud::all().await {
        let private = cloud
            .make(DEMO, "networks", json!({"name": "private"}))
            .await;
        let (external, _) = cloud.external("203.0.113.0/24").await;
        let shared = cloud
            .make(ADMIN, "networks", json!({"name": "shared", "shared": true}))
            .await;
        let seen = cloud.list(OTHER, "networks", "").await;
        let names: Vec<_> = seen
            .iter()
            .map(|network| network["name"].as_str())
            .collect();
        assert!(
            names.contains(&Some("ext")) && names.contains(&Some("shared")) && names.len() == 2,
            "{names:?}"
        );
        let path = format!("/v2.0/networks/{}", private["id"].as_str().expect("id"));
        assert_eq!(
            cloud.refused(OTHER, Method::GET, &path, None, 404).await,
            "NetworkNotFound"
        );
        // Seen, but not theirs.
        assert_eq!(
            cloud
                .not_removed(OTHER, "networks", &shared["id"], 403)
                .await,
            "PolicyNotAuthorized"
        );
        assert!(
            cloud.list(OTHER, "subnets", "").await.is_empty(),
            "an external network's subnets stay hidden"
        );
        cloud
            .make(OTHER, "ports", json!({"network_id": shared["id"]}))
            .await;
        let unshare = json!({"network": {"shared": false}});
        let path = format!("/v2.0/networks/{}", shared["id"].as_str().expect("id"));
        assert_eq!(
            cloud
                .refused(ADMIN, Method::PUT, &path, Some(unshare), 409)
                .await,
            "InvalidSharedSetting"
        );
        assert_eq!(external["router:external"], true);
    }
}

#[tokio::test]
async fn an_rbac_policy_shares_a_network_with_one_project() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let body = json!({
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": "p-other",
        });
        let policy = cloud.make(DEMO, "rbac-policies", body.clone()).await;
        assert_eq!(
            cloud.not_made(DEMO, "rbac-policies", body, 409).await,
            "DuplicateRbacPolicy"
        );
        assert_eq!(
            cloud.show(OTHER, "networks", &network["id"]).await["shared"],
            true
        );
        let port = cloud
            .make(OTHER, "ports", json!({"network_id": network["id"]}))
            .await;
        assert_eq!(
            cloud
                .not_removed(DEMO, "rbac-policies", &policy["id"], 409)
                .await,
            "RbacPolicyInUse"
        );
        cloud.remove(OTHER, "ports", &port["id"]).await;
        cloud.remove(DEMO, "rbac-policies", &policy["id"]).await;
        assert!(cloud.list(OTHER, "networks", "").await.is_empty());
        let all = json!({
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared", "target_tenant": "*",
        });
        assert_eq!(
            cloud.not_made(DEMO, "rbac-policies", all, 403).await,
            "PolicyNotAuthorized"
        );
    }
}

#[tokio::test]
async fn a_member_opens_its_network_to_the_routers_of_one_project() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let policy = |target: &str| {
            json!({"object_type": "network", "object_id": network["id"],
                "action": "access_as_external", "target_tenant": target})
        };
        let all = cloud.not_made(DEMO, "rbac-policies", policy("*"), 403);
        assert_eq!(all.await, "PolicyNotAuthorized");
        cloud
            .not_made(OTHER, "rbac-policies", policy("p-other"), 404)
            .await;
        let made = cloud.make(DEMO, "rbac-policies", policy("p-other")).await;
        let seen = cloud.show(OTHER, "networks", &network["id"]).await;
        assert_eq!(seen["router:external"], true);
        let router = json!({"external_gateway_info": {"network_id": network["id"]}});
        let router = cloud.make(OTHER, "routers", router).await;
        let kept = cloud.not_removed(DEMO, "rbac-policies", &made["id"], 409);
        assert_eq!(kept.await, "RbacPolicyInUse");
        cloud.remove(OTHER, "routers", &router["id"]).await;
        cloud.remove(DEMO, "rbac-policies", &made["id"]).await;
        let path = format!("/v2.0/networks/{}", text(&network["id"]));
        cloud.refused(OTHER, Method::GET, &path, None, 404).await;
    }
}

/// Policies that make this host the way out of a network.
async fn uplinks(cloud: &Cloud, network: &Value) -> i64 {
    let text = format!(
        "SELECT COUNT(*) AS n FROM net_rbac_policies WHERE object_id = '{}' AND uplink = TRUE",
        text(&network["id"])
    );
    let db = cloud.networks.database().read();
    let statement = Statement::from_string(db.get_database_backend(), text);
    let row = db.query_one_raw(statement).await.expect("the database");
    row.expect("a row").try_get("", "n").expect("a number")
}

#[tokio::test]
async fn the_host_is_the_way_out_of_a_network_while_an_operator_says_so() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let policy = |target: &str| {
            json!({"object_type": "network", "object_id": network["id"],
                "action": "access_as_external", "target_tenant": target})
        };
        let external = async |external: bool| {
            let body = json!({"router:external": external});
            cloud.change(ADMIN, "networks", &network["id"], body).await;
        };
        cloud.make(DEMO, "rbac-policies", policy("p-other")).await;
        assert_eq!(uplinks(&cloud, &network).await, 0);
        // An operator makes it external to all, and takes that back.
        for by_policy in [true, false] {
            let made = match by_policy {
                true => cloud.make(ADMIN, "rbac-policies", policy("*")).await["id"].clone(),
                false => {
                    external(true).await;
                    Value::Null
                }
            };
            assert_eq!(uplinks(&cloud, &network).await, 1);
            match by_policy {
                true => cloud.remove(ADMIN, "rbac-policies", &made).await,
                false => external(false).await,
            }
            assert_eq!(uplinks(&cloud, &network).await, 0);
            let seen = cloud.show(OTHER, "networks", &network["id"]).await;
            assert_eq!(seen["router:external"], true, "by the member's policy");
        }
    }
}

#[tokio::test]
async fn a_policy_of_an_external_network_stays_while_a_project_needs_it() {
    for cloud in Cloud::all().await {
        let network = cloud.make(ADMIN, "networks", json!({"name": "x"})).await;
        let subnet = json!({"network_id": network["id"], "cidr": "198.51.100.0/24", "ip_version": 4,
            "enable_dhcp": false});
        cloud.make(ADMIN, "subnets", subnet).await;
        let policy = |target: &str| {
            json!({"object_type": "network", "object_id": network["id"],
                "action": "access_as_external", "target_tenant": target})
        };
        let all = cloud.make(ADMIN, "rbac-policies", policy("*")).await;
        let router = json!({"external_gateway_info": {"network_id": network["id"]}});
        cloud.make(DEMO, "routers", router).await;
        let in_use = async |id: &Value| {
            let kind = cloud.not_removed(ADMIN, "rbac-policies", id, 409).await;
            assert_eq!(kind, "RbacPolicyInUse");
        };
        in_use(&all["id"]).await;
        let own = cloud.make(ADMIN, "rbac-policies", policy("p-demo")).await;
        cloud.remove(ADMIN, "rbac-policies", &all["id"]).await;
        in_use(&own["id"]).await;
        let all = cloud.make(ADMIN, "rbac-policies", policy("*")).await;
        cloud.remove(ADMIN, "rbac-policies", &own["id"]).await;
        let target = json!({"target_tenant": "p-demo"});
        cloud
            .change(ADMIN, "rbac-policies", &all["id"], target)
            .await;
        in_use(&all["id"]).await;
    }
}

#[tokio::test]
async fn the_default_external_network_stays_open_to_all() {
    for cloud in Cloud::all().await {
        let network = json!({"name": "x", "router:external": true, "is_default": true});
        let network = cloud.make(ADMIN, "networks", network).await;
        let policies = format!("object_id={}", text(&network["id"]));
        let policies = cloud.list(ADMIN, "rbac-policies", &policies).await;
        let kind = cloud
            .not_removed(ADMIN, "rbac-policies", &policies[0]["id"], 409)
            .await;
        assert_eq!(kind, "RbacPolicyInUse");
        let usual = json!({"is_default": false});
        cloud.change(ADMIN, "networks", &network["id"], usual).await;
        cloud
            .remove(ADMIN, "rbac-policies", &policies[0]["id"])
            .await;
    }
}

#[tokio::test]
async fn sharing_what_somebody_else_owns_is_refused_and_what_nobody_shows_is_not_found() {
    for cloud in Cloud::all().await {
        let named = json!({"name": "x"});
        let network = cloud.make(DEMO, "networks", named.clone()).await;
        let group = cloud.make(DEMO, "security-groups", named).await;
        let scope = json!({"name": "x", "ip_version": 4});
        let scope = cloud.make(DEMO, "address-scopes", scope).await;
        let pool = json!({"name": "x", "prefixes": ["10.0.0.0/16"]});
        let pool = cloud.make(DEMO, "subnetpools", pool).await;
        for (kind, object) in [
            ("network", &network),
            ("security_group", &group),
            ("address_scope", &scope),
            ("subnetpool", &pool),
        ] {
            let policy = |target: &str| {
                json!({"object_type": kind, "object_id": object["id"],
                    "action": "access_as_shared", "target_tenant": target})
            };
            cloud
                .not_made(OTHER, "rbac-policies", policy("p-third"), 404)
                .await;
            cloud.make(DEMO, "rbac-policies", policy("p-other")).await;
            cloud
                .not_made(OTHER, "rbac-policies", policy("p-third"), 400)
                .await;
        }
        let everybody = json!({"name": "x", "ip_version": 4, "shared": true});
        let everybody = cloud.make(ADMIN, "address-scopes", everybody).await;
        let policy = json!({"object_type": "address_scope", "object_id": everybody["id"],
            "action": "access_as_shared", "target_tenant": "p-third"});
        cloud.not_made(OTHER, "rbac-policies", policy, 400).await;
    }
}

#[tokio::test]
async fn subnets_are_found_by_whether_their_network_is_shared() {
    for cloud in Cloud::all().await {
        let (_, own) = cloud.net("10.0.0.0/24").await;
        let shared = json!({"name": "s", "shared": true});
        let network = cloud.make(ADMIN, "networks", shared).await;
        let subnet = json!({"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4});
        let open = cloud.make(ADMIN, "subnets", subnet).await;
        let found = async |query: &str| -> Vec<Value> {
            let all = cloud.list(DEMO, "subnets", query).await;
            all.into_iter().map(|one| one["id"].clone()).collect()
        };
        assert_eq!(found("shared=True").await, [open["id"].clone()]);
        assert_eq!(found("shared=False").await, [own["id"].clone()]);
        assert!(own.get("shared").is_none(), "subnets do not show it");
        let subnet = json!({"network_id": network["id"], "cidr": "10.2.0.0/24", "shared": true});
        cloud.not_made(ADMIN, "subnets", subnet, 400).await;
    }
}

#[tokio::test]
async fn a_policy_that_somebody_lives_on_stays_and_others_change() {
    for cloud in Cloud::all().await {
        let group = cloud
            .make(DEMO, "security-groups", json!({"name": "g"}))
            .await;
        let scope = json!({"name": "s", "ip_version": 4});
        let scope = cloud.make(DEMO, "address-scopes", scope).await;
        let pool = json!({"name": "p", "prefixes": ["10.0.0.0/16"], "default_prefixlen": 24});
        let pool = cloud.make(DEMO, "subnetpools", pool).await;
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let mut policies = Vec::new();
        for (kind, object) in [
            ("security_group", &group),
            ("address_scope", &scope),
            ("subnetpool", &pool),
            ("network", &network),
        ] {
            let policy = json!({"object_type": kind, "object_id": object["id"], "action": "access_as_shared",
                                "target_tenant": "p-other"});
            let made = cloud.make(DEMO, "rbac-policies", policy.clone()).await;
            let mut second = policy;
            second["target_tenant"] = json!("p-third");
            let second = cloud.make(DEMO, "rbac-policies", second).await;
            let path = format!("/v2.0/rbac-policies/{}", text(&second["id"]));
            let same = json!({"rbac_policy": {"target_tenant": "p-other"}});
            let twice = cloud
                .refused(DEMO, Method::PUT, &path, Some(same), 409)
                .await;
            assert_eq!(twice, "DuplicateRbacPolicy", "{kind}");
            policies.push((kind, made));
        }
        let port = json!({"network_id": network["id"], "security_groups": [group["id"]]});
        let port = cloud.make(OTHER, "ports", port).await;
        let own = cloud.make(OTHER, "networks", json!({})).await;
        let subnet = json!({"network_id": own["id"], "subnetpool_id": pool["id"], "ip_version": 4});
        let subnet = cloud.make(OTHER, "subnets", subnet).await;
        let within =
            json!({"name": "q", "prefixes": ["10.9.0.0/16"], "address_scope_id": scope["id"]});
        let within = cloud.make(OTHER, "subnetpools", within).await;
        for (kind, policy) in &policies {
            let kept = cloud
                .not_removed(DEMO, "rbac-policies", &policy["id"], 409)
                .await;
            assert_eq!(kept, "RbacPolicyInUse", "{kind}");
            let path = format!("/v2.0/rbac-policies/{}", text(&policy["id"]));
            let away = json!({"rbac_policy": {"target_tenant": "p-fourth"}});
            let kept = cloud
                .refused(DEMO, Method::PUT, &path, Some(away), 409)
                .await;
            assert_eq!(kept, "RbacPolicyInUse", "{kind}");
        }
        let (_, first) = &policies[0];
        let all = json!({"target_tenant": "*"});
        cloud
            .change(ADMIN, "rbac-policies", &first["id"], all)
            .await;
        cloud.remove(OTHER, "ports", &port["id"]).await;
        cloud.remove(OTHER, "subnets", &subnet["id"]).await;
        cloud.remove(OTHER, "subnetpools", &within["id"]).await;
        for (_, policy) in &policies {
            cloud.remove(DEMO, "rbac-policies", &policy["id"]).await;
        }
    }
}
