//! Networks: who may do what with them, quotas, topologies on demand.

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
