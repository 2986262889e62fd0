//! How long a call by the broker takes: printed, and all of many at once are answered.

use std::time::{Duration, Instant};

use bus::testing::Broker;
use bus::{Address, Bus, Context, Options};

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
