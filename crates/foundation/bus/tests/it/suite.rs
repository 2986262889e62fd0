//! What both wires must do alike. Every case makes its own topic, so a broker can be shared.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus::{
    Address, Bus, CallError, Context, Failure, Message, Options, Service, TransportError, failure,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// `message!(Name { fields } -> Reply)`, only here: tests have many tiny messages.
macro_rules! message {
    ($name:ident { $($field:ident : $ty:ty),* } -> $reply:ty) => {
        #[derive(Serialize, Deserialize, Debug, Clone)]
        pub struct $name { $(pub $field: $ty),* }
        impl Message for $name {
            const NAME: &'static str = stringify!($name);
            type Reply = $reply;
        }
    };
}
message!(Add { a: i64, b: i64 } -> i64);
message!(Note { text: String } -> ());
message!(Slow { millis: u64 } -> ());
message!(WhoAsks {} -> Context);
message!(Refuse {} -> ());
message!(Panic {} -> ());
message!(Unheard {} -> ());

/// What the handlers of a test service saw and did.
pub struct State {
    pub notes: AtomicUsize,
    pub noted: Notify,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
    pub finished: AtomicUsize,
}

impl State {
    pub fn new() -> Arc<State> {
        Arc::new(State {
            notes: AtomicUsize::new(0),
            noted: Notify::new(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
        })
    }

    pub async fn reaches(&self, notes: usize) {
        let seen = timeout(Duration::from_secs(20), async {
            while self.notes.load(Ordering::SeqCst) < notes {
                let _ = timeout(Duration::from_millis(50), self.noted.notified()).await;
            }
        });
        assert!(
            seen.await.is_ok(),
            "{} of {notes} notes arrived",
            self.notes.load(Ordering::SeqCst)
        );
    }
}

async fn add(_: Arc<State>, _: Context, m: Add) -> Result<i64, Failure> {
    Ok(m.a + m.b)
}
async fn note(state: Arc<State>, _: Context, _: Note) -> Result<(), Failure> {
    state.notes.fetch_add(1, Ordering::SeqCst);
    state.noted.notify_waiters();
    Ok(())
}
async fn slow(state: Arc<State>, _: Context, m: Slow) -> Result<(), Failure> {
    let now = state.running.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_running.fetch_max(now, Ordering::SeqCst);
    sleep(Duration::from_millis(m.millis)).await;
    state.running.fetch_sub(1, Ordering::SeqCst);
    state.finished.fetch_add(1, Ordering::SeqCst);
    Ok(())
}
async fn who_asks(_: Arc<State>, context: Context, _: WhoAsks) -> Result<Context, Failure> {
    Ok(context)
}
async fn refuse(_: Arc<State>, _: Context, _: Refuse) -> Result<(), Failure> {
    Err(Failure::new("no_valid_host", "nothing fits")
        .retryable()
        .with_details(serde_json::json!({"hosts": 3})))
}
async fn panics(_: Arc<State>, _: Context, _: Panic) -> Result<(), Failure> {
    panic!("as the test wishes")
}

pub fn service(state: &Arc<State>) -> Service<State> {
    Service::new(Arc::clone(state))
        .on(add)
        .on(note)
        .on(slow)
        .on(who_asks)
        .on(refuse)
        .on(panics)
}

pub fn unique(topic: &str) -> String {
    format!("{topic}-{}", uuid::Uuid::new_v4().simple())
}

fn within(seconds: u64) -> Options {
    Options::default().deadline(Duration::from_secs(seconds))
}

fn notes(text: &str) -> Note {
    Note {
        text: text.to_owned(),
    }
}

/// Runs every case on a bus from `connect`.
pub async fn run<F: Future<Output = Bus>>(connect: impl Fn() -> F) {
    let bus = connect().await;
    a_call_is_answered(&bus).await;
    a_refusal_arrives_as_it_was_given(&bus).await;
    a_panic_is_answered_and_the_service_goes_on(&bus).await;
    an_unknown_message_is_answered_clearly(&bus).await;
    the_context_travels_and_its_deadline_shrinks(&bus).await;
    an_address_that_nobody_ever_served_is_no_such_service(&bus).await;
    a_slow_answer_is_a_deadline(&bus).await;
    casts_wait_for_a_server(&bus).await;
    casts_past_their_deadline_are_not_handled(&bus).await;
    a_host_gets_only_its_own_messages(&bus).await;
    a_fanout_reaches_every_server_once(&bus).await;
    servers_of_a_topic_share_the_work(&bus).await;
    concurrency_is_a_limit(&bus).await;
    a_large_message_arrives_whole(&bus).await;
    a_bad_address_is_refused(&bus).await;
    a_full_queue_refuses(&bus).await;
    stopping_lets_running_handlers_end(&bus).await;
    bus.shutdown(Duration::from_secs(5)).await.unwrap();
    shutdown_drains_and_says_what_it_could_not_drain(&connect().await).await;
}

async fn a_call_is_answered(bus: &Bus) {
    let address = Address::topic(unique("calc"));
    bus.serve(&address, service(&State::new()), 4)
        .await
        .unwrap();
    assert_eq!(
        bus.call(&address, Add { a: 2, b: 3 }, within(10))
            .await
            .unwrap(),
        5
    );
    let many = (0..200).map(|n| bus.call(&address, Add { a: n, b: 1 }, within(20)));
    let answers = futures::future::join_all(many).await;
    assert!(
        answers
            .into_iter()
            .enumerate()
            .all(|(n, answer)| answer.unwrap() == n as i64 + 1)
    );
}

async fn a_refusal_arrives_as_it_was_given(bus: &Bus) {
    let address = Address::topic(unique("refusing"));
    bus.serve(&address, service(&State::new()), 4)
        .await
        .unwrap();
    let error = bus.call(&address, Refuse {}, within(10)).await.unwrap_err();
    let failure = error.refusal().unwrap();
    assert_eq!(
        (
            failure.code.as_str(),
            failure.retryable,
            &failure.details["hosts"]
        ),
        ("no_valid_host", true, &3.into())
    );
}

async fn a_panic_is_answered_and_the_service_goes_on(bus: &Bus) {
    let address = Address::topic(unique("panicking"));
    bus.serve(&address, service(&State::new()), 1)
        .await
        .unwrap();
    for _ in 0..3 {
        let error = bus.call(&address, Panic {}, within(10)).await.unwrap_err();
        let failure = error.refusal().unwrap();
        assert_eq!(failure.code, failure::PANIC);
        assert!(
            failure.message.contains("as the test wishes"),
            "{}",
            failure.message
        );
    }
    assert_eq!(
        bus.call(&address, Add { a: 1, b: 1 }, within(10))
            .await
            .unwrap(),
        2
    );
}

async fn an_unknown_message_is_answered_clearly(bus: &Bus) {
    let address = Address::topic(unique("deaf"));
    bus.serve(&address, service(&State::new()), 1)
        .await
        .unwrap();
    let error = bus
        .call(&address, Unheard {}, within(10))
        .await
        .unwrap_err();
    let failure = error.refusal().unwrap();
    assert_eq!(failure.code, failure::UNKNOWN_MESSAGE);
    assert!(failure.message.contains("Unheard"));
}

async fn the_context_travels_and_its_deadline_shrinks(bus: &Bus) {
    let address = Address::topic(unique("curious"));
    bus.serve(&address, service(&State::new()), 1)
        .await
        .unwrap();
    let mut context = Context::new("req-1").on_behalf_of("alice", "wonderland");
    context.global_request_id = Some("req-global".to_owned());
    context.deadline = Some(Instant::now() + Duration::from_secs(7));
    let seen = bus
        .call(&address, WhoAsks {}, Options::within(&context))
        .await
        .unwrap();
    assert_eq!(seen.request_id, "req-1");
    assert_eq!(seen.global_request_id.as_deref(), Some("req-global"));
    assert_eq!(
        (seen.user_id.as_deref(), seen.project_id.as_deref()),
        (Some("alice"), Some("wonderland"))
    );
    let left = seen.remaining().unwrap();
    assert!(
        left <= Duration::from_secs(7) && left > Duration::from_secs(3),
        "{left:?}"
    );
}

async fn an_address_that_nobody_ever_served_is_no_such_service(bus: &Bus) {
    let started = Instant::now();
    let error = bus
        .call(
            &Address::topic(unique("nobody")),
            Add { a: 1, b: 1 },
            within(30),
        )
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::NoSuchService { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

async fn a_slow_answer_is_a_deadline(bus: &Bus) {
    let address = Address::topic(unique("slow"));
    bus.serve(&address, service(&State::new()), 1)
        .await
        .unwrap();
    let options = Options::default().deadline(Duration::from_millis(150));
    let error = bus
        .call(&address, Slow { millis: 1500 }, options)
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Deadline { .. }), "{error}");
}

async fn casts_wait_for_a_server(bus: &Bus) {
    let address = Address::topic(unique("late"));
    for _ in 0..20 {
        bus.cast(&address, notes("early"), Options::default())
            .await
            .unwrap();
    }
    let state = State::new();
    bus.serve(&address, service(&state), 2).await.unwrap();
    state.reaches(20).await;
}

async fn casts_past_their_deadline_are_not_handled(bus: &Bus) {
    let address = Address::host(unique("late"), "node1");
    let short = Options::default().deadline(Duration::from_millis(50));
    bus.cast(&address, notes("stale"), short).await.unwrap();
    bus.cast(&address, notes("fresh"), Options::default())
        .await
        .unwrap();
    sleep(Duration::from_millis(200)).await;
    let state = State::new();
    bus.serve(&address, service(&state), 1).await.unwrap();
    state.reaches(1).await;
    assert_eq!(
        bus.call(&address, Add { a: 1, b: 0 }, within(10))
            .await
            .unwrap(),
        1
    );
    assert_eq!(state.notes.load(Ordering::SeqCst), 1);
}

async fn a_host_gets_only_its_own_messages(bus: &Bus) {
    let topic = unique("compute");
    let (one, two) = (State::new(), State::new());
    bus.serve(&Address::host(topic.clone(), "node1"), service(&one), 2)
        .await
        .unwrap();
    bus.serve(
        &Address::host(topic.clone(), "node2.example"),
        service(&two),
        2,
    )
    .await
    .unwrap();
    for _ in 0..5 {
        bus.cast(
            &Address::host(topic.clone(), "node2.example"),
            notes("for two"),
            Options::default(),
        )
        .await
        .unwrap();
    }
    two.reaches(5).await;
    assert_eq!(one.notes.load(Ordering::SeqCst), 0);
}

async fn a_fanout_reaches_every_server_once(bus: &Bus) {
    let topic = unique("everybody");
    bus.fanout(&topic, notes("nobody hears"), Options::default())
        .await
        .unwrap();
    let states = [State::new(), State::new(), State::new()];
    bus.serve(
        &Address::host(topic.clone(), "node1"),
        service(&states[0]),
        1,
    )
    .await
    .unwrap();
    bus.serve(
        &Address::host(topic.clone(), "node2"),
        service(&states[1]),
        1,
    )
    .await
    .unwrap();
    bus.serve(&Address::topic(topic.clone()), service(&states[2]), 1)
        .await
        .unwrap();
    for _ in 0..10 {
        bus.fanout(&topic, notes("all"), Options::default())
            .await
            .unwrap();
    }
    for state in &states {
        state.reaches(10).await;
    }
    sleep(Duration::from_millis(50)).await;
    assert!(
        states
            .iter()
            .all(|state| state.notes.load(Ordering::SeqCst) == 10)
    );
}

async fn servers_of_a_topic_share_the_work(bus: &Bus) {
    let address = Address::topic(unique("shared"));
    let (one, two) = (State::new(), State::new());
    bus.serve(&address, service(&one), 1).await.unwrap();
    bus.serve(&address, service(&two), 1).await.unwrap();
    let calls = (0..20).map(|_| bus.call(&address, Slow { millis: 10 }, within(20)));
    assert!(
        futures::future::join_all(calls)
            .await
            .into_iter()
            .all(|answer| answer.is_ok())
    );
    let (first, second) = (
        one.finished.load(Ordering::SeqCst),
        two.finished.load(Ordering::SeqCst),
    );
    assert_eq!(first + second, 20);
    assert!(first >= 4 && second >= 4, "{first} and {second}");
}

async fn concurrency_is_a_limit(bus: &Bus) {
    let address = Address::topic(unique("limited"));
    let state = State::new();
    bus.serve(&address, service(&state), 3).await.unwrap();
    let calls = (0..12).map(|_| bus.call(&address, Slow { millis: 20 }, within(20)));
    assert!(
        futures::future::join_all(calls)
            .await
            .into_iter()
            .all(|answer| answer.is_ok())
    );
    assert_eq!(state.most_running.load(Ordering::SeqCst), 3);
}

async fn a_large_message_arrives_whole(bus: &Bus) {
    let address = Address::topic(unique("large"));
    let state = State::new();
    bus.serve(&address, service(&state), 1).await.unwrap();
    bus.call(
        &address,
        Note {
            text: "ü\"\\ ".repeat(300_000),
        },
        within(20),
    )
    .await
    .unwrap();
    assert_eq!(state.notes.load(Ordering::SeqCst), 1);
}

async fn a_bad_address_is_refused(bus: &Bus) {
    for address in [
        Address::topic(""),
        Address::host("compute", ""),
        Address::topic("x".repeat(300)),
    ] {
        let error = bus
            .cast(&address, notes("lost"), Options::default())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                CallError::Transport {
                    source: TransportError::BadAddress,
                    ..
                }
            ),
            "{error}"
        );
    }
}

async fn stopping_lets_running_handlers_end(bus: &Bus) {
    let address = Address::topic(unique("leaving"));
    let state = State::new();
    let serving = bus.serve(&address, service(&state), 2).await.unwrap();
    let caller = tokio::spawn({
        let (bus, address) = (bus.clone(), address.clone());
        async move { bus.call(&address, Slow { millis: 300 }, within(10)).await }
    });
    while state.running.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    serving.stop().await;
    assert_eq!(state.finished.load(Ordering::SeqCst), 1);
    caller.await.unwrap().unwrap();
    bus.cast(&address, notes("kept for the next one"), Options::default())
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(state.notes.load(Ordering::SeqCst), 0);
    let next = State::new();
    bus.serve(&address, service(&next), 2).await.unwrap();
    next.reaches(1).await;
}

async fn shutdown_drains_and_says_what_it_could_not_drain(bus: &Bus) {
    let address = Address::topic(unique("closing"));
    let state = State::new();
    bus.serve(&address, service(&state), 4).await.unwrap();
    for millis in [150, 60_000] {
        bus.cast(&address, Slow { millis }, Options::default())
            .await
            .unwrap();
    }
    while state.running.load(Ordering::SeqCst) < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let undrained = bus.shutdown(Duration::from_millis(600)).await.unwrap_err();
    assert!(undrained.running >= 1, "{undrained}");
    assert_eq!(state.finished.load(Ordering::SeqCst), 1);
}

async fn a_full_queue_refuses(bus: &Bus) {
    let address = Address::host(unique("full"), "node1");
    let mut refused = 0;
    // 10,000 fit; the broker counts in batches, so a few more may.
    for _ in 0..12 {
        let casts = (0..1000).map(|_| {
            bus.cast(
                &address,
                Note {
                    text: String::new(),
                },
                within(60),
            )
        });
        for outcome in futures::future::join_all(casts).await {
            match outcome {
                Ok(()) => {}
                Err(CallError::Transport {
                    source: TransportError::Overfull,
                    ..
                }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(refused > 500, "{refused} of 2000 too many were refused");
}
