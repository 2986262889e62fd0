//! A delete in the middle of another operation leaves something behind: OSSA-2014-032, 2014-037, 2015-015, 2015-017,
//! 2016-011.

use std::time::Duration;

use serde_json::{Value, json};
use testing::TestCloud;

/// Slow enough that a delete comes in the middle of each step.
const SLOW: &str = "[fake]\nhosts = 2\nstart_ms = 150\nstop_ms = 150\nother_ms = 20\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_at_any_moment_of_a_build_leaves_nothing() {
    let cloud = TestCloud::with(SLOW).await;
    cloud.knows_hosts(2).await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}],
    });
    for moment in [0, 5, 10, 20, 40, 80, 120, 160, 200, 300] {
        let server = cloud.boot_with(&demo, wanted.clone()).await;
        // The moment is the point of the test; whatever state it meets, the end is the same.
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.delete().await.vanishes().await;
        assert_eq!(
            server.ports().await,
            Vec::<Value>::new(),
            "after {moment} ms"
        );
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_the_middle_of_each_action_leaves_nothing() {
    let cloud = TestCloud::with(SLOW).await;
    cloud.knows_hosts(2).await;
    let demo = cloud.demo().await;
    for action in [
        json!({"os-stop": null}),
        json!({"reboot": {"type": "HARD"}}),
        json!({"reboot": {"type": "SOFT"}}),
        json!({"pause": null}),
        json!({"suspend": null}),
    ] {
        let server = cloud.boot(&demo, "s").await;
        server.reaches("ACTIVE").await;
        server.action(action.clone()).await.expect(202);
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
