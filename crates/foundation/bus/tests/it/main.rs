//! The promises of the bus, on every wire.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // tests run programs as people do

mod broker;
mod speed;
mod suite;

use bus::Bus;
use bus::testing::Broker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wire_in_memory_keeps_the_promises() {
    suite::run(|| async { Bus::connect("memory://").await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wire_over_rabbitmq_keeps_the_promises() {
    let Some(broker) = Broker::start().await.unwrap() else {
        return;
    };
    suite::run(|| async { Bus::connect(&broker.url()).await.unwrap() }).await;
    speed::of_the_broker(&broker).await;
}
