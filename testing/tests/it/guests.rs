//! Guests that do things by themselves.

use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_powers_itself_off_is_soon_shown_so_and_can_be_started() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "tired").await;
    server.reaches("ACTIVE").await;
    // Long before the next comparison of all guests, which comes every ten minutes.
    cloud
        .host(0)
        .power_off_from_inside(&server.id)
        .await
        .expect("it runs");
    let shown = server.reaches("SHUTOFF").await;
    assert_eq!(shown["OS-EXT-STS:power_state"], 4);
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_crashes_is_soon_shown_so_and_can_be_started() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "broken").await;
    server.reaches("ACTIVE").await;
    cloud
        .host(0)
        .crash_guest(&server.id)
        .await
        .expect("it runs");
    let shown = server.reaches("SHUTOFF").await;
    assert_eq!(shown["OS-EXT-STS:power_state"], 6);
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
