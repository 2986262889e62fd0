//! Subnets and the pools they come from.

use http::Method;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, ip, text};

#[tokio::test]
async fn a_subnet_chooses_gateway_and_pool_by_itself() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        assert_eq!(subnet["gateway_ip"], "10.0.0.1");
        assert_eq!(
            subnet["allocation_pools"],
            json!([{"start": "10.0.0.2", "end": "10.0.0.254"}])
        );
        assert_eq!(
            cloud.show(DEMO, "networks", &network["id"]).await["subnets"],
            json!([subnet["id"]])
        );
        let dhcp = cloud.list(DEMO, "ports", "device_owner=network:dhcp").await;
        assert_eq!((dhcp.len(), ip(&dhcp[0])), (1, "10.0.0.2".to_owned()));
        cloud
            .change(
                DEMO,
                "subnets",
                &subnet["id"],
                json!({"enable_dhcp": false}),
            )
            .await;
        assert!(
            cloud
                .list(DEMO, "ports", "device_owner=network:dhcp")
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let id = &network["id"];
        let cases = [
            (
                json!({"cidr": "10.0.0.128/25", "ip_version": 4}),
                400,
                "InvalidInput",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 6}),
                400,
                "InvalidInput",
            ),
            (
                json!({"cidr": "nonsense", "ip_version": 4}),
                400,
                "HTTPBadRequest",
            ),
            (json!({"ip_version": 4}), 400, "InvalidInput"),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "10.1.0.255"}),
                400,
                "InvalidInput",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "10.1.0.9",
                "allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.20"}]}),
                409,
                "GatewayConflictWithAllocationPools",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4,
                "allocation_pools": [{"start": "10.2.0.2", "end": "10.2.0.20"}]}),
                400,
                "OutOfBoundsAllocationPool",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4,
                "allocation_pools": [{"start": "10.1.0.20", "end": "10.1.0.2"}]}),
                400,
                "InvalidAllocationPool",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "allocation_pools": [
                {"start": "10.1.0.2", "end": "10.1.0.20"}, {"start": "10.1.0.20", "end": "10.1.0.30"}]}),
                409,
                "OverlappingAllocationPools",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "ipv6_ra_mode": "slaac"}),
                400,
                "InvalidInput",
            ),
            (
                json!({"cidr": "2001:db8::/72", "ip_version": 6, "ipv6_ra_mode": "slaac"}),
                400,
                "InvalidInput",
            ),
        ];
        for (mut body, status, kind) in cases {
            body["network_id"] = id.clone();
            let shown = body.to_string();
            assert_eq!(
                cloud.not_made(DEMO, "subnets", body, status).await,
                kind,
                "{shown}"
            );
        }
        let overlap = json!({"subnet": {"network_id": id, "cidr": "10.0.0.0/24", "ip_version": 4}});
        let answer = cloud
            .ok(DEMO, Method::POST, "/v2.0/subnets", Some(overlap), 400)
            .await;
        assert!(text(&answer["NeutronError"]["message"]).contains("overlaps with another subnet"));
    }
}

#[tokio::test]
async fn a_range_that_dhcp_cannot_serve_has_no_dhcp() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        for (version, cidr) in [
            (4, "10.0.0.0/31"),
            (4, "10.0.0.4/32"),
            (6, "2001:db8::/127"),
            (4, "224.0.1.0/24"),
            (6, "ff02::/64"),
            (4, "127.9.0.0/16"),
            (4, "0.1.0.0/16"),
        ] {
            let mut body =
                json!({"network_id": network["id"], "cidr": cidr, "ip_version": version});
            let kind = cloud.not_made(DEMO, "subnets", body.clone(), 400).await;
            assert_eq!(kind, "InvalidInput", "{cidr}");
            body["enable_dhcp"] = json!(false);
            let made = cloud.make(DEMO, "subnets", body).await;
            let path = format!("/v2.0/subnets/{}", text(&made["id"]));
            let on = json!({"subnet": {"enable_dhcp": true}});
            let kind = cloud.refused(DEMO, Method::PUT, &path, Some(on), 400).await;
            assert_eq!(kind, "InvalidInput", "{cidr}");
        }
        let port = json!({"network_id": network["id"], "mac_address": "00:00:00:00:00:00"});
        cloud.not_made(DEMO, "ports", port, 400).await;
    }
}

#[tokio::test]
async fn all_of_a_subnet_can_be_said_and_changed() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let body = json!({
            "network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": null, "name": "s",
            "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.11"}],
            "dns_nameservers": ["8.8.4.4", "8.8.8.8"],
            "host_routes": [{"destination": "10.20.0.0/16", "nexthop": "10.0.0.9"}], "enable_dhcp": false,
        });
        let subnet = cloud.make(DEMO, "subnets", body).await;
        assert_eq!(subnet["gateway_ip"], Value::Null);
        assert_eq!(subnet["dns_nameservers"], json!(["8.8.4.4", "8.8.8.8"]));
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        assert_eq!(ip(&port), "10.0.0.10");
        let change = json!({"gateway_ip": "10.0.0.1", "dns_nameservers": [], "host_routes": [], "name": "t"});
        let changed = cloud.change(DEMO, "subnets", &subnet["id"], change).await;
        assert_eq!(
            (&changed["gateway_ip"], &changed["name"]),
            (&json!("10.0.0.1"), &json!("t"))
        );
        assert_eq!(
            cloud.not_removed(DEMO, "subnets", &subnet["id"], 409).await,
            "SubnetInUse"
        );
        cloud.remove(DEMO, "ports", &port["id"]).await;
        cloud.remove(DEMO, "subnets", &subnet["id"]).await;
    }
}

#[tokio::test]
async fn ports_on_a_slaac_subnet_have_the_address_of_their_mac() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let early = cloud
            .make(
                DEMO,
                "ports",
                json!({"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01"}),
            )
            .await;
        assert_eq!(early["fixed_ips"], json!([]));
        let body = json!({
            "network_id": network["id"], "cidr": "2001:db8::/64", "ip_version": 6,
            "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac",
        });
        let subnet = cloud.make(DEMO, "subnets", body).await;
        let early = cloud.show(DEMO, "ports", &early["id"]).await;
        assert_eq!(ip(&early), "2001:db8::f816:3eff:fe00:1");
        let late = json!({"network_id": network["id"], "mac_address": "fa:16:3e:00:00:02"});
        assert_eq!(
            ip(&cloud.make(DEMO, "ports", late).await),
            "2001:db8::f816:3eff:fe00:2"
        );
        let wish = json!({"network_id": network["id"], "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "2001:db8::9"}]});
        assert_eq!(
            cloud.not_made(DEMO, "ports", wish, 400).await,
            "InvalidInput"
        );
        cloud.remove(DEMO, "subnets", &subnet["id"]).await;
        assert_eq!(
            cloud.show(DEMO, "ports", &early["id"]).await["fixed_ips"],
            json!([])
        );
    }
}

#[tokio::test]
async fn subnets_come_from_pools_without_overlap() {
    for cloud in Cloud::all().await {
        let scope = cloud
            .make(
                ADMIN,
                "address-scopes",
                json!({"name": "a", "ip_version": 4, "shared": true}),
            )
            .await;
        let pool = json!({
            "name": "p", "prefixes": ["10.9.0.0/16"], "default_prefixlen": 24, "min_prefixlen": 20,
            "shared": true, "address_scope_id": scope["id"],
        });
        let pool = cloud.make(ADMIN, "subnetpools", pool).await;
        // Neutron shows lengths as texts.
        assert_eq!(pool["max_prefixlen"], "32");
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let mut ranges = Vec::new();
        for prefix in [24, 25, 25] {
            let body = json!({"network_id": network["id"], "subnetpool_id": pool["id"], "prefixlen": prefix, "ip_version": 4});
            ranges.push(text(&cloud.make(DEMO, "subnets", body).await["cidr"]));
        }
        assert_eq!(ranges, ["10.9.0.0/24", "10.9.1.0/25", "10.9.1.128/25"]);
        let big = json!({"network_id": network["id"], "subnetpool_id": pool["id"], "prefixlen": 16, "ip_version": 4});
        assert_eq!(
            cloud.not_made(DEMO, "subnets", big, 400).await,
            "MinPrefixSubnetAllocationError"
        );
        assert_eq!(
            cloud
                .not_removed(ADMIN, "subnetpools", &pool["id"], 409)
                .await,
            "SubnetPoolInUse"
        );
        assert_eq!(
            cloud
                .not_removed(ADMIN, "address-scopes", &scope["id"], 409)
                .await,
            "AddressScopeInUse"
        );
        assert_eq!(
            cloud
                .not_removed(OTHER, "subnetpools", &pool["id"], 403)
                .await,
            "PolicyNotAuthorized"
        );
        assert_eq!(
            cloud.show(DEMO, "networks", &network["id"]).await["ipv4_address_scope"],
            scope["id"]
        );
    }
}

#[tokio::test]
async fn the_bounds_of_a_pool_and_of_its_scope_are_kept() {
    for cloud in Cloud::all().await {
        let pool = |min: u8, default: u8, max: u8| {
            json!({"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": min, "default_prefixlen": default,
                   "max_prefixlen": max})
        };
        for (min, default, max) in [(25, 26, 24), (24, 23, 28), (24, 29, 28), (24, 26, 33)] {
            let refused = cloud.not_made(DEMO, "subnetpools", pool(min, default, max), 400);
            assert_eq!(refused.await, "IllegalSubnetPoolPrefixBounds");
        }
        let good = cloud.make(DEMO, "subnetpools", pool(24, 26, 28)).await;
        let path = format!("/v2.0/subnetpools/{}", text(&good["id"]));
        for (change, kind) in [
            (
                json!({"min_prefixlen": 27}),
                "IllegalSubnetPoolPrefixBounds",
            ),
            (
                json!({"default_prefixlen": 29}),
                "IllegalSubnetPoolPrefixBounds",
            ),
            (
                json!({"prefixes": ["11.0.0.0/8"]}),
                "IllegalSubnetPoolPrefixUpdate",
            ),
        ] {
            let body = Some(json!({"subnetpool": change}));
            let refused = cloud.refused(DEMO, Method::PUT, &path, body, 400).await;
            assert_eq!(refused, kind);
        }
        let network = cloud.make(DEMO, "networks", json!({})).await;
        for (prefix, kind) in [
            (23, "MinPrefixSubnetAllocationError"),
            (29, "MaxPrefixSubnetAllocationError"),
        ] {
            let subnet = json!({"network_id": network["id"], "subnetpool_id": good["id"], "prefixlen": prefix,
                                "ip_version": 4});
            assert_eq!(cloud.not_made(DEMO, "subnets", subnet, 400).await, kind);
        }
        let scope = json!({"name": "s", "ip_version": 4});
        let scope = cloud.make(DEMO, "address-scopes", scope).await;
        let within = |prefix: &str| json!({"name": "p", "prefixes": [prefix], "address_scope_id": scope["id"]});
        cloud.make(DEMO, "subnetpools", within("10.1.0.0/16")).await;
        let clash = cloud.not_made(DEMO, "subnetpools", within("10.1.2.0/24"), 409);
        assert_eq!(clash.await, "AddressScopePrefixConflict");
        let into = Some(json!({"subnetpool": {"address_scope_id": scope["id"]}}));
        let clash = cloud.refused(DEMO, Method::PUT, &path, into, 409).await;
        assert_eq!(clash, "AddressScopePrefixConflict");
        let other = cloud.not_made(DEMO, "subnetpools", within("fd00::/48"), 400);
        assert_eq!(
            other.await,
            "IllegalSubnetPoolIpVersionAssociationToAddressScope"
        );
        // A pool in a scope of another project is changed by administrators alone.
        let shared = json!({"name": "shared", "ip_version": 4, "shared": true});
        let shared = cloud.make(ADMIN, "address-scopes", shared).await;
        let pool = json!({"name": "p", "prefixes": ["20.0.0.0/18"]});
        let pool = cloud.make(DEMO, "subnetpools", pool).await;
        let into = json!({"address_scope_id": shared["id"]});
        cloud.change(ADMIN, "subnetpools", &pool["id"], into).await;
        let path = format!("/v2.0/subnetpools/{}", text(&pool["id"]));
        let more = json!({"prefixes": ["20.0.0.0/18", "40.0.0.0/18"]});
        let body = Some(json!({"subnetpool": more}));
        let refused = cloud.refused(DEMO, Method::PUT, &path, body, 400).await;
        assert_eq!(refused, "IllegalSubnetPoolUpdate");
        cloud.change(ADMIN, "subnetpools", &pool["id"], more).await;
        // What cannot be changed is refused before it is looked at who asks.
        let pool = json!({"name": "p", "prefixes": ["30.0.0.0/18"]});
        let pool = cloud.make(ADMIN, "subnetpools", pool).await;
        let path = format!("/v2.0/subnetpools/{}", text(&pool["id"]));
        for (change, status) in [(json!({"shared": true}), 400), (json!({"name": "x"}), 404)] {
            let body = Some(json!({"subnetpool": change}));
            cloud.refused(DEMO, Method::PUT, &path, body, status).await;
        }
    }
}

#[tokio::test]
async fn a_pool_is_shared_with_those_whom_its_scope_is_open_to() {
    for cloud in Cloud::all().await {
        let policy = |kind: &str, object: &Value, target: &str| {
            json!({"object_type": kind, "object_id": object["id"], "action": "access_as_shared",
                   "target_tenant": target})
        };
        let scope = json!({"name": "s", "ip_version": 4});
        let scope = cloud.make(ADMIN, "address-scopes", scope).await;
        let open = policy("address_scope", &scope, "p-demo");
        cloud.make(ADMIN, "rbac-policies", open).await;
        let pool =
            json!({"name": "p", "prefixes": ["10.0.0.0/16"], "address_scope_id": scope["id"]});
        let pool = cloud.make(DEMO, "subnetpools", pool).await;
        let wish = policy("subnetpool", &pool, "p-other");
        let refused = cloud.not_made(DEMO, "rbac-policies", wish.clone(), 400);
        assert_eq!(refused.await, "InvalidInput");
        // Nor by a policy for another project, which is then changed.
        let own = policy("subnetpool", &pool, "p-demo");
        let own = cloud.make(DEMO, "rbac-policies", own).await;
        let path = format!("/v2.0/rbac-policies/{}", text(&own["id"]));
        let other = Some(json!({"rbac_policy": {"target_tenant": "p-other"}}));
        let refused = cloud.refused(DEMO, Method::PUT, &path, other, 400);
        assert_eq!(refused.await, "InvalidInput");
        let open = policy("address_scope", &scope, "p-other");
        cloud.make(ADMIN, "rbac-policies", open).await;
        cloud.make(DEMO, "rbac-policies", wish).await;
    }
}

#[tokio::test]
async fn the_owner_of_a_network_says_which_ports_its_subnets_serve() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let subnet = |cidr: &str, kind: &str| json!({"network_id": network["id"], "cidr": cidr, "ip_version": 4, "service_types": [kind]});
        let first = subnet("192.168.1.0/24", "test:one");
        let first = cloud.make(DEMO, "subnets", first).await;
        let second = subnet("192.168.2.0/24", "test:two");
        cloud.make(DEMO, "subnets", second).await;
        for (kind, begins) in [("test:one", "192.168.1."), ("test:two", "192.168.2.")] {
            let port = json!({"network_id": network["id"], "device_owner": kind});
            let port = cloud.make(DEMO, "ports", port).await;
            assert!(ip(&port).starts_with(begins), "{port}");
        }
        let all = json!({"service_types": []});
        let first = cloud.change(DEMO, "subnets", &first["id"], all).await;
        assert_eq!(first["service_types"], json!([]));
    }
}
