//! What a project cannot do to another's networks, and what those see who act for no project.

use http::Method;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OF_DOMAIN, OTHER, UNSCOPED, text};

/// One object of each kind of the demo project.
struct Theirs {
    network: Value,
    subnet: Value,
    port: Value,
    group: Value,
    rule: Value,
    router: Value,
    floating: Value,
    pool: Value,
    scope: Value,
    sharing: Value,
    external: Value,
}

async fn theirs(cloud: &Cloud) -> Theirs {
    let (network, subnet) = cloud.net("10.0.0.0/24").await;
    let (external, _) = cloud.external("203.0.113.0/24").await;
    let port = json!({"network_id": network["id"]});
    let port = cloud.make(DEMO, "ports", port).await;
    let group = cloud
        .make(DEMO, "security-groups", json!({"name": "web"}))
        .await;
    let rule = json!({"security_group_id": group["id"], "direction": "ingress"});
    let rule = cloud.make(DEMO, "security-group-rules", rule).await;
    let router = json!({"external_gateway_info": {"network_id": external["id"]}});
    let router = cloud.make(DEMO, "routers", router).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
    cloud
        .put(DEMO, &path, json!({"subnet_id": subnet["id"]}))
        .await;
    let floating = json!({"floating_network_id": external["id"], "port_id": port["id"]});
    let floating = cloud.make(DEMO, "floatingips", floating).await;
    let scope = json!({"name": "s", "ip_version": 4});
    let scope = cloud.make(DEMO, "address-scopes", scope).await;
    let pool = json!({"name": "p", "prefixes": ["10.8.0.0/16"], "default_prefixlen": 24});
    let pool = cloud.make(DEMO, "subnetpools", pool).await;
    let sharing = json!({
        "object_type": "security_group", "object_id": group["id"],
        "action": "access_as_shared", "target_tenant": "p-third",
    });
    let sharing = cloud.make(DEMO, "rbac-policies", sharing).await;
    Theirs {
        network,
        subnet,
        port,
        group,
        rule,
        router,
        floating,
        pool,
        scope,
        sharing,
        external,
    }
}

#[tokio::test]
async fn anothers_objects_are_not_there() {
    for cloud in Cloud::all().await {
        let theirs = theirs(&cloud).await;
        for (collection, object, updatable) in [
            ("networks", &theirs.network, true),
            ("subnets", &theirs.subnet, true),
            ("ports", &theirs.port, true),
            ("security-groups", &theirs.group, true),
            ("security-group-rules", &theirs.rule, false),
            ("routers", &theirs.router, true),
            ("floatingips", &theirs.floating, true),
            ("subnetpools", &theirs.pool, true),
            ("address-scopes", &theirs.scope, true),
            ("rbac-policies", &theirs.sharing, false),
        ] {
            for stranger in [OTHER, OF_DOMAIN, UNSCOPED] {
                let id = text(&object["id"]);
                let path = format!("/v2.0/{collection}/{id}");
                let about = format!("{stranger} {path}");
                cloud.refused(stranger, Method::GET, &path, None, 404).await;
                cloud
                    .refused(stranger, Method::DELETE, &path, None, 404)
                    .await;
                let listed = cloud.list(stranger, collection, "").await;
                assert!(listed.iter().all(|one| one["id"] != id.as_str()), "{about}");
                if updatable {
                    let name = collection.trim_end_matches('s').replace('-', "_");
                    let change = Some(json!({ name: {"description": "x"} }));
                    let change = change.filter(|_| collection != "address-scopes");
                    let change = change.or(Some(json!({"address_scope": {"name": "x"}})));
                    cloud
                        .refused(stranger, Method::PUT, &path, change, 404)
                        .await;
                }
                if !matches!(collection, "address-scopes" | "rbac-policies") {
                    cloud
                        .refused(stranger, Method::PUT, &format!("{path}/tags/x"), None, 404)
                        .await;
                }
            }
        }
    }
}

#[tokio::test]
async fn anothers_objects_cannot_be_named_in_ones_own() {
    for cloud in Cloud::all().await {
        let theirs = theirs(&cloud).await;
        let mine = cloud.make(OTHER, "networks", json!({"name": "mine"})).await;
        let subnet = json!({"network_id": mine["id"], "cidr": "10.1.0.0/24", "ip_version": 4});
        cloud.make(OTHER, "subnets", subnet).await;
        let group = json!({"name": "mine"});
        let group = cloud.make(OTHER, "security-groups", group).await;
        let (net, sub, sg) = (
            &theirs.network["id"],
            &theirs.subnet["id"],
            &theirs.group["id"],
        );
        for (collection, body, status) in [
            ("ports", json!({"network_id": net}), 404),
            (
                "ports",
                json!({"network_id": mine["id"], "fixed_ips": [{"subnet_id": sub}]}),
                400,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}),
                400,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "security_groups": [sg]}),
                404,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "project_id": "p-demo"}),
                400,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "binding:host_id": "h1"}),
                403,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "binding:profile": {"a": 1}}),
                403,
            ),
            (
                "ports",
                json!({"network_id": mine["id"], "device_owner": "network:router_interface",
                "device_id": theirs.router["id"]}),
                403,
            ),
            (
                "subnets",
                json!({"network_id": net, "cidr": "10.3.0.0/24", "ip_version": 4}),
                403,
            ),
            (
                "subnets",
                json!({"network_id": mine["id"], "subnetpool_id": theirs.pool["id"], "ip_version": 4}),
                404,
            ),
            (
                "security-group-rules",
                json!({"security_group_id": sg, "direction": "ingress"}),
                404,
            ),
            (
                "security-group-rules",
                json!({"security_group_id": group["id"], "direction": "ingress",
                "remote_group_id": sg}),
                404,
            ),
            (
                "routers",
                json!({"external_gateway_info": {"network_id": net}}),
                404,
            ),
            (
                "routers",
                json!({"external_gateway_info": {"network_id": theirs.external["id"],
                "external_fixed_ips": [{"ip_address": "203.0.113.77"}]}}),
                403,
            ),
            (
                "floatingips",
                json!({"floating_network_id": theirs.external["id"], "port_id": theirs.port["id"]}),
                404,
            ),
            ("floatingips", json!({"floating_network_id": net}), 404),
            (
                "subnetpools",
                json!({"name": "x", "prefixes": ["10.9.0.0/16"],
                "address_scope_id": theirs.scope["id"]}),
                404,
            ),
            (
                "rbac-policies",
                json!({"object_type": "network", "object_id": net,
                "action": "access_as_shared", "target_tenant": "p-other"}),
                404,
            ),
            (
                "rbac-policies",
                json!({"object_type": "network", "object_id": mine["id"],
                "action": "access_as_shared", "target_tenant": "*"}),
                403,
            ),
            (
                "rbac-policies",
                json!({"object_type": "network", "object_id": mine["id"],
                "action": "access_as_external", "target_tenant": "*"}),
                403,
            ),
        ] {
            let name = body.to_string();
            let error = cloud.not_made(OTHER, collection, body, status).await;
            assert!(!error.is_empty(), "{collection} {name}");
        }
        let router = cloud.make(OTHER, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        for body in [
            json!({"subnet_id": sub}),
            json!({"port_id": theirs.port["id"]}),
        ] {
            cloud
                .refused(OTHER, Method::PUT, &path, Some(body), 404)
                .await;
        }
        for (method, path) in [
            (Method::GET, "/v2.0/quotas/p-demo"),
            (Method::GET, "/v2.0/quotas/p-demo/details.json"),
            (Method::DELETE, "/v2.0/quotas/p-demo"),
            (Method::GET, "/v2.0/auto-allocated-topology/p-demo"),
            (Method::DELETE, "/v2.0/auto-allocated-topology/p-demo"),
        ] {
            cloud.refused(OTHER, method, path, None, 403).await;
        }
    }
}

#[tokio::test]
async fn who_acts_for_no_project_sees_nothing_that_the_service_made_for_itself() {
    for cloud in Cloud::all().await {
        // The ports of gateways and floating addresses belong to no project either.
        theirs(&cloud).await;
        let all = cloud.list(ADMIN, "ports", "").await;
        assert!(all.iter().filter(|port| port["project_id"] == "").count() >= 2);
        for caller in [OF_DOMAIN, UNSCOPED] {
            assert_eq!(cloud.list(caller, "ports", "").await, Vec::<Value>::new());
            let groups = cloud.list(caller, "security-groups", "").await;
            assert_eq!(
                groups,
                Vec::<Value>::new(),
                "no default group is made for nobody"
            );
            let network = json!({"name": "x"});
            cloud.not_made(caller, "networks", network, 403).await;
        }
    }
}

#[tokio::test]
async fn a_network_that_is_external_for_some_is_none_for_others() {
    for cloud in Cloud::all().await {
        let network = cloud.make(ADMIN, "networks", json!({"name": "ext"})).await;
        let subnet = json!({"network_id": network["id"], "cidr": "203.0.113.0/24", "ip_version": 4, "enable_dhcp": false});
        cloud.make(ADMIN, "subnets", subnet).await;
        for (action, target) in [
            ("access_as_external", "p-demo"),
            ("access_as_shared", "p-other"),
        ] {
            let policy = json!({
                "object_type": "network", "object_id": network["id"], "action": action, "target_tenant": target,
            });
            cloud.make(ADMIN, "rbac-policies", policy).await;
        }
        let floating = json!({"floating_network_id": network["id"]});
        let router = json!({"external_gateway_info": {"network_id": network["id"]}});
        cloud.make(DEMO, "floatingips", floating.clone()).await;
        cloud.make(DEMO, "routers", router.clone()).await;
        cloud.not_made(OTHER, "floatingips", floating, 400).await;
        cloud.not_made(OTHER, "routers", router, 400).await;
    }
}

#[tokio::test]
async fn who_shares_a_network_uses_it_and_no_more() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let theirs = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let sharing = json!({
            "object_type": "network", "object_id": network["id"],
            "action": "access_as_shared", "target_tenant": "p-other",
        });
        let sharing = cloud.make(DEMO, "rbac-policies", sharing).await;
        let mine = cloud
            .make(OTHER, "ports", json!({"network_id": network["id"]}))
            .await;
        let on_it = |more: Value| {
            let mut body = json!({"network_id": network["id"]});
            let all = body.as_object_mut().expect("object");
            all.extend(more.as_object().cloned().unwrap_or_default());
            body
        };
        for (more, status) in [
            (json!({"fixed_ips": [{"ip_address": "10.0.0.77"}]}), 403),
            (json!({"mac_address": "fa:16:3e:00:00:77"}), 403),
            (json!({"port_security_enabled": false}), 403),
            (
                json!({"allowed_address_pairs": [{"ip_address": "10.0.0.0/24"}]}),
                403,
            ),
            (json!({"device_owner": "network:dhcp"}), 403),
            (json!({"project_id": "p-demo"}), 400),
        ] {
            cloud.not_made(OTHER, "ports", on_it(more), status).await;
        }
        let path = format!("/v2.0/ports/{}", text(&mine["id"]));
        for change in [
            json!({"fixed_ips": [{"ip_address": "10.0.0.77"}]}),
            json!({"mac_address": "fa:16:3e:00:00:77"}),
            json!({"port_security_enabled": false}),
            json!({"allowed_address_pairs": [{"ip_address": "10.0.0.0/24"}]}),
            json!({"device_owner": "network:router_interface"}),
            json!({"binding:host_id": "h1"}),
        ] {
            let body = Some(json!({"port": change}));
            cloud.refused(OTHER, Method::PUT, &path, body, 403).await;
        }
        let another = json!({"network_id": network["id"], "cidr": "10.7.0.0/24", "ip_version": 4});
        cloud.not_made(OTHER, "subnets", another, 403).await;
        for (path, body, status) in [
            (
                format!("/v2.0/networks/{}", text(&network["id"])),
                json!({"network": {"name": "x"}}),
                403,
            ),
            (
                format!("/v2.0/subnets/{}", text(&subnet["id"])),
                json!({"subnet": {"gateway_ip": null}}),
                403,
            ),
            (
                format!("/v2.0/ports/{}", text(&theirs["id"])),
                json!({"port": {"name": "x"}}),
                404,
            ),
            (
                format!("/v2.0/rbac-policies/{}", text(&sharing["id"])),
                json!({"rbac_policy": {"target_tenant": "p-third"}}),
                404,
            ),
        ] {
            cloud
                .refused(OTHER, Method::PUT, &path, Some(body), status)
                .await;
            cloud
                .refused(OTHER, Method::DELETE, &path, None, status)
                .await;
        }
        let seen = cloud.list(OTHER, "ports", "").await;
        assert!(seen.len() == 1 && seen[0]["id"] == mine["id"], "{seen:?}");
        // The owner of the network sees who is on it.
        let seen = cloud.list(DEMO, "ports", "").await;
        assert!(seen.iter().any(|port| port["id"] == mine["id"]));
        let router = cloud.make(OTHER, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        let body = Some(json!({"subnet_id": subnet["id"]}));
        cloud.refused(OTHER, Method::PUT, &path, body, 400).await;
    }
}
