//! Filters, sorting, paging, tags, and the lists around the resources.

use http::Method;
use serde_json::json;

use crate::cloud::{ADMIN, Cloud, DEMO, text};

#[tokio::test]
async fn a_path_or_a_method_that_is_not_there_is_refused_by_type() {
    for cloud in Cloud::all().await {
        let refused = async |method: &str, path: &str, status| {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            cloud.refused(DEMO, method, path, None, status).await
        };
        assert_eq!(refused("GET", "/v2.0/a/b/c/d/e", 404).await, "HTTPNotFound");
        for method in ["POST", "FETCH"] {
            let kind = refused(method, "/v2.0/networks/x/tags", 405).await;
            assert_eq!(kind, "HTTPMethodNotAllowed");
        }
    }
}

#[tokio::test]
async fn lists_filter_sort_page_and_trim() {
    for cloud in Cloud::all().await {
        for name in ["c", "a", "b"] {
            cloud.make(DEMO, "networks", json!({"name": name})).await;
        }
        let names = |all: Vec<serde_json::Value>| -> Vec<String> {
            all.iter().map(|one| text(&one["name"])).collect()
        };
        assert_eq!(
            names(
                cloud
                    .list(DEMO, "networks", "sort_key=name&sort_dir=desc")
                    .await
            ),
            ["c", "b", "a"]
        );
        assert_eq!(
            names(
                cloud
                    .list(DEMO, "networks", "name=a&name=b&sort_key=name")
                    .await
            ),
            ["a", "b"]
        );
        let page = cloud
            .get(DEMO, "/v2.0/networks?limit=2&sort_key=name")
            .await;
        let next = text(&page["networks_links"][0]["href"]);
        assert!(next.starts_with("http://cloud/v2.0/networks?"), "{next}");
        let next = next.trim_start_matches("http://cloud/v2.0/networks?");
        assert_eq!(names(cloud.list(DEMO, "networks", next).await), ["c"]);
        let trimmed = cloud
            .list(DEMO, "networks", "fields=id&fields=name&name=a")
            .await;
        assert_eq!(trimmed[0].as_object().map(|map| map.len()), Some(2));
        cloud
            .refused(DEMO, Method::GET, "/v2.0/networks?colour=red", None, 400)
            .await;
        cloud
            .refused(DEMO, Method::GET, "/v2.0/networks?limit=-1", None, 400)
            .await;
        cloud
            .refused(DEMO, Method::GET, "/v2.0/networks?marker=none", None, 400)
            .await;
        assert_eq!(
            cloud
                .list(DEMO, "networks", "router:external=True")
                .await
                .len(),
            0
        );
        assert_eq!(
            cloud
                .list(DEMO, "networks", "tenant_id=p-demo&admin_state_up=true")
                .await
                .len(),
            3
        );
    }
}

/// Filters that cannot mean anything, and how each is refused.
const IMPOSSIBLE: &[(&str, &str)] = &[
    ("networks?admin_state_up=maybe", "InvalidInput"),
    ("networks?changed_since=yesterday", "InvalidInput"),
    ("networks?mtu=x", "InvalidInput"),
    ("networks?revision_number=last", "InvalidInput"),
    ("networks?router:external=", "InvalidInput"),
    ("networks?shared=2", "InvalidInput"),
    ("ports?fixed_ips=10.0.0.5", "InvalidInput"),
    ("ports?fixed_ips==10.0.0.5", "InvalidInput"),
    (
        "security-group-rules?ethertype=IPX",
        "SecurityGroupRuleInvalidEtherType",
    ),
    (
        "security-group-rules?port_range_min=65536",
        "SecurityGroupInvalidPortValue",
    ),
    (
        "security-group-rules?protocol=256",
        "SecurityGroupRuleInvalidProtocol",
    ),
    ("security-group-rules?remote_ip_prefix=here", "InvalidCIDR"),
    ("subnetpools?min_prefixlen=x", "InvalidInput"),
    ("subnets?cidr=here", "InvalidInput"),
    ("subnets?enable_dhcp=maybe", "InvalidInput"),
    ("subnets?ip_version=four", "InvalidInput"),
];

/// Filters that are understood and that nothing passes.
const UNMET: &[&str] = &[
    "networks?id=no-uuid",
    "networks?admin_state_up=off",
    "ports?network_id=no-uuid",
    "subnets?gateway_ip=here",
    "subnets?ip_version=9",
];

#[tokio::test]
async fn a_filter_with_an_impossible_value_is_refused_and_one_without_a_match_finds_nothing() {
    for cloud in Cloud::all().await {
        cloud.net("10.0.0.0/24").await;
        for (query, kind) in IMPOSSIBLE {
            let path = format!("/v2.0/{query}");
            let found = cloud.refused(DEMO, Method::GET, &path, None, 400).await;
            assert_eq!(found, *kind, "{query}");
        }
        for query in UNMET {
            let (collection, query) = query.split_once('?').expect("a query");
            assert!(
                cloud.list(DEMO, collection, query).await.is_empty(),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn a_filter_may_spell_its_value_in_other_ways_than_objects_do() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let mac = "fa:16:3e:ab:cd:ef";
        let port = json!({"network_id": network["id"], "mac_address": mac});
        cloud.make(DEMO, "ports", port).await;
        for query in [
            "networks?admin_state_up=Yes",
            "networks?mtu=%201500",
            "ports?mac_address=FA-16-3E-AB-CD-EF",
            "subnets?cidr=10.0.0.0/24&ip_version=4",
        ] {
            let (collection, query) = query.split_once('?').expect("a query");
            assert_eq!(
                cloud.list(DEMO, collection, query).await.len(),
                1,
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn ports_are_found_by_their_addresses() {
    for cloud in Cloud::all().await {
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        for ip in ["10.0.0.50", "10.0.0.60"] {
            let body = json!({"network_id": network["id"], "fixed_ips": [{"ip_address": ip}], "device_id": ip});
            cloud.make(DEMO, "ports", body).await;
        }
        let count = async |query: &str| cloud.list(DEMO, "ports", query).await.len();
        assert_eq!(count("fixed_ips=ip_address%3D10.0.0.50").await, 1);
        assert_eq!(count("fixed_ips=ip_address_substr=0.0.5").await, 1);
        let either = "fixed_ips=ip_address=10.0.0.50&fixed_ips=ip_address=10.0.0.60";
        assert_eq!(count(either).await, 2);
        let both = "fixed_ips=ip_address=10.0.0.50&fixed_ips=ip_address_substr=60";
        assert_eq!(count(both).await, 0);
        assert_eq!(
            count(&format!("fixed_ips=subnet_id={}", text(&subnet["id"]))).await,
            3
        );
        assert_eq!(count("device_id=10.0.0.60").await, 1);
        assert_eq!(count("device_owner=network:dhcp").await, 1);
        assert_eq!(count("mac_address=00:00:00:00:00:00").await, 0);
    }
}

#[tokio::test]
async fn tags_are_set_looked_for_and_removed() {
    for cloud in Cloud::all().await {
        let network = cloud.make(DEMO, "networks", json!({})).await;
        let base = format!("/v2.0/networks/{}/tags", text(&network["id"]));
        cloud
            .ok(DEMO, Method::PUT, &format!("{base}/red"), None, 201)
            .await;
        cloud
            .ok(DEMO, Method::GET, &format!("{base}/red"), None, 204)
            .await;
        assert_eq!(
            cloud
                .refused(DEMO, Method::GET, &format!("{base}/blue"), None, 404)
                .await,
            "TagNotFound"
        );
        assert_eq!(
            cloud.put(DEMO, &base, json!({"tags": ["a", "b"]})).await["tags"],
            json!(["a", "b"])
        );
        assert_eq!(cloud.list(DEMO, "networks", "tags=a,b").await.len(), 1);
        assert_eq!(
            cloud.list(DEMO, "networks", "not-tags-any=a").await.len(),
            0
        );
        cloud.delete(DEMO, &format!("{base}/a")).await;
        assert_eq!(cloud.get(DEMO, &base).await["tags"], json!(["b"]));
        cloud.delete(DEMO, &base).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let of_router = format!("/v2.0/routers/{}/tags/red", text(&router["id"]));
        cloud.ok(DEMO, Method::PUT, &of_router, None, 201).await;
        assert_eq!(cloud.get(DEMO, &base).await["tags"], json!([]));
    }
}

#[tokio::test]
async fn extensions_zones_and_agents_are_listed() {
    for cloud in Cloud::all().await {
        let all = cloud.list(DEMO, "extensions", "").await;
        assert!(all.iter().any(|one| one["alias"] == "security-group"));
        assert_eq!(
            cloud.get(DEMO, "/v2.0/extensions/router").await["extension"]["alias"],
            "router"
        );
        assert_eq!(
            cloud
                .refused(DEMO, Method::GET, "/v2.0/extensions/trunk", None, 404)
                .await,
            "ExtensionNotFound"
        );
        let zones = cloud.get(DEMO, "/v2.0/availability_zones").await;
        assert_eq!(zones["availability_zones"][0]["state"], "available");
        let stop = tokio_util::sync::CancellationToken::new();
        let tasks = cloud.networks.start(None, stop.clone());
        let mut agents = Vec::new();
        while agents.is_empty() {
            tokio::task::yield_now().await;
            agents = cloud.list(ADMIN, "agents", "").await;
        }
        assert_eq!(
            (&agents[0]["host"], &agents[0]["alive"]),
            (&json!("h1"), &json!(true))
        );
        assert!(
            cloud.list(DEMO, "agents", "").await.is_empty(),
            "only an admin sees agents"
        );
        stop.cancel();
        tasks.join_all().await;
    }
}

/// Names that no list around the resources knows, nor one whose objects have no tags and no times.
const UNKNOWN: &[&str] = &[
    "address-scopes?tags=a",
    "agents?changed_since=2026-01-01",
    "availability_zones?host=h1",
    "extensions?colour=red",
    "network-ip-availabilities?name=x",
    "networks?colour=red",
    "quotas?network=1",
    "rbac-policies?not-tags=a",
    "service-providers?colour=red",
];

#[tokio::test]
async fn names_that_a_list_does_not_know_are_refused_by_name() {
    for cloud in Cloud::all().await {
        let port = cloud.net("10.0.0.0/24").await.0;
        let port = json!({"network_id": port["id"], "binding:host_id": "h1"});
        let port = cloud.make(ADMIN, "ports", port).await;
        let bindings = format!("ports/{}/bindings", text(&port["id"]));
        let of_port = format!("{bindings}?id=x");
        for query in UNKNOWN.iter().copied().chain([of_port.as_str()]) {
            let path = format!("/v2.0/{query}");
            let kind = cloud.refused(ADMIN, Method::GET, &path, None, 400).await;
            assert_eq!(kind, "HTTPBadRequest", "{query}");
        }
        let bindings = format!("/v2.0/{bindings}");
        let found = cloud.get(ADMIN, &format!("{bindings}?host=h1")).await;
        let one = &found["bindings"][0];
        let names: Vec<&String> = one.as_object().expect("a binding").keys().collect();
        for name in &names {
            let value = "nothing=x";
            let query = format!("{bindings}?{name}={value}");
            assert_eq!(
                cloud.get(ADMIN, &query).await["bindings"],
                json!([]),
                "{name}"
            );
        }
        for query in ["name=x", "resource=disk", "state=down"] {
            let none = cloud.list(DEMO, "availability_zones", query).await;
            assert!(none.is_empty(), "{query}");
        }
        // One thing comes with the members that are wanted.
        for path in [
            format!("{bindings}/h1?fields=host"),
            format!(
                "/v2.0/network-ip-availabilities/{}?fields=network_id",
                text(&port["network_id"])
            ),
        ] {
            let one = cloud.get(ADMIN, &path).await;
            let inner = one
                .as_object()
                .and_then(|body| body.values().next()?.as_object());
            assert_eq!(inner.map(|inner| inner.len()), Some(1), "{path}");
        }
    }
}

#[tokio::test]
async fn filters_on_bindings_find_ports_for_admins_and_tell_others_nothing() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        for (host, name) in [("h1", "one"), ("h2", "two"), ("", "")] {
            let body = json!({
                "network_id": network["id"], "project_id": "p-demo", "name": name, "binding:host_id": host,
            });
            cloud.make(ADMIN, "ports", body).await;
        }
        let found = async |caller: &str, query: &str| {
            let query = format!("{query}&device_owner=&sort_key=name");
            let ports = cloud.list(caller, "ports", &query).await;
            let names = ports.iter().map(|port| text(&port["name"]));
            names.collect::<Vec<_>>()
        };
        let every = ["", "one", "two"];
        for (query, expected) in [
            ("binding:host_id=h2", &["two"][..]),
            ("binding:host_id=h1&binding:host_id=h2", &["one", "two"]),
            ("binding:host_id=h3", &[]),
            ("binding:host_id=", &[""]),
            ("name=&name=one", &["", "one"]),
            ("status=ACTIVE", &["one", "two"]),
            ("status=DOWN", &[""]),
            ("binding:vnic_type=normal", &every),
            ("binding:vnic_type=direct", &[]),
        ] {
            assert_eq!(found(ADMIN, query).await, expected, "{query}");
            let hidden = query.starts_with("binding:host_id");
            let expected = if hidden { &every[..] } else { expected };
            assert_eq!(found(DEMO, query).await, expected, "{query}");
        }
    }
}
