//! Which hosts servers get, as the cloud changes.

use http::Method;
use hypervisor_fake::Faults;
use serde_json::{Value, json};
use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_failed_is_left_alone_until_a_build_on_it_goes_well() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\n").await;
    cloud.knows_hosts(2).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let failed = async || {
        let nodes = compute_db::hosts::nodes(cloud.cloud().db.read(), None).await;
        let nodes = nodes.expect("the nodes").into_iter();
        let broken = &cloud.cloud().hosts[0].host;
        let mut broken = nodes.filter(|node| node.host == *broken);
        broken.next().expect("it reported").failed_builds
    };
    let faults = Faults {
        fail_start_of: Some(".*".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    // The first goes to either host; the second finds more room on the one that is broken.
    let mut servers = vec![];
    for name in ["first", "second", "third", "fourth"] {
        let server = cloud.boot(&demo, name).await;
        server.reaches("ACTIVE").await;
        servers.push(server);
    }
    assert_eq!(failed().await, 1, "tried once, then left alone");
    cloud
        .host(0)
        .set_faults(&Faults::default())
        .expect("no faults");
    let (flavor, image) = (cloud.tiny().await, cloud.image(&admin).await);
    let forced = json!({"name": "forced", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "availability_zone": format!("nova:{}", cloud.cloud().hosts[0].host)});
    let forced = cloud.boot_with(&admin, forced).await;
    forced.reaches("ACTIVE").await;
    assert_eq!(failed().await, 0);
    for server in servers.iter().chain([&forced]) {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_was_made_a_moment_ago_takes_servers_at_once() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\n").await;
    cloud.knows_hosts(2).await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    // The scheduler has just looked at its hosts.
    let first = cloud.boot(&demo, "first").await;
    first.reaches("ACTIVE").await;
    // A host that carries servers keeps its zone.
    let path = format!("/servers/{}", first.id);
    let shown = admin.compute("2.1", Method::GET, &path, None).await;
    let taken = shown.expect(200)["server"]["OS-EXT-SRV-ATTR:host"].take();
    let mut hosts = cloud.cloud().hosts.iter().map(|one| json!(one.host));
    let host = hosts.find(|host| *host != taken).expect("another host");
    let act = async |path: &str, body: Value| {
        let answer = admin.compute("2.1", Method::POST, path, Some(&body)).await;
        answer.expect(200)
    };
    let zone = json!({"aggregate": {"name": "new", "availability_zone": "new"}});
    let made = act("/os-aggregates", zone).await;
    let path = format!("/os-aggregates/{}/action", made["aggregate"]["id"]);
    act(&path, json!({"add_host": {"host": host}})).await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({"name": "second", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "availability_zone": "new"});
    let second = cloud.boot_with(&demo, wanted).await;
    let shown = second.reaches("ACTIVE").await;
    assert_eq!(shown["OS-EXT-AZ:availability_zone"], "new");
    for server in [first, second] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
