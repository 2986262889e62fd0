//! The promises of the bus, on every wire.
#![allow(clippy::unwrap_used)]

mod suite;

use bus::Bus;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wire_in_memory_keeps_the_promises() {
    suite::run(|| async { Bus::memory() }).await;
}
