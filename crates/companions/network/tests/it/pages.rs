//! Lists of what tables hold: filters of every kind, orders by several keys, pages in both directions.

use http::Method;
use serde_json::json;

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, SERVICE, text};

/// A list that is walked through: its path below `/v2.0/`, its member in answers, and the member that names an object.
#[derive(Clone, Copy)]
struct Pages<'a> {
    path: &'a str,
    plural: &'a str,
    key: &'a str,
}

const NETWORKS: Pages<'_> = Pages {
    path: "networks",
    plural: "networks",
    key: "id",
};

/// Follows the links by this name from a first page of two; the keys of all pages.
async fn walk(cloud: &Cloud, list: Pages<'_>, query: &str, rel: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next = Some(format!("/v2.0/{}?limit=2&{query}", list.path));
    while let Some(path) = next {
        let page = cloud.get(ADMIN, &path).await;
        let mut here: Vec<String> = Vec::new();
        for one in page[list.plural].as_array().expect("a list") {
            here.push(text(&one[list.key]));
        }
        if rel == "previous" {
            here.reverse();
        }
        let full = here.len() == 2;
        ids.extend(here);
        let links = page[format!("{}_links", list.plural)].as_array();
        let mut links = links.expect("links").iter();
        next = links
            .find(|link| link["rel"] == rel)
            .filter(|_| full)
            .map(|link| text(&link["href"]).replace("http://cloud", ""));
    }
    ids
}

/// Pages in both directions are the list.
async fn is_walked(cloud: &Cloud, list: Pages<'_>, query: &str, count: usize) {
    let path = format!("/v2.0/{}?{query}", list.path);
    let all = cloud.get(ADMIN, &path).await;
    let all = all[list.plural].as_array().expect("a list").iter();
    let mut all: Vec<String> = all.map(|one| text(&one[list.key])).collect();
    assert_eq!(all.len(), count, "{path}");
    assert_eq!(walk(cloud, list, query, "next").await, all, "{path}");
    all.reverse();
    let query = format!("page_reverse=True&{query}");
    assert_eq!(walk(cloud, list, &query, "previous").await, all, "{path}");
}

#[tokio::test]
async fn pages_follow_several_keys_in_both_directions() {
    for cloud in Cloud::all().await {
        for (name, kind, number) in [
            ("b", "vxlan", json!(7)),
            ("a", "local", json!(null)),
            ("b", "vxlan", json!(9)),
            ("a", "vxlan", json!(7)),
            ("B", "local", json!(null)),
            ("b", "local", json!(null)),
            ("", "vxlan", json!(10)),
        ] {
            let body = json!({
                "name": name, "provider:network_type": kind, "provider:segmentation_id": number,
                "admin_state_up": name == "a",
            });
            cloud.make(ADMIN, "networks", body).await;
        }
        for order in [
            "",
            "sort_key=name&sort_dir=desc",
            "sort_key=name&sort_dir=asc&sort_key=provider:segmentation_id&sort_dir=desc",
            "sort_key=admin_state_up&sort_key=provider:physical_network&sort_key=name",
            "sort_key=provider:segmentation_id",
            "sort_key=availability_zone_hints&sort_key=created_at",
        ] {
            is_walked(&cloud, NETWORKS, order, 7).await;
        }
        let sorted = cloud.list(ADMIN, "networks", "sort_key=name").await;
        let names: Vec<String> = sorted.iter().map(|one| text(&one["name"])).collect();
        assert_eq!(names, ["", "B", "a", "a", "b", "b", "b"]);
        let by_number = "sort_key=provider:segmentation_id&sort_dir=desc";
        let sorted = cloud.list(ADMIN, "networks", by_number).await;
        let numbers: Vec<_> = sorted[..4]
            .iter()
            .map(|one| &one["provider:segmentation_id"])
            .collect();
        assert_eq!(numbers, [10, 9, 7, 7], "numbers, not texts");
    }
}

#[tokio::test]
async fn a_page_begins_only_at_what_the_caller_sees_and_finds() {
    for cloud in Cloud::all().await {
        let mine = cloud.make(DEMO, "networks", json!({"name": "mine"})).await;
        let other = cloud
            .make(ADMIN, "networks", json!({"name": "other"}))
            .await;
        let ask = |id: &serde_json::Value, more: &str| {
            format!("/v2.0/networks?limit=1{more}&marker={}", text(id))
        };
        cloud.get(DEMO, &ask(&mine["id"], "")).await;
        for path in [ask(&other["id"], ""), ask(&mine["id"], "&name=x")] {
            cloud.refused(DEMO, Method::GET, &path, None, 400).await;
        }
        let hidden = "/v2.0/ports?sort_key=binding:host_id";
        cloud.get(ADMIN, hidden).await;
        cloud.refused(DEMO, Method::GET, hidden, None, 400).await;
        for query in [
            "sort_key=colour",
            "sort_key=subnets",
            "subnets=x",
            "availability_zones=x",
        ] {
            let path = format!("/v2.0/networks?{query}");
            cloud.refused(DEMO, Method::GET, &path, None, 400).await;
        }
    }
}

#[tokio::test]
async fn quotas_come_in_pages_of_projects() {
    let list = Pages {
        path: "quotas",
        plural: "quotas",
        key: "project_id",
    };
    for cloud in Cloud::all().await {
        for number in 0..5 {
            let path = format!("/v2.0/quotas/p-{number}");
            let body = json!({"quota": {"port": number, "router": 7}});
            cloud.put(ADMIN, &path, body).await;
        }
        for order in ["", "sort_key=project_id&sort_dir=desc"] {
            is_walked(&cloud, list, order, 5).await;
        }
        let found = cloud.list(ADMIN, "quotas", "tenant_id=p-3").await;
        assert_eq!(found.len(), 1);
        let limits = (&found[0]["port"], &found[0]["router"], &found[0]["network"]);
        assert_eq!(limits, (&json!(3), &json!(7), &json!(100)));
        for query in ["limit=1&marker=p-9", "sort_key=port"] {
            let path = format!("/v2.0/quotas?{query}");
            cloud.refused(ADMIN, Method::GET, &path, None, 400).await;
        }
    }
}

#[tokio::test]
async fn counts_of_addresses_come_in_pages_of_networks_and_by_ip_version() {
    let list = Pages {
        path: "network-ip-availabilities",
        plural: "network_ip_availabilities",
        key: "network_id",
    };
    for cloud in Cloud::all().await {
        let (both, _) = cloud.net("10.0.0.0/24").await;
        let six = json!({"network_id": both["id"], "cidr": "fd00::/64", "ip_version": 6});
        cloud.make(DEMO, "subnets", six).await;
        for number in 0..4 {
            cloud.net(&format!("10.1.{number}.0/24")).await;
        }
        is_walked(&cloud, list, "", 5).await;
        is_walked(&cloud, list, "ip_version=4&sort_key=network_name", 5).await;
        let found = cloud.list(ADMIN, list.path, "ip_version=6").await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["network_id"], both["id"]);
        let counted = found[0]["subnet_ip_availability"].as_array();
        let counted = counted.expect("subnets");
        assert_eq!(counted.len(), 1, "{counted:?}");
        assert_eq!(counted[0]["cidr"], "fd00::/64");
        let own = format!("network_id={}", text(&both["id"]));
        for (query, count) in [
            ("project_id=p-demo", 5),
            ("tenant_id=p-other", 0),
            ("network_name=n", 5),
            (own.as_str(), 1),
        ] {
            assert_eq!(
                cloud.list(ADMIN, list.path, query).await.len(),
                count,
                "{query}"
            );
        }
        let one = format!("/v2.0/{}/{}", list.path, text(&both["id"]));
        let one = cloud.get(ADMIN, &one).await;
        let counted = one["network_ip_availability"]["subnet_ip_availability"].as_array();
        assert_eq!(counted.map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn objects_are_found_by_their_lists_their_times_and_whom_they_are_shared_with() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let subnet = json!({
            "network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": null,
            "dns_nameservers": ["10.1.0.3", "10.1.0.4"], "enable_dhcp": false,
            "host_routes": [{"destination": "10.2.0.0/16", "nexthop": "10.1.0.9"}],
        });
        cloud.make(DEMO, "subnets", subnet).await;
        let port = json!({
            "network_id": network["id"],
            "allowed_address_pairs": [{"ip_address": "10.9.0.0/16"}], "device_owner": "x:y",
        });
        let port = cloud.make(ADMIN, "ports", port).await;
        let profile = json!({"port": {"binding:profile": {"slot": 4, "word": "a\"b", "on": true}}});
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        cloud
            .ok(SERVICE, Method::PUT, &path, Some(profile), 200)
            .await;
        let base = format!("/v2.0/ports/{}/tags", text(&port["id"]));
        let tags = json!({"tags": ["red", "a\"blue", "Green", "100%"]});
        cloud.put(ADMIN, &base, tags).await;
        let group = text(&port["security_groups"][0]);
        let group = format!("ports?security_groups={group}");
        let changed = format!(
            "ports?device_owner=x:y&changed_since={}",
            text(&port["updated_at"])
        );
        let created = format!(
            "ports?device_owner=x:y&created_at={}",
            text(&port["created_at"])
        );
        let later = "ports?device_owner=x:y&changed_since=2999-01-01T00:00:00Z";
        for (query, found) in [
            ("subnets?dns_nameservers=10.1.0.3", 1),
            ("subnets?dns_nameservers=10.1.0.4", 1),
            ("subnets?dns_nameservers=10.1.0", 0),
            ("subnets?host_routes=nexthop=10.1.0.9", 1),
            ("subnets?host_routes=nexthop=10.1.0", 0),
            ("subnets?allocation_pools=start=10.1.0.1", 1),
            ("subnets?gateway_ip=", 1),
            ("subnets?gateway_ip=None&gateway_ip=10.0.0.1", 2),
            ("ports?allowed_address_pairs=ip_address=10.9.0.0/16", 1),
            ("ports?binding:profile=slot=4", 1),
            ("ports?binding:profile=slot=40", 0),
            ("ports?binding:profile=word=a%22b", 1),
            ("ports?binding:profile=word=b", 0),
            ("ports?binding:profile=on=True", 1),
            ("ports?binding:profile=&device_owner=network:dhcp", 1),
            (&group, 1),
            ("ports?tags=red", 1),
            ("ports?tags=red,Green", 1),
            ("ports?tags=green", 0),
            ("ports?tags=blue", 0),
            ("ports?tags=100%25", 1),
            ("ports?tags-any=blue,red", 1),
            ("ports?not-tags=red,blue&device_owner=x:y", 1),
            ("ports?not-tags=red,Green&device_owner=x:y", 0),
            ("ports?not-tags-any=blue&device_owner=x:y", 1),
            (&changed, 1),
            (&created, 1),
            (later, 0),
            ("networks?shared=False", 1),
            ("networks?shared=True", 0),
        ] {
            let (collection, query) = query.split_once('?').expect("a query");
            let all = cloud.list(ADMIN, collection, query).await;
            assert_eq!(all.len(), found, "{collection} {query}: {all:?}");
        }
        let policy = json!({
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
            "target_tenant": "p-other",
        });
        cloud.make(DEMO, "rbac-policies", policy).await;
        for (caller, shared, alone) in [(OTHER, 1, 0), (DEMO, 0, 1), (ADMIN, 0, 1)] {
            let count = async |query| cloud.list(caller, "networks", query).await.len();
            assert_eq!(count("shared=True").await, shared, "{caller}");
            assert_eq!(count("shared=False").await, alone, "{caller}");
            assert_eq!(count("shared=False&shared=True").await, 1, "{caller}");
            assert_eq!(
                cloud.list(caller, "subnets", "shared=True").await.len(),
                2 * shared
            );
        }
    }
}

#[tokio::test]
async fn rules_are_found_by_what_they_match() {
    for cloud in Cloud::all().await {
        let group = cloud
            .make(DEMO, "security-groups", json!({"name": "g"}))
            .await;
        let rule = json!({
            "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
            "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.1/8",
        });
        cloud.make(DEMO, "security-group-rules", rule).await;
        let of_group = format!("security_group_id={}", text(&group["id"]));
        for (query, found) in [
            ("normalized_cidr=10.0.0.0/8", 1),
            ("normalized_cidr=10.0.0.0", 0),
            ("normalized_cidr=", 2),
            ("remote_ip_prefix=10.0.0.1/8", 1),
            ("protocol=TCP", 1),
            ("protocol=any", 2),
            ("port_range_min=22", 1),
            ("port_range_min=2", 0),
            ("remote_address_group_id=", 3),
            ("ethertype=ipv6", 1),
        ] {
            let query = format!("{of_group}&{query}");
            let all = cloud.list(DEMO, "security-group-rules", &query).await;
            assert_eq!(all.len(), found, "{query}");
        }
    }
}
