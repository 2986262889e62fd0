//! Nothing is accepted and ignored: the walk over the tables of attributes.

use http::Method;
use network::{PlaneKind, Settings};
use rest::accepted::Fate;
use serde_json::{Value, json};

use super::cloud::{ADMIN, Cloud, DEMO, text};

/// Where objects of a resource are made, and a body that makes one.
struct Made {
    resource: &'static str,
    path: String,
    body: Value,
}

/// What is made of each resource that an administrator can make; the last is one that is there.
async fn all(cloud: &Cloud) -> Vec<Made> {
    let (network, subnet) = cloud.net("10.0.0.0/24").await;
    let (external, _) = cloud.external("203.0.113.0/24").await;
    let (router, group) = (
        cloud.make(DEMO, "routers", json!({})).await,
        cloud.make(DEMO, "security-groups", json!({})).await,
    );
    let interface = json!({"subnet_id": subnet["id"]});
    let path = format!("/v2.0/routers/{}", text(&router["id"]));
    cloud
        .put(DEMO, &format!("{path}/add_router_interface"), interface)
        .await;
    let gateway = json!({"router": {"external_gateway_info": {"network_id": external["id"]}}});
    cloud.put(DEMO, &path, gateway).await;
    let on_it = json!({"network_id": network["id"]});
    let port = cloud.make(DEMO, "ports", on_it.clone()).await;
    let floating = json!({"floating_network_id": external["id"]});
    let carrier = cloud.make(DEMO, "floatingips", floating.clone()).await;
    let plain = |resource, collection: &str, body| Made {
        resource,
        path: format!("/v2.0/{collection}"),
        body,
    };
    let fixed = &port["fixed_ips"][0]["ip_address"];
    vec![
        plain("network", "networks", json!({})),
        plain(
            "subnet",
            "subnets",
            json!({"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4}),
        ),
        plain("port", "ports", on_it),
        plain("security_group", "security-groups", json!({})),
        plain(
            "security_group_rule",
            "security-group-rules",
            json!({"security_group_id": group["id"], "direction": "ingress"}),
        ),
        plain("router", "routers", json!({})),
        plain("floatingip", "floatingips", floating),
        plain(
            "subnetpool",
            "subnetpools",
            json!({"name": "p", "prefixes": ["10.9.0.0/16"]}),
        ),
        plain(
            "address_scope",
            "address-scopes",
            json!({"name": "s", "ip_version": 4}),
        ),
        plain(
            "rbac_policy",
            "rbac-policies",
            json!({"object_type": "network", "object_id": network["id"], "action": "access_as_shared", "target_tenant": "x"}),
        ),
        Made {
            resource: "port_binding",
            path: format!("/v2.0/ports/{}/bindings", text(&port["id"])),
            body: json!({"host": "elsewhere"}),
        },
        Made {
            resource: "port_forwarding",
            path: format!(
                "/v2.0/floatingips/{}/port_forwardings",
                text(&carrier["id"])
            ),
            body: json!({
                "internal_port_id": port["id"], "internal_ip_address": fixed, "internal_port": 22,
                "external_port": 2222, "protocol": "tcp",
            }),
        },
    ]
}

/// What is not made by a POST: bodies of changes.
const OTHERS: [&str; 4] = [
    "agent",
    "extra routes of a router",
    "interface of a router",
    "quota",
];

/// The key of a resource in bodies.
fn key(resource: &str) -> &str {
    match resource {
        "port_binding" => "binding",
        resource => resource,
    }
}

/// Asks as an administrator; gives the code and the message.
async fn asked(
    cloud: &Cloud,
    method: Method,
    path: &str,
    key: &str,
    body: &Value,
) -> (u16, String) {
    let (status, answer) = cloud
        .raw(ADMIN, method, path, Some(json!({ key: body })))
        .await;
    let message = answer["NeutronError"]["message"].as_str();
    (status.as_u16(), message.unwrap_or_default().to_owned())
}

/// A value that asks for what the row refuses.
fn wish(attribute: &str) -> Value {
    match attribute {
        "dns_name" => json!("web"),
        "dns_domain" => json!("example.org."),
        "admin_state_up" => json!(false),
        _ => json!(true),
    }
}

#[tokio::test]
async fn what_is_refused_says_why_and_what_describes_what_is_done_is_taken() {
    for cloud in Cloud::all().await {
        let made = all(&cloud).await;
        for accepts in network::accepted() {
            let Some(made) = made.iter().find(|made| made.resource == accepts.resource) else {
                assert!(OTHERS.contains(&accepts.resource), "how is it made?");
                continue;
            };
            for (name, fate) in &accepts.attributes {
                let (code, unless, why) = match fate {
                    Fate::Refused { unless, why } => (400, unless, why),
                    Fate::NotBuilt { unless, why } => (501, unless, why),
                    _ => continue,
                };
                let with = |value: Value| {
                    let mut body = made.body.clone();
                    body[*name] = value;
                    body
                };
                let key = key(made.resource);
                let wished = with(wish(name));
                let (status, said) = asked(&cloud, Method::POST, &made.path, key, &wished).await;
                assert_eq!(status, code, "{key}.{name}: {said}");
                assert!(
                    said.contains(why) && said.contains(name),
                    "{key}.{name}: {said}"
                );
                for taken in *unless {
                    let taken = with(serde_json::from_str(taken).expect("JSON"));
                    let (status, said) = asked(&cloud, Method::POST, &made.path, key, &taken).await;
                    assert_eq!(status, 201, "{key}.{name}: {said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_change_asks_for_no_more_than_what_is_made() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let port = json!({"network_id": network["id"]});
        let port = cloud.make(DEMO, "ports", port).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        for (collection, id, name, code) in [
            ("subnets", &subnet["id"], "dns_publish_fixed_ip", 400),
            ("ports", &port["id"], "dns_domain", 400),
            ("routers", &router["id"], "ha", 501),
            ("routers", &router["id"], "distributed", 501),
        ] {
            let path = format!("/v2.0/{collection}/{}", text(id));
            let key = collection.trim_end_matches('s');
            let body = json!({ name: wish(name) });
            let (status, said) = asked(&cloud, Method::PUT, &path, key, &body).await;
            assert_eq!(status, code, "{key}.{name}: {said}");
        }
        let agents = cloud.list(ADMIN, "agents", "").await;
        for agent in agents {
            let path = format!("/v2.0/agents/{}", text(&agent["id"]));
            let body = json!({"admin_state_up": false});
            let (status, said) = asked(&cloud, Method::PUT, &path, "agent", &body).await;
            assert_eq!(status, 400, "{said}");
            assert!(said.contains("cannot be taken out of use"), "{said}");
        }
    }
}

/// Attributes of extensions that are not there.
const FOREIGN: &[(&str, &[&str])] = &[
    (
        "network",
        &[
            "ha",
            "l2_adjacency",
            "project_default",
            "pvlan",
            "qinq",
            "qos_policy_id",
            "segments",
            "vlan_transparent",
        ],
    ),
    (
        "port",
        &[
            "data_plane_status",
            "device_profile",
            "hardware_offload_type",
            "hints",
            "ip_allocation",
            "mac_learning_enabled",
            "numa_affinity_policy",
            "propagate_uplink_status",
            "pvlan_type",
            "qos_network_policy_id",
            "qos_policy_id",
            "resource_request",
            "trunk_details",
            "trusted",
        ],
    ),
    (
        "router",
        &[
            "conntrack_helpers",
            "enable_default_route_bfd",
            "enable_default_route_ecmp",
            "enable_ndp_proxy",
            "enable_snat",
            "evpn_vni",
            "external_gateways",
            "qos_policy_id",
            "service_type_id",
        ],
    ),
    (
        "floatingip",
        &["distributed", "qos_network_policy_id", "qos_policy_id"],
    ),
    ("subnet", &["leak_routes", "router:external"]),
    (
        "port_forwarding",
        &["external_port_range", "internal_port_range"],
    ),
    ("security_group", &["shared_with"]),
];

#[tokio::test]
async fn attributes_of_extensions_that_are_not_there_are_not_recognised() {
    for cloud in Cloud::all().await {
        let made = all(&cloud).await;
        for (resource, names) in FOREIGN {
            let made = made.iter().find(|made| made.resource == *resource);
            let made = made.expect("it is made somewhere");
            for name in *names {
                let mut body = made.body.clone();
                body[*name] = json!(null);
                let (status, said) =
                    asked(&cloud, Method::POST, &made.path, key(resource), &body).await;
                assert_eq!(status, 400, "{resource}.{name}");
                assert_eq!(said, format!("Unrecognized attribute(s) '{name}'"));
            }
        }
        let (status, said) = asked(
            &cloud,
            Method::POST,
            "/v2.0/networks",
            "network",
            &json!({"name": "n", "hue": 1, "colour": 2}),
        )
        .await;
        assert_eq!(status, 400);
        assert_eq!(said, "Unrecognized attribute(s) 'colour, hue'");
        let body =
            json!({"external_gateway_info": {"network_id": NOWHERE, "qos_policy_id": NOWHERE}});
        let (status, said) = asked(&cloud, Method::POST, "/v2.0/routers", "router", &body).await;
        assert_eq!(status, 400, "{said}");
        assert!(said.contains("qos_policy_id"), "{said}");
    }
}

const NOWHERE: &str = "b0d1f6a2-5f0c-4b43-9d9e-0f6a3c2e7d11";

#[tokio::test]
async fn bodies_of_quotas_and_of_actions_on_routers_are_read_by_their_tables() {
    for cloud in Cloud::all().await {
        let (_, subnet) = cloud.net("10.0.0.0/24").await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let path = format!("/v2.0/quotas/{}", text(&router["project_id"]));
        let put = async |body: Value| asked(&cloud, Method::PUT, &path, "quota", &body).await;
        let (status, said) = put(json!({"subnet": 5, "moon": 1})).await;
        let unknown = "Unrecognized attribute(s) 'moon'";
        assert_eq!((status, said.as_str()), (400, unknown));
        let body = json!({"router": 0, "check_limit": true});
        assert_eq!(put(body).await.0, 400, "less than what is in use");
        for force in [json!({"router": 0, "force": true}), json!({"router": 3})] {
            assert_eq!(put(force).await.0, 200);
        }
        // Both ways to name an interface contradict each other; foreign names are not looked at, as in Neutron.
        let path = format!("/v2.0/routers/{}", text(&router["id"]));
        let add = format!("{path}/add_router_interface");
        for refused in [
            json!({}),
            json!({"subnet_id": subnet["id"], "port_id": NOWHERE}),
            json!({"subnet_id": "no id"}),
        ] {
            let (status, _) = cloud.raw(DEMO, Method::PUT, &add, Some(refused)).await;
            assert_eq!(status, 400);
        }
        let body = json!({"subnet_id": subnet["id"], "colour": "red"});
        cloud.put(DEMO, &add, body).await;
        let more = format!("{path}/add_extraroutes");
        let body = json!({"router": {"routes": [{"destination": "10.9.0.0/24"}]}});
        let (status, _) = cloud.raw(DEMO, Method::PUT, &more, Some(body)).await;
        assert_eq!(status, 400);
    }
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_no_hint() {
    for cloud in Cloud::all().await {
        for collection in ["networks", "routers"] {
            let path = format!("/v2.0/{collection}");
            let key = collection.trim_end_matches('s');
            let body = json!({"availability_zone_hints": ["nova", "moon"]});
            let (status, said) = asked(&cloud, Method::POST, &path, key, &body).await;
            assert_eq!(
                (status, said.as_str()),
                (404, "AvailabilityZone moon could not be found.")
            );
            let body = json!({"availability_zone_hints": ["nova"]});
            let made = cloud.make(DEMO, collection, body).await;
            assert_eq!(made["availability_zone_hints"], json!(["nova"]));
        }
    }
}

#[tokio::test]
async fn a_host_that_makes_networks_is_connected_to_none_by_name() {
    let settings = Settings {
        plane: PlaneKind::Linux,
        ..Settings::default()
    };
    let cloud = Cloud::open(sql::testing::sqlite().await, settings).await;
    let flat = json!({"provider:network_type": "flat", "provider:physical_network": "left"});
    let (status, said) = asked(&cloud, Method::POST, "/v2.0/networks", "network", &flat).await;
    assert_eq!(status, 400);
    assert!(
        said.contains("physical_network 'left' unknown for flat provider network"),
        "{said}"
    );
    let free = Cloud::open(sql::testing::sqlite().await, Settings::default()).await;
    free.make(ADMIN, "networks", flat).await;
}
