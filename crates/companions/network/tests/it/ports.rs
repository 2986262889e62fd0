//! Ports: addresses, guards, binding, and what compute is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, SERVICE, Told, ip, text};

const SERVER: &str = "9f0a4c6e-9d0b-4f6c-8f57-0f4d1f0c5a11";

#[tokio::test]
async fn a_port_made_for_a_server_is_bound_active_and_told_of() {
    for cloud in Cloud::all().await {
        let told = Arc::new(Told::default());
        *told.refuse.lock().expect("lock") = 2;
        cloud.networks.set_event_sink(told.clone()).await;
        let stop = CancellationToken::new();
        let tasks = cloud.networks.start(None, stop.clone());
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let body = json!({
            "network_id": network["id"], "tenant_id": "p-demo", "device_id": SERVER, "device_owner": "compute:nova",
            "binding:host_id": "h1", "binding:profile": {},
        });
        let port = cloud.make(ADMIN, "ports", body).await;
        assert_eq!(
            (&port["status"], &port["binding:host_id"]),
            (&json!("ACTIVE"), &json!("h1"))
        );
        assert_eq!(port["binding:vif_details"]["port_filter"], true);
        let id = text(&port["id"]);
        told.heard("plugged", &id).await;
        let owner = cloud.show(DEMO, "ports", &port["id"]).await;
        assert!(owner.get("binding:host_id").is_none() && owner["binding:vnic_type"] == "normal");
        let unbind = json!({"device_id": "", "device_owner": "", "binding:host_id": null, "binding:profile": {}});
        let port = cloud.change(SERVICE, "ports", &port["id"], unbind).await;
        assert_eq!(
            (&port["status"], &port["binding:vif_type"]),
            (&json!("DOWN"), &json!("unbound"))
        );
        told.heard("unplugged", &id).await;
        let bind =
            json!({"device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "h1"});
        cloud.change(ADMIN, "ports", &port["id"], bind).await;
        cloud.remove(ADMIN, "ports", &port["id"]).await;
        told.heard("deleted", &id).await;
        stop.cancel();
        tasks.join_all().await;
    }
}

#[tokio::test]
async fn addresses_can_be_wished_for_added_and_taken_away() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let wish =
            |ip: &str| json!({"network_id": network["id"], "fixed_ips": [{"ip_address": ip}]});
        let port = cloud.make(DEMO, "ports", wish("10.0.0.50")).await;
        assert_eq!(port["fixed_ips"][0]["subnet_id"], subnet["id"]);
        assert_eq!(
            cloud.not_made(DEMO, "ports", wish("10.0.0.50"), 409).await,
            "IpAddressAlreadyAllocated"
        );
        assert_eq!(
            cloud.not_made(DEMO, "ports", wish("10.9.0.50"), 400).await,
            "InvalidIpForNetwork"
        );
        let none = json!({"network_id": network["id"], "fixed_ips": []});
        assert_eq!(
            cloud.make(DEMO, "ports", none).await["fixed_ips"],
            json!([])
        );
        let two = json!({"fixed_ips": [{"subnet_id": subnet["id"]}, {"ip_address": "10.0.0.60"}]});
        let port = cloud.change(DEMO, "ports", &port["id"], two).await;
        let ips: Vec<_> = port["fixed_ips"]
            .as_array()
            .expect("list")
            .iter()
            .map(|ip| text(&ip["ip_address"]))
            .collect();
        assert_eq!(ips, ["10.0.0.50", "10.0.0.60"], "what fits is kept");
        let one = json!({"fixed_ips": [{"ip_address": "10.0.0.60"}]});
        assert_eq!(
            ip(&cloud.change(DEMO, "ports", &port["id"], one).await),
            "10.0.0.60"
        );
        cloud.make(DEMO, "ports", wish("10.0.0.50")).await;
    }
}

#[tokio::test]
async fn a_port_may_have_several_addresses_of_one_subnet() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let pool = json!([{"start": "10.0.0.10", "end": "10.0.0.12"}]);
        let subnet = cloud
            .make(
                DEMO,
                "subnets",
                json!({"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4, "allocation_pools": pool,
                       "enable_dhcp": false}),
            )
            .await;
        let any = json!({"subnet_id": subnet["id"]});
        let ips = |port: &Value| -> BTreeSet<String> {
            let ips = port["fixed_ips"].as_array().expect("a list");
            ips.iter().map(|ip| text(&ip["ip_address"])).collect()
        };
        let body = |ips: Value| json!({"network_id": network["id"], "fixed_ips": ips});
        let one = json!({"ip_address": "10.0.0.10"});
        assert_eq!(
            cloud
                .not_made(DEMO, "ports", body(json!([one, one])), 400)
                .await,
            "HTTPBadRequest"
        );
        let port = cloud
            .make(DEMO, "ports", body(json!([any, one, any])))
            .await;
        let all = ["10.0.0.10", "10.0.0.11", "10.0.0.12"].map(str::to_owned);
        assert_eq!(ips(&port), BTreeSet::from(all.clone()));
        assert_eq!(
            cloud.not_made(DEMO, "ports", body(json!([any])), 409).await,
            "IpAddressGenerationFailure"
        );
        let two = json!({"fixed_ips": [any, {"ip_address": "10.0.0.11"}]});
        let fewer = ips(&cloud.change(DEMO, "ports", &port["id"], two).await);
        assert!(fewer.len() == 2 && fewer.contains("10.0.0.11"), "{fewer:?}");
        let again = json!({"fixed_ips": [any, any, any]});
        let port = cloud.change(DEMO, "ports", &port["id"], again).await;
        assert_eq!(ips(&port), BTreeSet::from(all.clone()));
        cloud.remove(DEMO, "ports", &port["id"]).await;
        let port = cloud
            .make(DEMO, "ports", body(json!([any, any, any])))
            .await;
        assert_eq!(ips(&port), BTreeSet::from(all), "all were given back");
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        let interface = Some(json!({"port_id": port["id"]}));
        let refused = cloud.refused(DEMO, Method::PUT, &path, interface, 400);
        assert_eq!(refused.await, "BadRequest");
    }
}

#[tokio::test]
async fn a_mac_address_is_free_or_refused() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let body = json!({"network_id": network["id"], "mac_address": "FA:16:3E:00:00:01"});
        let port = cloud.make(DEMO, "ports", body.clone()).await;
        assert_eq!(port["mac_address"], "fa:16:3e:00:00:01");
        assert_eq!(
            cloud.not_made(DEMO, "ports", body, 409).await,
            "MacAddressInUse"
        );
        let odd = json!({"network_id": network["id"], "mac_address": "01:00:5e:00:00:01"});
        assert_eq!(
            cloud.not_made(DEMO, "ports", odd, 400).await,
            "HTTPBadRequest"
        );
    }
}

#[tokio::test]
async fn port_security_and_its_groups_belong_together() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        assert_eq!(
            port["security_groups"].as_array().map(Vec::len),
            Some(1),
            "the default group"
        );
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        let off = json!({"port": {"port_security_enabled": false}});
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, &path, Some(off), 409)
                .await,
            "PortSecurityPortHasSecurityGroup"
        );
        let off = json!({"port_security_enabled": false, "security_groups": []});
        let port = cloud.change(DEMO, "ports", &port["id"], off).await;
        assert_eq!(port["port_security_enabled"], false);
        let pairs = json!({"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}});
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, &path, Some(pairs), 409)
                .await,
            "AddressPairAndPortSecurityRequired"
        );
        let on = json!({"port_security_enabled": true, "allowed_address_pairs": [{"ip_address": "10.0.0.0/28"}]});
        let port = cloud.change(DEMO, "ports", &port["id"], on).await;
        assert_eq!(
            port["allowed_address_pairs"][0]["mac_address"],
            port["mac_address"]
        );
        let none = json!({"network_id": network["id"], "security_groups": []});
        assert_eq!(
            cloud.make(DEMO, "ports", none).await["security_groups"],
            json!([])
        );
    }
}

#[tokio::test]
async fn dhcp_options_are_merged_and_null_removes_one() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let body = json!({"network_id": network["id"], "extra_dhcp_opts": [
            {"opt_name": "bootfile-name", "opt_value": "a"}, {"opt_name": "tftp-server", "opt_value": "1.2.3.4"}]});
        let port = cloud.make(DEMO, "ports", body).await;
        assert_eq!(
            port["extra_dhcp_opts"][0],
            json!({"opt_name": "bootfile-name", "opt_value": "a", "ip_version": 4})
        );
        let change = json!({"extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": null}]});
        let port = cloud.change(DEMO, "ports", &port["id"], change).await;
        assert_eq!(port["extra_dhcp_opts"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn members_may_not_bind_and_strangers_see_nothing() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let body = json!({"network_id": network["id"], "binding:host_id": "h1"});
        assert_eq!(
            cloud.not_made(DEMO, "ports", body, 403).await,
            "PolicyNotAuthorized"
        );
        assert_eq!(
            cloud
                .not_made(OTHER, "ports", json!({"network_id": network["id"]}), 404)
                .await,
            "NetworkNotFound"
        );
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        assert_eq!(
            cloud.refused(OTHER, Method::GET, &path, None, 404).await,
            "PortNotFound"
        );
        let shared = cloud.make(ADMIN, "networks", json!({"shared": true})).await;
        let subnet = json!({"network_id": shared["id"], "cidr": "10.5.0.0/24", "ip_version": 4});
        assert_eq!(
            cloud.not_made(DEMO, "subnets", subnet.clone(), 403).await,
            "PolicyNotAuthorized"
        );
        cloud.make(ADMIN, "subnets", subnet).await;
        let router_like = json!({"network_id": shared["id"], "device_owner": "network:dhcp"});
        assert_eq!(
            cloud.not_made(DEMO, "ports", router_like, 403).await,
            "PolicyNotAuthorized"
        );
        let exact = json!({"network_id": shared["id"], "fixed_ips": [{"ip_address": "10.5.0.9"}]});
        assert_eq!(
            cloud.not_made(DEMO, "ports", exact, 403).await,
            "PolicyNotAuthorized"
        );
    }
}

#[tokio::test]
async fn a_second_binding_is_prepared_activated_and_removed() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let body = json!({
            "network_id": network["id"], "device_id": SERVER, "device_owner": "compute:nova", "binding:host_id": "h1",
        });
        let port = cloud.make(ADMIN, "ports", body).await;
        let path = format!("/v2.0/ports/{}/bindings", text(&port["id"]));
        let second = json!({"binding": {"host": "h2"}});
        let made = cloud
            .ok(SERVICE, Method::POST, &path, Some(second.clone()), 201)
            .await;
        assert_eq!(
            (&made["binding"]["status"], &made["binding"]["vif_type"]),
            (&json!("INACTIVE"), &json!("bridge"))
        );
        assert_eq!(
            cloud
                .refused(SERVICE, Method::POST, &path, Some(second.clone()), 409)
                .await,
            "PortBindingAlreadyExists"
        );
        // As in Neutron, bindings are made by services; an operator reads them.
        for user in [ADMIN, DEMO] {
            let refused = cloud.refused(user, Method::POST, &path, Some(second.clone()), 403);
            assert_eq!(refused.await, "PolicyNotAuthorized");
        }
        let active = cloud
            .ok(
                SERVICE,
                Method::PUT,
                &format!("{path}/h2/activate"),
                None,
                200,
            )
            .await;
        assert_eq!(active["binding"]["status"], "ACTIVE");
        assert_eq!(
            cloud.show(ADMIN, "ports", &port["id"]).await["binding:host_id"],
            "h2"
        );
        assert_eq!(
            cloud
                .refused(
                    SERVICE,
                    Method::PUT,
                    &format!("{path}/h2/activate"),
                    None,
                    409
                )
                .await,
            "PortBindingAlreadyActive"
        );
        cloud.delete(SERVICE, &format!("{path}/h1")).await;
        let left = cloud.get(ADMIN, &path).await;
        assert_eq!(left["bindings"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            cloud
                .refused(SERVICE, Method::DELETE, &format!("{path}/h1"), None, 404)
                .await,
            "PortBindingNotFound"
        );
    }
}

#[tokio::test]
async fn several_ports_are_made_at_once_with_tags() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let one = json!({"network_id": network["id"], "tags": ["red"]});
        let body = json!({"ports": [one, one]});
        let made = cloud
            .ok(DEMO, Method::POST, "/v2.0/ports", Some(body), 201)
            .await;
        let ips: Vec<Value> = made["ports"]
            .as_array()
            .expect("list")
            .iter()
            .map(|port| port["fixed_ips"][0]["ip_address"].clone())
            .collect();
        assert_ne!(ips[0], ips[1]);
        assert_eq!(cloud.list(DEMO, "ports", "tags=red").await.len(), 2);
    }
}

#[tokio::test]
async fn a_user_makes_no_port_a_part_of_the_service() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let theirs = cloud.make(OTHER, "routers", json!({})).await;
        for owner in ["router_interface", "router_gateway", "dhcp", "floatingip"] {
            let owner = format!("network:{owner}");
            let forged = json!({"network_id": network["id"], "device_owner": owner, "device_id": theirs["id"]});
            assert_eq!(
                cloud.not_made(DEMO, "ports", forged, 403).await,
                "PolicyNotAuthorized"
            );
        }
        let port = cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        let forged = json!({"port": {"device_owner": "network:router_interface", "device_id": theirs["id"]}});
        let told = cloud.refused(DEMO, Method::PUT, &path, Some(forged), 403);
        assert_eq!(told.await, "PolicyNotAuthorized");
        let own = json!({"device_owner": "baremetal:mine", "device_id": "box"});
        cloud.change(DEMO, "ports", &port["id"], own).await;
        // An own interface is not moved to another's router either, nor freed of its owner.
        let unused = json!({"device_owner": "", "device_id": ""});
        cloud.change(DEMO, "ports", &port["id"], unused).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let join = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        cloud.put(DEMO, &join, json!({"port_id": port["id"]})).await;
        for change in [
            json!({"device_id": theirs["id"]}),
            json!({"device_owner": ""}),
        ] {
            let body = Some(json!({ "port": change }));
            let told = cloud.refused(DEMO, Method::PUT, &path, body, 403).await;
            assert_eq!(told, "PolicyNotAuthorized");
        }
        cloud
            .change(DEMO, "ports", &port["id"], json!({"name": "inside"}))
            .await;
    }
}

#[tokio::test]
async fn external_is_not_shared_and_shared_is_shared_with_the_caller() {
    for cloud in Cloud::all().await {
        let (external, subnet) = cloud.external("203.0.113.0/24").await;
        let on_it = json!({"network_id": external["id"]});
        assert_eq!(
            cloud.not_made(DEMO, "ports", on_it.clone(), 403).await,
            "HTTPForbidden"
        );
        let policy = |target: &str| {
            json!({"object_type": "network", "object_id": external["id"],
                "action": "access_as_shared", "target_tenant": target})
        };
        cloud.make(ADMIN, "rbac-policies", policy("p-other")).await;
        assert_eq!(
            cloud.not_made(DEMO, "ports", on_it.clone(), 403).await,
            "HTTPForbidden",
            "shared with somebody else"
        );
        let wish =
            json!({"network_id": external["id"], "fixed_ips": [{"subnet_id": subnet["id"]}]});
        assert_eq!(
            cloud.not_made(DEMO, "ports", wish.clone(), 403).await,
            "HTTPForbidden",
            "whose the network is comes before the rules of attributes"
        );
        cloud.make(OTHER, "ports", wish).await;
        cloud.make(ADMIN, "ports", on_it).await;
    }
}

#[tokio::test]
async fn a_port_has_the_name_that_it_is_given_in_the_domain_of_its_network() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let fqdn = |port: &Value| text(&port["dns_assignment"][0]["fqdn"]);
        let body = json!({"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.5"}]});
        let port = cloud.make(DEMO, "ports", body).await;
        assert_eq!(
            (&port["dns_name"], fqdn(&port).as_str()),
            (&json!(""), "host-10-0-0-5.openstacklocal.")
        );
        let named = json!({"dns_name": "Web-1"});
        let port = cloud.change(DEMO, "ports", &port["id"], named).await;
        assert_eq!(
            port["dns_assignment"],
            json!([{"ip_address": "10.0.0.5", "hostname": "web-1", "fqdn": "web-1.openstacklocal."}])
        );
        let domain = json!({"dns_domain": "my.example."});
        let changed = cloud.change(DEMO, "networks", &network["id"], domain).await;
        assert_eq!(changed["dns_domain"], "my.example.");
        let shown = cloud.show(DEMO, "ports", &port["id"]).await;
        assert_eq!(fqdn(&shown), "web-1.my.example.");
        let whole = json!({"dns_name": "db.my.example."});
        let shown = cloud.change(DEMO, "ports", &port["id"], whole).await;
        assert_eq!(fqdn(&shown), "db.my.example.");
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        let long = vec!["a".repeat(60); 5].join(".");
        let longish = format!("{}.bbb", vec!["a".repeat(60); 4].join("."));
        for bad in [
            "under_score",
            "-a",
            "a-",
            "a..b",
            "a.7",
            ".",
            "a b",
            "a\nb",
            "db.elsewhere.",
            "my.example.",
            &long,
            &longish,
            &"a".repeat(64),
        ] {
            let body = json!({"port": {"dns_name": bad}});
            let refused = cloud
                .refused(DEMO, Method::PUT, &path, Some(body), 400)
                .await;
            assert_eq!(refused, "HTTPBadRequest", "{bad:?}");
        }
        let path = format!("/v2.0/networks/{}", text(&network["id"]));
        for bad in ["no-dot", &format!("{long}."), "a_b."] {
            let body = json!({"network": {"dns_domain": bad}});
            cloud
                .refused(DEMO, Method::PUT, &path, Some(body), 400)
                .await;
        }
        let nameless = json!({"dns_name": ""});
        let port = cloud.change(DEMO, "ports", &port["id"], nameless).await;
        assert_eq!(fqdn(&port), "host-10-0-0-5.my.example.");
        assert_eq!(port["fixed_ips"][0]["subnet_id"], subnet["id"]);
    }
}

#[tokio::test]
async fn a_servers_port_is_removed_by_services_and_operators_alone() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        for (owner, may) in [("compute:nova", false), ("baremetal:x", false), ("", true)] {
            for (user, may) in [(DEMO, may), (SERVICE, true), (ADMIN, true)] {
                let body = json!({
                    "network_id": network["id"], "tenant_id": "p-demo", "device_id": SERVER, "device_owner": owner,
                });
                let port = cloud.make(SERVICE, "ports", body).await;
                let path = format!("/v2.0/ports/{}", text(&port["id"]));
                if may {
                    cloud.delete(user, &path).await;
                } else {
                    let refused = cloud.refused(user, Method::DELETE, &path, None, 403).await;
                    assert_eq!(refused, "PolicyNotAuthorized", "{owner}");
                }
            }
        }
    }
}
