//! Servers that want to be together, or apart, on hosts that are chosen at the same moment.

use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User};

use crate::engines::databases_of;

/// A group of the demo user.
async fn group(user: &User, policy: &str, rules: Value) -> String {
    let body = json!({"server_group": {"name": policy, "policy": policy, "rules": rules}});
    let made = user
        .compute("2.64", Method::POST, "/os-server-groups", Some(&body))
        .await
        .expect(200);
    let id = made["server_group"]["id"].as_str();
    id.expect("an id").to_owned()
}

/// The members that the group shows.
async fn members(user: &User, group: &str) -> usize {
    let path = format!("/os-server-groups/{group}");
    let shown = user.compute("2.64", Method::GET, &path, None).await;
    let shown = shown.expect(200);
    shown["server_group"]["members"]
        .as_array()
        .expect("a list")
        .len()
}

/// So many servers with a hint, asked for at the same time; those that run, by host, and the faults
/// of the others.
async fn crowd(
    cloud: &TestCloud,
    hints: Value,
    count: usize,
) -> (Vec<(String, Server)>, Vec<(String, Server)>) {
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let body = json!({
        "server": {"name": "member", "flavorRef": flavor, "imageRef": image, "networks": "none"},
        "os:scheduler_hints": hints,
    });
    let asked: Vec<Server> = futures::stream::iter(0..count)
        .map(|_| async {
            let made = demo.asks_for_server(&body).await.expect(202);
            demo.made(&made)
        })
        .buffer_unordered(count)
        .collect()
        .await;
    let (mut running, mut failed) = (Vec::new(), Vec::new());
    for server in asked {
        let seen = server.seen_by(&admin);
        let shown = testing::until("it settles", || async {
            let shown = seen.show().await;
            (shown["status"] != "BUILD").then_some(shown)
        })
        .await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match shown["status"].as_str() {
            Some("ACTIVE") => running.push((text(&shown["OS-EXT-SRV-ATTR:host"]), server)),
            _ => failed.push((shown["fault"].to_string(), server)),
        }
    }
    (running, failed)
}

fn hosts(running: &[(String, Server)]) -> Vec<&str> {
    let mut hosts: Vec<&str> = running.iter().map(|(host, _)| host.as_str()).collect();
    hosts.sort_unstable();
    hosts
}

/// All of them go, and nothing of them stays.
async fn all_go(cloud: &TestCloud, servers: &[(String, Server)]) {
    for (_, server) in servers {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_members_that_want_to_be_apart_as_many_run_as_there_are_hosts() {
    apart("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_apart_on_postgresql_too() {
    if let Some(settings) = databases_of("KILONOVA_TEST_POSTGRES").await {
        apart(&settings).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_apart_on_mariadb_too() {
    if let Some(settings) = databases_of("KILONOVA_TEST_MARIADB").await {
        apart(&settings).await;
    }
}

async fn apart(settings: &str) {
    let cloud = TestCloud::with(&format!("[fake]\nhosts = 3\n{settings}")).await;
    cloud.knows_hosts(3).await;
    let demo = cloud.demo().await;
    let id = group(&demo, "anti-affinity", json!({})).await;
    let (running, failed) = crowd(&cloud, json!({"group": id}), 6).await;
    let mut all = hosts(&running);
    all.dedup();
    assert_eq!(
        (running.len(), all.len(), failed.len()),
        (3, 3, 3),
        "{all:?}"
    );
    for (fault, _) in &failed {
        assert!(fault.contains("No valid host was found"), "{fault}");
    }
    assert_eq!(members(&demo, &id).await, 6);
    all_go(&cloud, &running[..1]).await;
    all_go(&cloud, &failed).await;
    assert_eq!(members(&demo, &id).await, 2, "who goes leaves the group");
    // The host that became free takes the next member.
    let (next, none) = crowd(&cloud, json!({"group": id}), 1).await;
    assert!(none.is_empty(), "{}", none[0].0);
    assert_eq!(next[0].0, running[0].0);
    all_go(&cloud, &next).await;
    all_go(&cloud, &running[1..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_says_how_many_members_a_host_may_have() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\n").await;
    cloud.knows_hosts(2).await;
    let demo = cloud.demo().await;
    let rules = json!({"max_server_per_host": 2});
    let id = group(&demo, "anti-affinity", rules).await;
    let (running, failed) = crowd(&cloud, json!({"group": id}), 6).await;
    let on = hosts(&running);
    let faults: Vec<_> = failed.iter().map(|(fault, _)| fault).collect();
    assert_eq!((on.len(), failed.len()), (4, 2), "{on:?} {faults:#?}");
    assert!(on[0] == on[1] && on[1] != on[2] && on[2] == on[3], "{on:?}");
    all_go(&cloud, &running).await;
    all_go(&cloud, &failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_want_to_be_together_are_wherever_the_first_came_to_be() {
    let cloud = TestCloud::with("[fake]\nhosts = 4\n").await;
    cloud.knows_hosts(4).await;
    let demo = cloud.demo().await;
    let id = group(&demo, "affinity", json!({})).await;
    let (running, failed) = crowd(&cloud, json!({"group": id}), 6).await;
    assert!(failed.is_empty(), "{}", failed[0].0);
    let mut all = hosts(&running);
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
    all_go(&cloud, &running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_be_kept_from_another_or_sent_to_it() {
    let filters = "[filter_scheduler]\nenabled_filters = ComputeFilter, DifferentHostFilter, SameHostFilter\n";
    let cloud = TestCloud::with(&format!("[fake]\nhosts = 2\n{filters}")).await;
    cloud.knows_hosts(2).await;
    let (first, _) = crowd(&cloud, json!({}), 1).await;
    let (host, server) = &first[0];
    for _ in 0..2 {
        let (apart, _) = crowd(&cloud, json!({"different_host": [server.id]}), 1).await;
        assert_ne!(&apart[0].0, host);
        let (together, _) = crowd(&cloud, json!({"same_host": server.id}), 1).await;
        assert_eq!(&together[0].0, host);
        all_go(&cloud, &apart).await;
        all_go(&cloud, &together).await;
    }
    all_go(&cloud, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cannot_force_a_member_where_its_group_is_not() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\n").await;
    cloud.knows_hosts(2).await;
    let admin = cloud.admin().await;
    let id = group(&admin, "anti-affinity", json!({})).await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&admin).await);
    let body = json!({
        "server": {"name": "forced", "flavorRef": flavor, "imageRef": image, "networks": "none",
            "availability_zone": format!("nova:{}", cloud.cloud().hosts[0].host)},
        "os:scheduler_hints": {"group": id},
    });
    let mut servers = Vec::new();
    for _ in 0..2 {
        let made = admin
            .compute("2.64", Method::POST, "/servers", Some(&body))
            .await;
        let made = made.expect(202);
        servers.push(admin.made(&made));
        if let [first] = &servers[..] {
            first.reaches("ACTIVE").await;
        }
    }
    let fault = servers[1].fails().await;
    assert!(fault.contains("No valid host"), "{fault}");
    for server in &servers {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
