//! What the bus does when the broker, a connection or a consumer goes away.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bus::testing::Broker;
use bus::{
    Address, Bus, CallError, ConnectError, Context, Failure, Message, Options, Service,
    TransportError,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::suite::{Add, Note, State, service, unique};

/// A call that may be repeated.
#[derive(Serialize, Deserialize)]
struct Double(i64);
impl Message for Double {
    const NAME: &'static str = "double";
    const IDEMPOTENT: bool = true;
    type Reply = i64;
}

/// A call that may not, slow enough to be interrupted.
#[derive(Serialize, Deserialize)]
struct Charge(u64);
impl Message for Charge {
    const NAME: &'static str = "charge";
    type Reply = ();
}

#[derive(Default)]
struct Till {
    charged: AtomicUsize,
}

async fn double(_: Arc<Till>, _: Context, m: Double) -> Result<i64, Failure> {
    sleep(Duration::from_millis(5)).await;
    Ok(m.0 * 2)
}
async fn charge(till: Arc<Till>, _: Context, m: Charge) -> Result<(), Failure> {
    till.charged.fetch_add(1, Ordering::SeqCst);
    sleep(Duration::from_millis(m.0)).await;
    Ok(())
}

fn till(state: &Arc<Till>) -> Service<Till> {
    Service::new(Arc::clone(state)).on(double).on(charge)
}

fn within(seconds: u64) -> Options {
    Options::default().deadline(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_survives_whatever_happens_to_the_broker() {
    let Some(mut broker) = Broker::start().await.unwrap() else {
        return;
    };
    let later = casts_for_later(&broker).await;
    wrong_credentials_are_told_at_start(&broker).await;
    idempotent_calls_survive_closed_connections(&broker).await;
    a_consumer_process_that_dies_leaves_its_casts_to_others(&broker).await;
    a_role_whose_last_server_died_is_no_such_service(&broker).await;
    traffic_survives_a_broker_that_is_killed(&mut broker, &later).await;
}

async fn wrong_credentials_are_told_at_start(broker: &Broker) {
    let url = broker.url().replace("guest:guest", "guest:wrong");
    let started = Instant::now();
    let error = Bus::connect(&url).await.err().unwrap();
    assert!(matches!(error, ConnectError::Broker { .. }));
    assert!(
        !error.to_string().contains("wrong"),
        "no credentials in messages: {error}"
    );
    assert!(started.elapsed() < Duration::from_secs(10));
}

async fn idempotent_calls_survive_closed_connections(broker: &Broker) {
    let address = Address::topic(unique("cut"));
    let (client, server) = (
        Bus::connect(&broker.url()).await.unwrap(),
        Bus::connect(&broker.url()).await.unwrap(),
    );
    let state = Arc::<Till>::default();
    server.serve(&address, till(&state), 8).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let traffic = tokio::spawn({
        let (client, address, done) = (client.clone(), address.clone(), done.clone());
        async move {
            let mut answered = 0;
            while !done.load(Ordering::SeqCst) {
                assert_eq!(
                    client
                        .call(&address, Double(answered), within(30))
                        .await
                        .unwrap(),
                    answered * 2
                );
                answered += 1;
            }
            answered
        }
    });
    let charged = tokio::spawn({
        let (client, address) = (client.clone(), address.clone());
        async move { client.call(&address, Charge(120_000), within(180)).await }
    });
    while state.charged.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    broker.close_all_connections().await.unwrap();
    // A call that must not run twice fails at once instead.
    let error = timeout(Duration::from_secs(15), charged)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Transport {
                source: TransportError::Disconnected,
                ..
            }
        ),
        "{error:?}"
    );
    broker.close_all_connections().await.unwrap();
    assert_eq!(
        client.call(&address, Double(21), within(30)).await.unwrap(),
        42
    );
    done.store(true, Ordering::SeqCst);
    assert!(traffic.await.unwrap() > 20);
    assert_eq!(state.charged.load(Ordering::SeqCst), 1);
    client.shutdown(Duration::from_secs(1)).await.unwrap();
    // Its handler still sleeps: a lost caller does not end it.
    server
        .shutdown(Duration::from_millis(100))
        .await
        .unwrap_err();
}

/// Casts to a topic without server: must survive the outage. Sent long before it, because
/// RabbitMQ 3.10 loses the leader of a quorum queue that was made seconds before a power failure.
async fn casts_for_later(broker: &Broker) -> Address {
    let bus = Bus::connect(&broker.url()).await.unwrap();
    let later = Address::topic(unique("later"));
    for _ in 0..50 {
        bus.cast(
            &later,
            Note {
                text: "durable".into(),
            },
            Options::default(),
        )
        .await
        .unwrap();
    }
    bus.shutdown(Duration::from_secs(5)).await.unwrap();
    later
}

async fn traffic_survives_a_broker_that_is_killed(broker: &mut Broker, later: &Address) {
    let address = Address::host(unique("outage"), "node1");
    let (client, server) = (
        Bus::connect(&broker.url()).await.unwrap(),
        Bus::connect(&broker.url()).await.unwrap(),
    );
    let state = State::new();
    server.serve(&address, service(&state), 8).await.unwrap();
    let doubles = Address::host(unique("doubles"), "node1");
    server
        .serve(&doubles, till(&Arc::default()), 8)
        .await
        .unwrap();

    let casts = tokio::spawn({
        let (client, address) = (client.clone(), address.clone());
        async move {
            for _ in 0..100 {
                client
                    .cast(
                        &address,
                        Note {
                            text: "through the outage".into(),
                        },
                        Options::default(),
                    )
                    .await
                    .unwrap();
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let calls = tokio::spawn({
        let (client, doubles) = (client.clone(), doubles.clone());
        async move {
            for n in 0..100 {
                assert_eq!(
                    client.call(&doubles, Double(n), within(60)).await.unwrap(),
                    n * 2
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    state.reaches(20).await;
    broker.kill();
    let error = client
        .call(&address, Add { a: 1, b: 1 }, within(1))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Transport {
                source: TransportError::Disconnected,
                ..
            }
        ),
        "{error:?}"
    );
    broker.start_again().await.unwrap();
    timeout(Duration::from_secs(60), casts)
        .await
        .unwrap()
        .unwrap();
    timeout(Duration::from_secs(60), calls)
        .await
        .unwrap()
        .unwrap();
    // Every confirmed cast is handled, at least once.
    state.reaches(100).await;
    let late = State::new();
    server.serve(later, service(&late), 4).await.unwrap();
    late.reaches(50).await;
    let before = state.notes.load(Ordering::SeqCst);
    client
        .fanout(
            address.topic_name(),
            Note { text: "all".into() },
            Options::default(),
        )
        .await
        .unwrap();
    state.reaches(before + 1).await;
    client.shutdown(Duration::from_secs(5)).await.unwrap();
    server.shutdown(Duration::from_secs(5)).await.unwrap();
}

/// The name of the test below, and the variables that tell it what to do.
const CONSUMER: &str = "broker::a_consumer_in_a_process_of_its_own";

#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test's own variables are no settings"
)]
async fn a_consumer_in_a_process_of_its_own() {
    let (Ok(url), Ok(topic)) = (
        std::env::var("KILONOVA_TEST_URL"),
        std::env::var("KILONOVA_TEST_TOPIC"),
    ) else {
        return; // Only a helper of the case below.
    };
    async fn never(_: Arc<()>, _: Context, _: Note) -> Result<(), Failure> {
        std::future::pending().await
    }
    async fn add(_: Arc<()>, _: Context, m: Add) -> Result<i64, Failure> {
        Ok(m.a + m.b)
    }
    let bus = Bus::connect(&url).await.unwrap();
    bus.serve(
        &Address::topic(topic),
        Service::new(()).on(never).on(add),
        4,
    )
    .await
    .unwrap();
    sleep(Duration::from_secs(120)).await;
}

async fn consumer_process(broker: &Broker, topic: &str, bus: &Bus) -> std::process::Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([CONSUMER, "--exact", "--nocapture"])
        .env("KILONOVA_TEST_URL", broker.url())
        .env("KILONOVA_TEST_TOPIC", topic)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = Address::topic(topic.to_owned());
    let until = Instant::now() + Duration::from_secs(30);
    while bus
        .call(&address, Add { a: 1, b: 1 }, within(2))
        .await
        .is_err()
    {
        assert!(
            Instant::now() < until,
            "the consumer process does not serve"
        );
        sleep(Duration::from_millis(50)).await;
    }
    child
}

async fn a_consumer_process_that_dies_leaves_its_casts_to_others(broker: &Broker) {
    let topic = unique("mortal");
    let address = Address::topic(topic.clone());
    let bus = Bus::connect(&broker.url()).await.unwrap();
    let mut child = consumer_process(broker, &topic, &bus).await;
    for _ in 0..4 {
        bus.cast(
            &address,
            Note {
                text: "begun and never ended".into(),
            },
            Options::default(),
        )
        .await
        .unwrap();
    }
    sleep(Duration::from_millis(300)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let state = State::new();
    bus.serve(&address, service(&state), 4).await.unwrap();
    state.reaches(4).await;
    bus.shutdown(Duration::from_secs(5)).await.unwrap();
}

async fn a_role_whose_last_server_died_is_no_such_service(broker: &Broker) {
    let topic = unique("orphan");
    let address = Address::topic(topic.clone());
    let bus = Bus::connect(&broker.url()).await.unwrap();
    let mut child = consumer_process(broker, &topic, &bus).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    let error = bus
        .call(&address, Add { a: 1, b: 1 }, within(30))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CallError::NoSuchService { .. }),
        "{error:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    bus.shutdown(Duration::from_secs(5)).await.unwrap();
}
