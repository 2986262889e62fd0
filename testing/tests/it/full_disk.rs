//! Disks that are full: what is new is refused with a plain fault, what is there goes on.

use http::Method;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;
use testing::{Server, TestCloud, User};

/// Lets compute's database grow to so many pages and no further: what is written beyond fails as on a
/// full disk.
async fn pages(cloud: &TestCloud, most: u64) {
    let text = format!("PRAGMA max_page_count = {most}");
    let db = &cloud.cloud().db;
    db.write().execute_unprepared(&text).await.expect("a limit");
}

async fn create(user: &User, server: &Value) -> testing::Answer {
    let body = json!({"server": server});
    user.asks_for_server(&body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_room_refuses_servers_and_takes_them_again_by_itself() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let running = cloud.boot(&demo, "running").await;
    running.reaches("ACTIVE").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let user_data = "eHg=".repeat(10_000);
    let wanted = json!({"name": "new", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "user_data": user_data});
    pages(&cloud, 1).await;
    let mut taken = Vec::new();
    let refused = loop {
        // Some free pages may be left.
        let answer = create(&demo, &wanted).await;
        match answer.status.as_u16() {
            202 => taken.push(answer.expect(202)["server"]["id"].clone()),
            _ => break answer,
        }
        assert!(taken.len() < 10, "it never became full");
    };
    let fault = refused.fault(503);
    assert!(fault.contains("no room left on its disk"), "{fault}");
    assert_eq!(running.show().await["status"], "ACTIVE");
    let listed = demo.compute("latest", Method::GET, "/servers", None).await;
    let listed = listed.expect(200)["servers"].as_array().map(Vec::len);
    assert_eq!(listed, Some(1 + taken.len()));
    pages(&cloud, 1 << 30).await;
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    running.action(json!({"pause": null})).await;
    running.reaches("PAUSED").await;
    for id in taken {
        let id = id.as_str().expect("an id").to_owned();
        let user = demo.clone();
        let early = Server { user, id };
        early.reaches("ACTIVE").await;
        early.delete().await.vanishes().await;
    }
    for server in [running, server] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_saved_memory_of_suspended_servers_counts_as_disk_of_their_host() {
    let small = "[DEFAULT]\nreport_interval = 0.1\n[fake]\ndisk_gb = 10\n";
    let cloud = TestCloud::with(small).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let flavor = async |name: &str, ram: u64, disk: u64| {
        let flavor = json!({"id": name, "name": name, "ram": ram, "vcpus": 1, "disk": disk});
        let body = json!({"flavor": flavor});
        admin.post("/compute/v2.1/flavors", &body).await.expect(200);
    };
    flavor("large", 4096, 3).await;
    flavor("wide", 64, 6).await;
    let image = cloud.image(&demo).await;
    let of = |name: &str| json!({"name": name, "flavorRef": name, "imageRef": image, "networks": "none"});
    let large = cloud.boot_with(&demo, of("large")).await;
    large.reaches("ACTIVE").await;
    large.action(json!({"suspend": null})).await;
    large.reaches("SUSPENDED").await;
    let reserved = async |wanted: u64| {
        testing::until("the host reported its disk", || async {
            let nodes = compute_db::hosts::nodes(cloud.cloud().db.read(), None).await;
            let nodes = nodes.expect("nodes");
            (nodes[0].facts.reserved_disk_gb == wanted).then_some(())
        })
        .await;
    };
    reserved(4).await;
    // 3 GiB of disk, 4 of memory: 6 more do not fit into 10.
    let wide = cloud.boot_with(&demo, of("wide")).await;
    wide.reaches("ERROR").await;
    wide.delete().await.vanishes().await;
    large.action(json!({"resume": null})).await;
    large.reaches("ACTIVE").await;
    reserved(0).await;
    let wide = cloud.boot_with(&demo, of("wide")).await;
    wide.reaches("ACTIVE").await;
    for server in [large, wide] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
