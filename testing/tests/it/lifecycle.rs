//! A server's life, from POST to the empty audit.

use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_boots_stops_starts_and_goes() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
