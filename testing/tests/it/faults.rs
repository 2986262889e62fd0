//! Builds that go wrong: what is said, what is tried next, and that nothing stays behind.

use hypervisor_fake::Faults;
use serde_json::{Value, json};
use testing::{Server, TestCloud};

fn no_guest_starts() -> Faults {
    Faults {
        fail_start_of: Some(".*".to_owned()),
        ..Faults::default()
    }
}

/// A server with one card, asked for.
async fn wired(cloud: &TestCloud) -> Server {
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "wired", "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}],
    });
    cloud.boot_with(&demo, wanted).await
}

/// What operators are told of its fault, and its owner is not.
async fn details(cloud: &TestCloud, server: &Server) -> String {
    let fault = server.show().await["fault"].take();
    assert_eq!(fault.get("details"), None, "{fault}");
    let seen = server.seen_by(&cloud.admin().await);
    let fault = seen.show().await["fault"].take();
    let details = fault["details"].as_str();
    details
        .unwrap_or_else(|| panic!("no details: {fault}"))
        .to_owned()
}

/// It holds no room on any host and no port.
async fn holds_nothing(cloud: &TestCloud, server: &Server) {
    let held = compute_db::claims::of_consumer(cloud.cloud().db.read(), &server.id).await;
    assert_eq!(held.expect("the claims"), []);
    assert_eq!(server.ports().await, Vec::<Value>::new());
    for hosted in &cloud.cloud().hosts {
        let guest = hosted
            .driver
            .inspect(&server.id)
            .await
            .expect("the host answers");
        assert!(guest.is_none(), "a guest on {}", hosted.host);
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_server_that_fits_nowhere_is_told_why_and_operators_which_filter_refused_how_many()
 {
    let cloud = TestCloud::with("[fake]\nhosts = 3\nmemory_mb = 2048\n").await;
    cloud.knows_hosts(3).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let huge =
        json!({"flavor": {"id": "huge", "name": "huge", "ram": 1_000_000, "vcpus": 1, "disk": 1}});
    admin.post("/compute/v2.1/flavors", &huge).await.expect(200);
    let image = cloud.image(&demo).await;
    let wanted =
        json!({"name": "huge", "flavorRef": "huge", "imageRef": image, "networks": "none"});
    let server = cloud.boot_with(&demo, wanted).await;
    assert_eq!(
        server.fails().await,
        "No valid host was found. There are not enough hosts available: too little room."
    );
    let details = details(&cloud, &server).await;
    assert!(details.starts_with("3 of 3 hosts: "), "{details}");
    assert!(details.contains("resources refused 3"), "{details}");
    holds_nothing(&cloud, &server).await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_host_fails_the_next_one_is_tried_and_the_first_keeps_nothing() {
    let cloud = TestCloud::with("[fake]\nhosts = 3\n").await;
    cloud.knows_hosts(3).await;
    for broken in [0, 1] {
        cloud
            .host(broken)
            .set_faults(&no_guest_starts())
            .expect("faults");
    }
    let server = wired(&cloud).await;
    server.reaches("ACTIVE").await;
    let seen = server.seen_by(&cloud.admin().await);
    let host = seen.show().await["OS-EXT-SRV-ATTR:host"].clone();
    assert_eq!(host, cloud.cloud().hosts[2].host.as_str());
    let ports = server.ports().await;
    assert_eq!(ports.len(), 1, "one port, whatever was tried: {ports:?}");
    let port = ports[0]["id"].as_str().expect("an id");
    let port = seen
        .user
        .get(&format!("/network/v2.0/ports/{port}"))
        .await
        .expect(200);
    assert_eq!(port["port"]["binding:host_id"], host);
    cloud.audit().await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_hosts_fail_the_server_is_in_error_with_the_reason_and_holds_nothing() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\nfail_start_of = wired\n").await;
    cloud.knows_hosts(2).await;
    let server = wired(&cloud).await;
    let id = &server.id;
    assert_eq!(
        server.fails().await,
        format!(
            "Exceeded maximum number of retries. Exhausted all hosts available for retrying build \
             failures for instance {id}. The guest would not start."
        )
    );
    let details = details(&cloud, &server).await;
    for hosted in &cloud.cloud().hosts {
        let tried = format!(
            "{}: the guest did not start: wired is configured not to start",
            hosted.host
        );
        assert!(details.contains(&tried), "{details}");
    }
    holds_nothing(&cloud, &server).await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_no_host_can_use_ends_the_build_at_once_and_says_so() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\n").await;
    cloud.knows_hosts(2).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "first").await;
    server.reaches("ACTIVE").await;
    // Damaged behind the image service's back, on its way to the hosts' cache.
    let image = server.show().await["image"]["id"].take();
    let cached = cloud
        .state_path()
        .join("image-cache")
        .join(image.as_str().expect("an id"));
    std::fs::remove_file(&cached).expect("the image is in the cache");
    std::fs::write(&cached, b"QFI\xfbis no raw disk").expect("the cache");
    let wanted =
        json!({"name": "second", "flavorRef": "tiny", "imageRef": image, "networks": "none"});
    let server = cloud.boot_with(&demo, wanted).await;
    let id = &server.id;
    assert_eq!(
        server.fails().await,
        format!("Build of instance {id} aborted: Its image is unusable.")
    );
    let details = details(&cloud, &server).await;
    assert!(details.contains("the image is refused"), "{details}");
    holds_nothing(&cloud, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_being_built_can_be_deleted() {
    let cloud = TestCloud::with("[fake]\nstart_ms = 2000\n").await;
    let server = wired(&cloud).await;
    testing::until("it is being started", || async {
        (server.show().await["OS-EXT-STS:task_state"] == "spawning").then_some(())
    })
    .await;
    server.delete().await;
    // Twice does no harm.
    server.delete().await.vanishes().await;
    holds_nothing(&cloud, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_port_that_vanishes_during_the_build_leaves_nothing_behind() {
    let cloud = TestCloud::with("[fake]\nstart_ms = 500\n").await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let port = json!({"port": {"network_id": network}});
    let port = demo.post("/network/v2.0/ports", &port).await.expect(201);
    let port = port["port"]["id"].as_str().expect("an id").to_owned();
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "unlucky", "flavorRef": flavor, "imageRef": image,
        "networks": [{"uuid": network}, {"port": port}],
    });
    // A race with the build: either it fails (see `plugging`), or it had its port already and runs.
    let server = cloud.boot_with(&demo, wanted).await;
    demo.delete(&format!("/network/v2.0/ports/{port}")).await;
    testing::until("it settles", || async {
        let shown = server.show().await;
        (shown["status"] != "BUILD").then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    holds_nothing(&cloud, &server).await;
}
