//! Many servers at once.

use futures::StreamExt;
use serde_json::json;
use testing::{Server, TestCloud};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_servers_at_sixteen_at_once_all_run_and_all_go() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted =
        json!({"name": "one of many", "flavorRef": flavor, "imageRef": image, "networks": "none"});
    let servers: Vec<Server> = futures::stream::iter(0..200)
        .map(|_| async {
            let server = cloud.boot_with(&demo, wanted.clone()).await;
            server.reaches("ACTIVE").await;
            server
        })
        .buffer_unordered(16)
        .collect()
        .await;
    assert_eq!(servers.len(), 200);
    futures::stream::iter(&servers)
        .for_each_concurrent(16, |server| async {
            server.delete().await.vanishes().await;
        })
        .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_room_for_five_takes_exactly_five_of_twenty() {
    let room = "[fake]\nmemory_mb = 320\n[DEFAULT]\nreserved_host_memory_mb = 0\n";
    let cloud = TestCloud::with(room).await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted =
        json!({"name": "crowd", "flavorRef": flavor, "imageRef": image, "networks": "none"});
    let servers: Vec<Server> = futures::stream::iter(0..20)
        .map(|_| cloud.boot_with(&demo, wanted.clone()))
        .buffer_unordered(20)
        .collect()
        .await;
    let mut counts = [0, 0];
    for server in &servers {
        let settled = testing::until("it settles", || async {
            let shown = server.show().await;
            (shown["status"] != "BUILD").then_some(shown)
        })
        .await;
        match settled["status"].as_str() {
            Some("ACTIVE") => counts[0] += 1,
            Some("ERROR") => {
                counts[1] += 1;
                let message = settled["fault"]["message"].as_str().expect("a reason");
                assert!(message.starts_with("No valid host was found."), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counts, [5, 15]);
    cloud.audit().await;
    for server in &servers {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
