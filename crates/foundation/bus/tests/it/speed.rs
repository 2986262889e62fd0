//! How long a call takes. The limits are loose, for busy machines and debug builds; the numbers are printed.

use std::time::{Duration, Instant};

use bus::testing::Broker;
use bus::{Address, Bus, Context, Message, Options};

use crate::suite::{Add, State, service, unique};

async fn per_call(bus: &Bus, calls: u32) -> Duration {
    let address = Address::topic(unique("speed"));
    bus.serve(&address, service(&State::new()), 8)
        .await
        .unwrap();
    let context = Context::new("req-speed").on_behalf_of("alice", "wonderland");
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        for n in 0..calls {
            bus.call(
                &address,
                Add { a: n.into(), b: 1 },
                Options::within(&context),
            )
            .await
            .unwrap();
        }
        best = best.min(started.elapsed() / calls);
    }
    best
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_memory_takes_microseconds() {
    let calls = 10_000;
    let bus = Bus::memory();
    // From a task, as roles call: the test's own thread is not one of the workers.
    let best = tokio::spawn(async move { per_call(&bus, calls).await })
        .await
        .unwrap();
    eprintln!("memory: {best:?} a call of {}", Add::NAME);
    let limit = if cfg!(debug_assertions) { 100 } else { 20 };
    assert!(best < Duration::from_micros(limit), "{best:?}");
}

pub async fn of_the_broker(broker: &Broker) {
    let bus = Bus::connect(&broker.url()).await.unwrap();
    let one = per_call(&bus, 200).await;
    let address = Address::topic(unique("speed"));
    bus.serve(&address, service(&State::new()), 64)
        .await
        .unwrap();
    let started = Instant::now();
    let calls = (0..2000).map(|n| bus.call(&address, Add { a: n, b: 1 }, Options::default()));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
    let rate = 2000.0 / started.elapsed().as_secs_f64();
    eprintln!("rabbitmq: {one:?} a call alone, {rate:.0} calls/s of 2000 at once");
    bus.shutdown(Duration::from_secs(5)).await.unwrap();
}
