//! Use that nobody counts: OSSA-2017-005, 2017-006. What servers hold is what is claimed, whatever happened before.

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::json;
use testing::{Server, TestCloud};

/// MiB that each host's hypervisor shows as used.
async fn used(cloud: &TestCloud) -> u64 {
    let admin = cloud.admin().await;
    let path = "/os-hypervisors/detail";
    let shown = admin
        .compute("2.87", http::Method::GET, path, None)
        .await
        .expect(200);
    let hypervisors = shown["hypervisors"].as_array().expect("a list");
    hypervisors
        .iter()
        .filter_map(|one| one["memory_mb_used"].as_u64())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_equal_what_servers_hold_after_builds_failures_and_deletes_at_once() {
    let faults =
        "[fake]\nhosts = 3\nfail_start_of = doomed\n[DEFAULT]\nreserved_host_memory_mb = 0\n";
    let cloud = TestCloud::with(faults).await;
    cloud.knows_hosts(3).await;
    let before = used(&cloud).await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let kept: Vec<Server> = futures::stream::iter(0..24)
        .map(|number| {
            let (cloud, demo, flavor, image) = (&cloud, &demo, &flavor, &image);
            async move {
                let name = if number % 3 == 0 { "doomed" } else { "fine" };
                let wanted = json!({"name": name, "flavorRef": flavor, "imageRef": image, "networks": "none"});
                let server = cloud.boot_with(demo, wanted).await;
                match number % 3 {
                    0 => drop(server.fails().await),
                    1 => drop(server.reaches("ACTIVE").await),
                    _ => {
                        server.delete().await.vanishes().await;
                        return None;
                    }
                }
                (number % 3 == 1).then_some(server)
            }
        })
        .buffer_unordered(8)
        .filter_map(|kept| async move { kept })
        .collect()
        .await;
    assert_eq!(kept.len(), 8);
    assert_eq!(
        used(&cloud).await - before,
        8 * 64,
        "eight servers of 64 MiB"
    );
    let mut by_host = BTreeMap::new();
    for server in &kept {
        let claims = compute_db::claims::of_consumer(cloud.cloud().db.read(), &server.id).await;
        let claims = claims.expect("claims");
        let nodes: std::collections::BTreeSet<_> =
            claims.iter().map(|(node, _)| node.clone()).collect();
        assert_eq!(nodes.len(), 1, "claimed once: {claims:?}");
        *by_host.entry(nodes.into_iter().next()).or_insert(0) += 1;
    }
    assert_eq!(by_host.values().sum::<i32>(), 8);
    cloud.audit().await;
    for server in &kept {
        server.delete().await.vanishes().await;
    }
    assert_eq!(used(&cloud).await, before);
    cloud.audit().await;
}
