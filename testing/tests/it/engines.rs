//! The same cloud on every database engine, and over a real broker.
//!
//! `cargo xtask services -- cargo test -p testing` offers PostgreSQL and MariaDB.

use std::fmt::Write;
use std::time::Duration;

use bus::testing::Broker;
use serde_json::json;
use testing::TestCloud;

/// The core of what users do, and a restart in the middle.
async fn core(settings: &str) {
    let mut cloud = TestCloud::with(settings).await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "engine", "flavorRef": flavor, "imageRef": image,
        "networks": [{"uuid": network}], "metadata": {"Colour": "red", "colour": "blue 🥊"},
        "tags": ["one", "ONE"], "description": "zwölf Boxkämpfer 東京",
    });
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    assert!(server.address("private").await.starts_with("10.1.0."));
    server.stop().await.reaches("SHUTOFF").await;
    cloud.restart().await;
    let server = server.seen_by(&cloud.demo().await);
    let shown = server.reaches("SHUTOFF").await;
    assert_eq!(
        shown["metadata"],
        json!({"Colour": "red", "colour": "blue 🥊"})
    );
    assert_eq!(shown["description"], "zwölf Boxkämpfer 東京");
    server.start().await.reaches("ACTIVE").await;
    let crowd =
        (0..8).map(|number| cloud.boot(&server.user, if number % 2 == 0 { "even" } else { "odd" }));
    let crowd = futures::future::join_all(crowd).await;
    for one in &crowd {
        one.reaches("ACTIVE").await;
    }
    cloud.audit().await;
    for one in crowd.iter().chain([&server]) {
        one.delete().await;
    }
    for one in crowd.iter().chain([&server]) {
        one.vanishes().await;
    }
    cloud.audit().await;
    // Two clouds must not share a broker.
    cloud.stop().await;
}

/// The settings of a cloud in fresh databases of a server, if the environment names one.
pub async fn databases_of(variable: &str) -> Option<String> {
    let server = sql::testing::server(variable)?;
    let mut settings = String::new();
    for section in ["database", "identity", "image", "network", "volume"] {
        let url = sql::testing::fresh_url(&server).await;
        writeln!(settings, "[{section}]\nconnection = {url}").expect("a text");
    }
    Some(settings)
}

async fn core_on(variable: &str) {
    if let Some(settings) = databases_of(variable).await {
        core(&settings).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_on_sqlite() {
    core("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_on_postgresql() {
    core_on("KILONOVA_TEST_POSTGRES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_on_mariadb() {
    core_on("KILONOVA_TEST_MARIADB").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_over_rabbitmq_works_and_outlives_the_broker() {
    let Some(mut broker) = Broker::start().await.expect("the broker starts") else {
        return;
    };
    let settings = format!("[DEFAULT]\ntransport_url = {}\n", broker.url());
    core(&settings).await;

    let cloud = TestCloud::with(&settings).await;
    let demo = cloud.demo().await;
    let before = cloud.boot(&demo, "before").await;
    before.reaches("ACTIVE").await;
    broker.kill();
    // Accepted at once, though no conductor can be told: messages are only nudges, what was accepted
    // is in the journal.
    let accepted = tokio::time::timeout(Duration::from_secs(10), before.stop());
    accepted
        .await
        .expect("a broker that is away holds no answer up");
    broker.start_again().await.expect("the broker starts again");
    before.reaches("SHUTOFF").await;
    let after = cloud.boot(&demo, "after").await;
    after.reaches("ACTIVE").await;
    for server in [&before, &after] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
