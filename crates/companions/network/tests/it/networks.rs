//! Networks: who sees and may do what, sharing, quotas, topologies on demand.

use http::Method;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, READER, text};

#[tokio::test]
async fn versions_are_open_and_everything_else_needs_a_token() {
    for cloud in Cloud::all().await {
        let versions = cloud.ok("", Method::GET, "/", None, 200).await;
        assert_eq!(
            versions["versions"][0]["links"][0]["href"],
            "http://cloud/v2.0/"
        );
        assert_eq!(
            cloud.raw("", Method::GET, "/v2.0/networks", None).await.0,
            401
        );
        assert_eq!(
            cloud
                .raw("nobody", Method::GET, "/v2.0/networks", None)
                .await
                .0,
            401
        );
        let resources = cloud.get(DEMO, "/v2.0/").await;
        assert!(
            resources["resources"]
                .as_array()
                .is_some_and(|all| all.len() > 5)
        );
        assert_eq!(
            cloud
                .refused(DEMO, Method::GET, "/v2.0/colours", None, 404)
                .await,
            "HTTPNotFound"
        );
    }
}

#[tokio::test]
async fn a_network_is_made_shown_changed_and_removed() {
    for cloud in Cloud::all().await {
        let made = cloud
            .make(DEMO, "networks", json!({"name": "a", "description": "d"}))
            .await;
        assert_eq!(made["status"], "ACTIVE");
        assert_eq!(made["tenant_id"], "p-demo");
        assert_eq!(made["project_id"], "p-demo");
        assert_eq!(made["router:external"], false);
        assert_eq!(made["revision_number"], 1);
        assert!(
            made.get("provider:network_type").is_none(),
            "only for admins"
        );
        let changed = cloud
            .change(DEMO, "networks", &made["id"], json!({"name": "b"}))
            .await;
        assert_eq!(
            (&changed["name"], &changed["revision_number"]),
            (&json!("b"), &json!(2))
        );
        let seen = cloud.show(ADMIN, "networks", &made["id"]).await;
        assert_eq!(seen["provider:network_type"], "local");
        cloud.remove(DEMO, "networks", &made["id"]).await;
        assert_eq!(
            cloud.not_removed(DEMO, "networks", &made["id"], 404).await,
            "NetworkNotFound"
        );
    }
}

#[tokio::test]
async fn a_network_with_ports_cannot_go_and_takes_its_dhcp_port_along() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        assert_eq!(
            cloud
                .not_removed(DEMO, "networks", &network["id"], 409)
                .await,
            "NetworkInUse"
        );
        cloud.remove(DEMO, "ports", &port["id"]).await;
        cloud.remove(DEMO, "networks", &network["id"]).await;
        assert!(cloud.list(ADMIN, "ports", "").await.is_empty());
        assert!(cloud.list(ADMIN, "subnets", "").await.is_empty());
    }
}

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
async fn members_may_not_do_what_only_admins_may_and_readers_only_read() {
    for cloud in Cloud::all().await {
        for body in [
            json!({"shared": true}),
            json!({"router:external": true}),
            json!({"provider:network_type": "flat", "provider:physical_network": "x"}),
        ] {
            assert_eq!(
                cloud.not_made(DEMO, "networks", body, 403).await,
                "PolicyNotAuthorized"
            );
        }
        cloud.make(DEMO, "networks", json!({"shared": false})).await;
        assert_eq!(
            cloud
                .not_made(DEMO, "networks", json!({"project_id": "p-other"}), 400)
                .await,
            "HTTPBadRequest"
        );
        assert_eq!(
            cloud.not_made(READER, "networks", json!({}), 403).await,
            "PolicyNotAuthorized"
        );
        assert_eq!(cloud.list(READER, "networks", "").await.len(), 1);
        cloud
            .make(ADMIN, "networks", json!({"tenant_id": "p-other"}))
            .await;
        assert_eq!(cloud.list(OTHER, "networks", "").await.len(), 1);
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
async fn several_networks_are_made_in_one_request_or_none() {
    for cloud in Cloud::all().await {
        let body = json!({"networks": [{"name": "a"}, {"name": "b"}]});
        let made = cloud
            .ok(DEMO, Method::POST, "/v2.0/networks", Some(body), 201)
            .await;
        assert_eq!(made["networks"].as_array().map(Vec::len), Some(2));
        let broken = json!({"networks": [{"name": "c"}, {"mtu": 1501}]});
        cloud
            .ok(DEMO, Method::POST, "/v2.0/networks", Some(broken), 400)
            .await;
        assert_eq!(cloud.list(DEMO, "networks", "").await.len(), 2);
    }
}

#[tokio::test]
async fn quotas_hold_and_can_be_changed() {
    for cloud in Cloud::all().await {
        cloud
            .put(
                ADMIN,
                "/v2.0/quotas/p-demo",
                json!({"quota": {"network": 1}}),
            )
            .await;
        cloud.make(DEMO, "networks", json!({})).await;
        assert_eq!(
            cloud.not_made(DEMO, "networks", json!({}), 409).await,
            "OverQuota"
        );
        let details = cloud.get(DEMO, "/v2.0/quotas/p-demo/details.json").await;
        assert_eq!(
            details["quota"]["network"],
            json!({"limit": 1, "used": 1, "reserved": 0})
        );
        assert_eq!(
            cloud.get(ADMIN, "/v2.0/quotas").await["quotas"][0]["tenant_id"],
            "p-demo"
        );
        let path = "/v2.0/quotas/p-demo";
        let raise = json!({"quota": {"network": 5}});
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, path, Some(raise), 403)
                .await,
            "PolicyNotAuthorized"
        );
        cloud.delete(ADMIN, path).await;
        assert_eq!(cloud.get(DEMO, path).await["quota"]["network"], 100);
        assert_eq!(
            cloud.get(DEMO, "/v2.0/quotas/p-demo/default").await["quota"]["port"],
            500
        );
        cloud.refused(OTHER, Method::GET, path, None, 403).await;
    }
}

#[tokio::test]
async fn a_change_can_be_tied_to_a_revision() {
    use tower::ServiceExt;
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let request = |revision: u32| {
            http::Request::put(format!(
                "/v2.0/networks/{}",
                network["id"].as_str().expect("id")
            ))
            .header("x-auth-token", DEMO)
            .header("if-match", format!("revision_number={revision}"))
            .body(axum::body::Body::from(
                json!({"network": {"name": "x"}}).to_string(),
            ))
            .expect("a request")
        };
        let status = |answer: axum::response::Response| answer.status().as_u16();
        assert_eq!(
            status(
                cloud
                    .router
                    .clone()
                    .oneshot(request(7))
                    .await
                    .expect("answer")
            ),
            412
        );
        assert_eq!(
            status(
                cloud
                    .router
                    .clone()
                    .oneshot(request(1))
                    .await
                    .expect("answer")
            ),
            200
        );
    }
}

#[tokio::test]
async fn a_project_gets_its_topology_on_demand() {
    for cloud in Cloud::all().await {
        let path = "/v2.0/auto-allocated-topology/p-demo";
        assert_eq!(
            cloud.refused(DEMO, Method::GET, path, None, 409).await,
            "AutoAllocationFailure"
        );
        let (external, _) = cloud.external("203.0.113.0/24").await;
        cloud
            .change(
                ADMIN,
                "networks",
                &external["id"],
                json!({"is_default": true}),
            )
            .await;
        let pool = json!({"name": "p", "prefixes": ["10.8.0.0/16"], "default_prefixlen": 26, "is_default": true, "shared": true});
        cloud.make(ADMIN, "subnetpools", pool).await;
        let first = cloud.get(DEMO, path).await;
        let again = cloud.get(DEMO, path).await;
        assert_eq!(first, again);
        let network = cloud
            .show(DEMO, "networks", &first["auto_allocated_topology"]["id"])
            .await;
        assert_eq!(network["subnets"].as_array().map(Vec::len), Some(1));
        cloud.delete(DEMO, path).await;
        assert!(cloud.list(DEMO, "routers", "").await.is_empty());
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
        // An operator may make it external to all.
        cloud.make(ADMIN, "rbac-policies", policy("*")).await;
    }
}

#[tokio::test]
async fn a_network_whose_packets_are_too_small_or_too_big_is_refused_where_that_matters() {
    for cloud in Cloud::all().await {
        let big = cloud.not_made(DEMO, "networks", json!({"mtu": 1501}), 400);
        assert_eq!(big.await, "InvalidInput");
        for (mtu, cidr, version) in [(67, "10.0.0.0/24", 4), (1279, "2001:db8::/64", 6)] {
            let network = cloud.make(DEMO, "networks", json!({"mtu": mtu})).await;
            assert_eq!(network["mtu"], mtu);
            let subnet = json!({"network_id": network["id"], "cidr": cidr, "ip_version": version});
            let small = cloud.not_made(DEMO, "subnets", subnet.clone(), 409);
            assert_eq!(small.await, "NetworkMTUSubnetConflict");
            let enough = json!({"mtu": mtu + 1});
            cloud.change(DEMO, "networks", &network["id"], enough).await;
            cloud.make(DEMO, "subnets", subnet).await;
            let path = format!("/v2.0/networks/{}", text(&network["id"]));
            for (mtu, status, kind) in [
                (mtu, 409, "NetworkMTUSubnetConflict"),
                (1501, 400, "InvalidInput"),
            ] {
                let body = Some(json!({"network": {"mtu": mtu}}));
                let refused = cloud.refused(DEMO, Method::PUT, &path, body, status);
                assert_eq!(refused.await, kind);
            }
            let usual = json!({"mtu": 0});
            let usual = cloud.change(DEMO, "networks", &network["id"], usual).await;
            assert_eq!(usual["mtu"], 1500);
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
async fn what_belongs_to_a_network_or_router_changes_its_revision() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let mut last = (0, 0);
        let mut grew = async |network_grew: bool, router_grew: bool, after: &str| {
            let network = cloud.show(DEMO, "networks", &network["id"]).await;
            let router = cloud.show(DEMO, "routers", &router["id"]).await;
            let number = |view: &Value| view["revision_number"].as_i64().expect("a number");
            let now = (number(&network), number(&router));
            assert_eq!(now.0 > last.0, network_grew, "the network after {after}");
            assert_eq!(now.1 > last.1, router_grew, "the router after {after}");
            last = now;
        };
        grew(true, true, "making both").await;
        let subnet = json!({"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4});
        let subnet = cloud.make(DEMO, "subnets", subnet).await;
        grew(true, false, "a new subnet").await;
        let named = json!({"name": "n"});
        cloud.change(DEMO, "subnets", &subnet["id"], named).await;
        grew(true, false, "a changed subnet").await;
        let base = format!("/v2.0/routers/{}", text(&router["id"]));
        let interface = json!({"subnet_id": subnet["id"]});
        let add = format!("{base}/add_router_interface");
        cloud.put(DEMO, &add, interface.clone()).await;
        grew(false, true, "a new interface").await;
        let remove = format!("{base}/remove_router_interface");
        cloud.put(DEMO, &remove, interface).await;
        grew(false, true, "an interface that went").await;
        let policy = json!({"object_type": "network", "object_id": network["id"], "action": "access_as_shared",
                            "target_tenant": "p-other"});
        let policy = cloud.make(DEMO, "rbac-policies", policy).await;
        grew(true, false, "a new policy").await;
        let target = json!({"target_tenant": "p-third"});
        cloud
            .change(DEMO, "rbac-policies", &policy["id"], target)
            .await;
        grew(true, false, "a changed policy").await;
        cloud.remove(DEMO, "rbac-policies", &policy["id"]).await;
        grew(true, false, "a policy that went").await;
        cloud.remove(DEMO, "subnets", &subnet["id"]).await;
        grew(true, false, "a subnet that went").await;
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
