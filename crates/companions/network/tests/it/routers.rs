//! Routers and floating addresses.

use http::Method;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, text};

async fn act(cloud: &Cloud, router: &Value, action: &str, body: Value) -> Value {
    cloud
        .put(
            DEMO,
            &format!("/v2.0/routers/{}/{action}", text(&router["id"])),
            body,
        )
        .await
}

async fn refused(cloud: &Cloud, router: &Value, action: &str, body: Value, status: u16) -> String {
    let path = format!("/v2.0/routers/{}/{action}", text(&router["id"]));
    cloud
        .refused(DEMO, Method::PUT, &path, Some(body), status)
        .await
}

#[tokio::test]
async fn a_router_joins_subnets_and_cannot_go_before_them() {
    for cloud in Cloud::all().await {
        let (_, subnet) = cloud.net("10.0.0.0/24").await;
        let router = cloud.make(DEMO, "routers", json!({"name": "r"})).await;
        assert_eq!(
            (&router["external_gateway_info"], &router["routes"]),
            (&Value::Null, &json!([]))
        );
        let by_subnet = json!({"subnet_id": subnet["id"]});
        let joined = act(&cloud, &router, "add_router_interface", by_subnet.clone()).await;
        assert_eq!(
            (&joined["subnet_ids"], &joined["id"]),
            (&json!([subnet["id"]]), &router["id"])
        );
        let port = cloud.show(DEMO, "ports", &joined["port_id"]).await;
        assert_eq!(port["fixed_ips"][0]["ip_address"], "10.0.0.1");
        assert_eq!(port["device_owner"], "network:router_interface");
        refused(
            &cloud,
            &router,
            "add_router_interface",
            by_subnet.clone(),
            400,
        )
        .await;
        assert_eq!(
            cloud.not_removed(DEMO, "routers", &router["id"], 409).await,
            "RouterInUse"
        );
        assert_eq!(
            cloud
                .not_removed(DEMO, "ports", &joined["port_id"], 409)
                .await,
            "ServicePortInUse"
        );
        assert_eq!(
            cloud.not_removed(DEMO, "subnets", &subnet["id"], 409).await,
            "SubnetInUse"
        );
        act(
            &cloud,
            &router,
            "remove_router_interface",
            by_subnet.clone(),
        )
        .await;
        assert_eq!(
            refused(&cloud, &router, "remove_router_interface", by_subnet, 404).await,
            "RouterInterfaceNotFoundForSubnet"
        );
        cloud.remove(DEMO, "routers", &router["id"]).await;
    }
}

#[tokio::test]
async fn a_port_becomes_an_interface_and_overlaps_are_refused() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let (_, twin) = cloud.net("10.0.0.0/24").await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let joined = act(
            &cloud,
            &router,
            "add_router_interface",
            json!({"port_id": port["id"]}),
        )
        .await;
        assert_eq!(joined["port_id"], port["id"]);
        let again = json!({"port_id": port["id"]});
        let again = refused(&cloud, &router, "add_router_interface", again, 409);
        assert_eq!(again.await, "PortInUse");
        refused(
            &cloud,
            &router,
            "add_router_interface",
            json!({"subnet_id": twin["id"]}),
            400,
        )
        .await;
        refused(&cloud, &router, "add_router_interface", json!({}), 400).await;
        act(
            &cloud,
            &router,
            "remove_router_interface",
            json!({"port_id": port["id"]}),
        )
        .await;
        cloud.remove(DEMO, "routers", &router["id"]).await;
    }
}

#[tokio::test]
async fn a_gateway_needs_an_external_network() {
    for cloud in Cloud::all().await {
        let (private, _) = cloud.net("10.0.0.0/24").await;
        let (external, _) = cloud.external("203.0.113.0/24").await;
        let on = |network: &Value| json!({"external_gateway_info": {"network_id": network["id"]}});
        assert_eq!(
            cloud.not_made(DEMO, "routers", on(&private), 400).await,
            "BadRequest"
        );
        let nowhere = json!({"id": "11111111-2222-4333-8444-555555555555"});
        assert_eq!(
            cloud.not_made(DEMO, "routers", on(&nowhere), 404).await,
            "NetworkNotFound"
        );
        let router = cloud.make(DEMO, "routers", on(&external)).await;
        let info = &router["external_gateway_info"];
        assert_eq!(
            (&info["network_id"], &info["enable_snat"]),
            (&external["id"], &json!(true))
        );
        assert_eq!(info["external_fixed_ips"].as_array().map(Vec::len), Some(1));
        assert!(router.get("ha").is_none());
        assert_eq!(
            cloud
                .not_removed(ADMIN, "networks", &external["id"], 409)
                .await,
            "NetworkInUse"
        );
        let snat = json!({"router": {"external_gateway_info": {"network_id": external["id"], "enable_snat": false}}});
        let path = format!("/v2.0/routers/{}", text(&router["id"]));
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, &path, Some(snat.clone()), 403)
                .await,
            "PolicyNotAuthorized"
        );
        assert_eq!(
            cloud.put(ADMIN, &path, snat).await["router"]["external_gateway_info"]["enable_snat"],
            false
        );
        let cleared = cloud
            .change(
                DEMO,
                "routers",
                &router["id"],
                json!({"external_gateway_info": {}}),
            )
            .await;
        assert_eq!(cleared["external_gateway_info"], Value::Null);
        cloud.remove(ADMIN, "networks", &external["id"]).await;
    }
}

#[tokio::test]
async fn extra_routes_lead_to_neighbours() {
    for cloud in Cloud::all().await {
        let (_, subnet) = cloud.net("10.0.0.0/24").await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        act(
            &cloud,
            &router,
            "add_router_interface",
            json!({"subnet_id": subnet["id"]}),
        )
        .await;
        let to = |hop: &str| json!({"routes": [{"destination": "10.30.0.0/16", "nexthop": hop}]});
        let path = format!("/v2.0/routers/{}", text(&router["id"]));
        for bad in ["10.99.0.1", "10.0.0.1"] {
            let body = json!({"router": to(bad)});
            assert_eq!(
                cloud
                    .refused(DEMO, Method::PUT, &path, Some(body), 400)
                    .await,
                "InvalidRoutes"
            );
        }
        let changed = cloud
            .change(DEMO, "routers", &router["id"], to("10.0.0.9"))
            .await;
        assert_eq!(changed["routes"][0]["nexthop"], "10.0.0.9");
        assert_eq!(
            refused(
                &cloud,
                &router,
                "remove_router_interface",
                json!({"subnet_id": subnet["id"]}),
                409
            )
            .await,
            "RouterInterfaceInUseByRoute"
        );
        let less = act(
            &cloud,
            &router,
            "remove_extraroutes",
            json!({"router": to("10.0.0.9")}),
        )
        .await;
        assert_eq!(less["router"]["routes"], json!([]));
    }
}

#[tokio::test]
async fn a_floating_address_needs_a_way_out() {
    for cloud in Cloud::all().await {
        let (external, _) = cloud.external("203.0.113.0/24").await;
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let on_private = json!({"floating_network_id": network["id"]});
        assert_eq!(
            cloud.not_made(DEMO, "floatingips", on_private, 400).await,
            "BadRequest"
        );
        let tied = json!({"floating_network_id": external["id"], "port_id": port["id"]});
        assert_eq!(
            cloud.not_made(DEMO, "floatingips", tied.clone(), 404).await,
            "ExternalGatewayForFloatingIPNotFound"
        );
        let router = json!({"external_gateway_info": {"network_id": external["id"]}});
        let router = cloud.make(DEMO, "routers", router).await;
        act(
            &cloud,
            &router,
            "add_router_interface",
            json!({"subnet_id": subnet["id"]}),
        )
        .await;
        let floating = cloud.make(DEMO, "floatingips", tied.clone()).await;
        assert_eq!(
            (&floating["router_id"], &floating["status"]),
            (&router["id"], &json!("ACTIVE"))
        );
        assert_eq!(
            floating["fixed_ip_address"],
            port["fixed_ips"][0]["ip_address"]
        );
        assert_eq!(floating["port_details"]["network_id"], network["id"]);
        assert_eq!(
            cloud.not_made(DEMO, "floatingips", tied, 409).await,
            "FloatingIPPortAlreadyAssociated"
        );
        let other = cloud
            .make(
                DEMO,
                "floatingips",
                json!({"floating_network_id": external["id"]}),
            )
            .await;
        assert_eq!(
            (&other["status"], &other["port_id"]),
            (&json!("DOWN"), &Value::Null)
        );
        let path = format!("/v2.0/floatingips/{}", text(&other["id"]));
        let steal = json!({"floatingip": {"port_id": port["id"]}});
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, &path, Some(steal), 409)
                .await,
            "FloatingIPPortAlreadyAssociated"
        );
        assert_eq!(
            refused(
                &cloud,
                &router,
                "remove_router_interface",
                json!({"subnet_id": subnet["id"]}),
                409
            )
            .await,
            "RouterInterfaceInUseByFloatingIP"
        );
        assert!(cloud.list(OTHER, "floatingips", "").await.is_empty());
        cloud.remove(DEMO, "ports", &port["id"]).await;
        let loose = cloud.show(DEMO, "floatingips", &floating["id"]).await;
        assert_eq!(
            (&loose["port_id"], &loose["status"]),
            (&Value::Null, &json!("DOWN"))
        );
        cloud.remove(DEMO, "floatingips", &floating["id"]).await;
        cloud.remove(DEMO, "floatingips", &other["id"]).await;
        assert!(
            cloud
                .list(ADMIN, "ports", "device_owner=network:floatingip")
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_floating_address_goes_to_a_port_of_its_own_project() {
    for cloud in Cloud::all().await {
        let (external, _) = cloud.external("203.0.113.0/24").await;
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let port = |owner: &str| json!({"network_id": network["id"], "project_id": owner});
        let own = cloud.make(ADMIN, "ports", port("p-demo")).await;
        let theirs = cloud.make(ADMIN, "ports", port("p-other")).await;
        let elsewhere = cloud.make(OTHER, "networks", json!({})).await;
        let hidden = json!({"network_id": elsewhere["id"]});
        let hidden = cloud.make(OTHER, "ports", hidden).await;
        let of_network = format!("network_id={}", text(&network["id"]));
        let of_network = format!("device_owner=network:dhcp&{of_network}");
        let service = cloud.list(ADMIN, "ports", &of_network).await;
        let floating = json!({"floating_network_id": external["id"]});
        let floating = cloud.make(DEMO, "floatingips", floating).await;
        let path = format!("/v2.0/floatingips/{}", text(&floating["id"]));
        for (who, body, status, kind) in [
            (DEMO, json!({"port_id": theirs["id"]}), 400, "BadRequest"),
            (DEMO, json!({"port_id": hidden["id"]}), 404, "PortNotFound"),
            (
                ADMIN,
                json!({"port_id": service[0]["id"]}),
                400,
                "BadRequest",
            ),
            (
                DEMO,
                json!({"port_id": own["id"], "fixed_ip_address": "2001:db8::1"}),
                400,
                "BadRequest",
            ),
        ] {
            let about = format!("{who} {body}");
            let body = Some(json!({"floatingip": body}));
            let refused = cloud.refused(who, Method::PUT, &path, body, status).await;
            assert_eq!(refused, kind, "{about}");
        }
    }
}

#[tokio::test]
async fn nobody_puts_a_router_on_a_gateway_address_that_is_not_theirs() {
    for cloud in Cloud::all().await {
        let (external, outside) = cloud.external("203.0.113.0/24").await;
        let (_, strange) = cloud.net("10.7.0.0/24").await;
        let shared = cloud.make(ADMIN, "networks", json!({"shared": true})).await;
        let subnet = json!({"network_id": shared["id"], "cidr": "10.5.0.0/24", "ip_version": 4});
        let common = cloud.make(ADMIN, "subnets", subnet).await;
        let router = cloud.make(OTHER, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        for (subnet, status, kind) in [
            (&outside, 404, "SubnetNotFound"),
            (&strange, 404, "SubnetNotFound"),
            (&common, 400, "BadRequest"),
        ] {
            let body = Some(json!({"subnet_id": subnet["id"]}));
            let told = cloud.refused(OTHER, Method::PUT, &path, body, status).await;
            assert_eq!(told, kind);
        }
        let on_shared = json!({"network_id": shared["id"]});
        let port = cloud.make(OTHER, "ports", on_shared).await;
        let by_port = json!({"port_id": port["id"]});
        cloud.put(OTHER, &path, by_port).await;
        let exact =
            json!({"network_id": external["id"], "fixed_ips": [{"ip_address": "203.0.113.1"}]});
        assert_eq!(
            cloud.not_made(ADMIN, "ports", exact, 409).await,
            "IpAddressAlreadyAllocated",
            "the uplink has the gateway's address"
        );
        cloud
            .put(ADMIN, &path, json!({"subnet_id": outside["id"]}))
            .await;
    }
}

#[tokio::test]
async fn a_port_on_an_external_network_joins_no_router_of_a_stranger_to_the_network() {
    for cloud in Cloud::all().await {
        let (external, _) = cloud.external("203.0.113.0/24").await;
        let body = json!({"network_id": external["id"], "project_id": "p-demo"});
        let port = cloud.make(ADMIN, "ports", body).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let by_port = json!({"port_id": port["id"]});
        assert_eq!(
            refused(&cloud, &router, "add_router_interface", by_port, 400).await,
            "BadRequest"
        );
    }
}
