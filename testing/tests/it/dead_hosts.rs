//! Hosts that die, seem to, and come back.

use std::sync::Arc;
use std::time::Duration;

use bus::testing::Broker;
use bus::{CallError, Options};
use clients::Service;
use compute_agent::Agent;
use compute_model::TaskState;
use compute_model::lifecycle::Action;
use compute_rpc::conductor::ServiceReport;
use compute_rpc::{agent, code};
use hypervisor::{Driver, EventKind, PowerState};
use hypervisor_fake::{FakeDriver, FakeSettings, Latencies};
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;
use testing::{Server, TestCloud};

/// Long enough for no second report within a test.
const NEVER: Duration = Duration::from_secs(3600);

/// The host that things happen to. It has more room than those of the cloud, so it is chosen first.
const FRAIL: &str = "frail";

/// Its node.
const FRAIL_NODE: &str = "f0000000-0000-4000-8000-000000000000";

/// Small hosts, which report often.
const SMALL: &str = "[DEFAULT]\nreport_interval = 0.2\n[fake]\nmemory_mb = 4096\n";

fn frail(latencies: Latencies) -> FakeDriver {
    let settings = FakeSettings {
        hostname: FRAIL.to_owned(),
        latencies,
        ..FakeSettings::default()
    };
    FakeDriver::open(settings).expect("a driver")
}

/// Starts an agent that reports once and is silent from then on, but obeys.
async fn agent_of(cloud: &TestCloud, driver: &FakeDriver) -> Agent {
    let running = cloud.cloud();
    let settings = compute_agent::Settings {
        image_cache: cloud.state_path().join("frail-cache"),
        snapshots: cloud.state_path().join("frail-snapshots"),
        report_interval: NEVER,
        sync_interval: NEVER,
        ..compute_agent::Settings::of(
            &running.membership.cloud_id,
            FRAIL.parse().expect("a host name"),
            FRAIL_NODE,
        )
    };
    let image = Service::http("image", &format!("{}/image", running.url));
    let started = Agent::start(
        Arc::new(driver.clone()),
        running.bus.clone(),
        image,
        running.session.clone(),
        settings,
    );
    started.await.expect("an agent")
}

/// What to ask for, made ready before the clock runs.
async fn wanted(cloud: &TestCloud) -> Value {
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    json!({"name": "frail's", "flavorRef": flavor, "imageRef": image, "networks": "none"})
}

async fn host_of(cloud: &TestCloud, server: &Server) -> String {
    let seen = server.seen_by(&cloud.admin().await);
    let host = seen.show().await["OS-EXT-SRV-ATTR:host"].take();
    host.as_str().unwrap_or_default().to_owned()
}

/// A server that runs on the frail host, whose agent has begun.
async fn boot_on_frail(cloud: &TestCloud) -> Server {
    cloud.knows_hosts(2).await;
    let server = cloud
        .boot_with(&cloud.demo().await, wanted(cloud).await)
        .await;
    server.reaches("ACTIVE").await;
    assert_eq!(host_of(cloud, &server).await, FRAIL, "it has most room");
    server
}

/// The host falls silent in the middle of a build, which it ends when nobody waits any more.
async fn a_silent_host_is_given_up(settings: &str) {
    let short = "[DEFAULT]\nservice_down_time = 2\n";
    let cloud = TestCloud::with(&format!("{SMALL}{short}{settings}")).await;
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let driver = frail(Latencies {
        start_ms: 8000,
        ..Latencies::default()
    });
    let mut events = driver.events();
    let _agent = agent_of(&cloud, &driver).await;
    cloud.knows_hosts(2).await;
    let server = cloud.boot_with(&demo, wanted).await;
    testing::until("it is placed", || async {
        (!host_of(&cloud, &server).await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(host_of(&cloud, &server).await, FRAIL, "it has most room");
    // The deadline of a build is half an hour.
    server.reaches("ACTIVE").await;
    assert_eq!(host_of(&cloud, &server).await, cloud.cloud().hosts[0].host);
    // Now the late success.
    let started = tokio::time::timeout(testing::TIMEOUT, events.recv()).await;
    let started = started.expect("the late build ends").expect("an event");
    assert_eq!(
        (started.id.as_str(), started.kind),
        (server.id.as_str(), EventKind::Started)
    );
    gone(&driver, &server).await;
    server.reaches("ACTIVE").await;
    assert_eq!(host_of(&cloud, &server).await, cloud.cloud().hosts[0].host);
    cloud.audit().await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
    cloud.cloud().bus.stop_token().cancel();
}

async fn gone(driver: &FakeDriver, server: &Server) {
    testing::until("the guest is gone", || async {
        let guest = driver.inspect(&server.id).await.expect("an answer");
        guest.is_none().then_some(())
    })
    .await;
}

/// The host is away when a server is to be built there, and finds the old command when it returns.
async fn a_host_that_returns_builds_nothing_that_went_elsewhere(settings: &str) {
    let cloud = TestCloud::with(&format!("{SMALL}{settings}")).await;
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let driver = frail(Latencies::default());
    let agent = agent_of(&cloud, &driver).await;
    cloud.knows_hosts(2).await;
    agent.stop().await;
    let server = cloud.boot_with(&demo, wanted).await;
    let asked = compute_db::servers::find(cloud.cloud().db.read(), &server.id).await;
    let mut asked = asked.expect("a row");
    server.reaches("ACTIVE").await;
    assert_eq!(host_of(&cloud, &server).await, cloud.cloud().hosts[0].host);

    // The broker delivers a command anew whose consumer died.
    asked.host = Some(FRAIL.to_owned());
    let late = || agent::Build {
        server: Box::new(asked.clone()),
        admin_password: None,
        injected_files: Vec::new(),
        sent_at: None,
    };
    let (bus, address) = (&cloud.cloud().bus, agent::address(FRAIL));
    let kept = bus.cast(&address, late(), Options::default()).await;
    kept.expect("kept for the host");
    let _agent = agent_of(&cloud, &driver).await;
    testing::until("the host heard that the server went elsewhere", || async {
        match bus.call(&address, late(), Options::default()).await {
            Ok(_) => None,
            Err(CallError::Refused(failure)) => {
                assert_eq!(failure.code, code::STALE, "{failure}");
                Some(())
            }
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    gone(&driver, &server).await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
    cloud.cloud().bus.stop_token().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_does_not_wait_for_a_host_that_fell_silent_and_its_late_success_is_undone() {
    a_silent_host_is_given_up("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_returns_obeys_no_command_that_was_given_up() {
    a_host_that_returns_builds_nothing_that_went_elsewhere("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_comes_late_is_carried_out_only_if_somebody_still_waits_for_it() {
    let cloud = TestCloud::with(SMALL).await;
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    let host = &cloud.cloud().hosts[0];
    let row = compute_db::servers::find(cloud.cloud().db.read(), &server.id).await;
    let row = row.expect("a row");
    let stop = || agent::Act {
        action: Action::Stop,
        server: Box::new(row.clone()),
        given: agent::Given::default(),
        sent_at: Some(chrono::Utc::now() - chrono::TimeDelta::minutes(4)),
    };
    let (bus, address) = (&cloud.cloud().bus, agent::address(&host.host));
    let given_up = bus.call(&address, stop(), Options::default()).await;
    let failure = given_up.expect_err("nobody waits");
    assert_eq!(
        failure.refusal().map(|failure| failure.code.as_str()),
        Some(code::STALE)
    );
    let guest = host.driver.inspect(&server.id).await.expect("an answer");
    assert_eq!(
        guest.map(|guest| guest.power_state),
        Some(PowerState::Running)
    );

    let tx = cloud.cloud().db.begin().await.expect("a transaction");
    let mut claimed = compute_db::servers::lock(&tx, &server.id)
        .await
        .expect("a row");
    claimed.task_state = Some(TaskState::PoweringOff);
    compute_db::servers::save(&tx, &mut claimed)
        .await
        .expect("saved");
    tx.commit().await.expect("committed");
    let done = bus.call(&address, stop(), Options::default()).await;
    assert_eq!(
        done.expect("an operation waits").power_state,
        compute_model::PowerState::Shutdown
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_hosts_are_given_up_over_rabbitmq_too() {
    let Some(broker) = Broker::start().await.expect("the broker starts") else {
        return;
    };
    let settings = format!("[DEFAULT]\ntransport_url = {}\n", broker.url());
    a_silent_host_is_given_up(&settings).await;
    a_host_that_returns_builds_nothing_that_went_elsewhere(&settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_on_a_dead_host_fails_soon_and_its_servers_can_be_deleted() {
    let cloud = TestCloud::with(&format!("{SMALL}[DEFAULT]\nservice_down_time = 2\n")).await;
    let driver = frail(Latencies {
        stop_ms: 60_000,
        gone_ms: 60_000,
        ..Latencies::default()
    });
    let _agent = agent_of(&cloud, &driver).await;
    let server = boot_on_frail(&cloud).await;
    server.stop().await;
    // The deadline of an action is five minutes.
    server.reaches("ACTIVE").await;
    let path = format!("/servers/{}/os-instance-actions", server.id);
    let admin = cloud.admin().await;
    let ask = |path: String| {
        let admin = admin.clone();
        async move {
            let answer = admin.compute("latest", http::Method::GET, &path, None);
            answer.await.expect(200)
        }
    };
    let stop = ask(path.clone()).await["instanceActions"][0].take();
    let request = stop["request_id"].as_str().expect("an id");
    let event = ask(format!("{path}/{request}")).await["instanceAction"]["events"][0].take();
    assert_eq!(
        event["details"],
        "Failed to power off instance: Its host does not answer."
    );
    let traceback = event["traceback"].as_str().expect("a traceback");
    assert_eq!(traceback, "frail: silent for more than 2 s");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

/// Its row is purged before its host returns: the recorded word still counts, and without one the guest
/// would be quarantined.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_returns_lets_go_what_was_deleted_and_purged_meanwhile() {
    let cloud = TestCloud::with(SMALL).await;
    let driver = frail(Latencies::default());
    let agent = agent_of(&cloud, &driver).await;
    let server = boot_on_frail(&cloud).await;
    agent.stop().await;
    declare_down(&cloud).await;
    server.delete().await.vanishes().await;
    let db = &cloud.cloud().db;
    let words = || async {
        let words = compute_db::letting_go::of_node(db.read(), FRAIL_NODE).await;
        words.expect("the words")
    };
    assert!(words().await.contains_key(&server.id));
    let purge = format!("DELETE FROM servers WHERE id = '{}'", server.id);
    db.write().execute_unprepared(&purge).await.expect("purged");
    // Its queue did not live that long either.
    swallow_commands(&cloud).await;
    let _agent = agent_of(&cloud, &driver).await;
    gone(&driver, &server).await;
    testing::until("the word is fulfilled", || async {
        words().await.is_empty().then_some(())
    })
    .await;
    let kept = compute_db::quarantine::list(db.read())
        .await
        .expect("a list");
    assert_eq!(kept, []);
}

/// Takes the one command that waits for the host out of its queue.
async fn swallow_commands(cloud: &TestCloud) {
    type Taken = tokio::sync::mpsc::UnboundedSender<String>;
    async fn take(
        taken: Arc<Taken>,
        _context: bus::Context,
        command: agent::Destroy,
    ) -> Result<agent::Done, bus::Failure> {
        taken.send(command.server_id).expect("somebody waits");
        Ok(agent::Done {
            power_state: compute_model::PowerState::NoState,
            disk_places: None,
        })
    }
    let (taken, mut commands) = tokio::sync::mpsc::unbounded_channel();
    let service = bus::Service::new(taken).on(take);
    let bus = &cloud.cloud().bus;
    let serving = bus.serve(&agent::address(FRAIL), service, 1).await;
    let serving = serving.expect("served");
    tokio::time::timeout(testing::TIMEOUT, commands.recv())
        .await
        .expect("a command waits");
    serving.stop().await;
}

async fn declare_down(cloud: &TestCloud) {
    let admin = cloud.admin().await;
    let body = json!({"host": FRAIL, "binary": "nova-compute", "forced_down": true});
    let path = "/os-services/force-down";
    let answer = admin
        .compute("2.11", http::Method::PUT, path, Some(&body))
        .await;
    answer.expect(200);
}

/// A cloud whose one agent reports once and is silent, far longer than the down time, while it builds.
async fn silent_alone() -> TestCloud {
    // Long enough to ask for a server on a busy machine while the one report still counts.
    let cloud = TestCloud::changed("[fake]\nstart_ms = 17000\n", |config| {
        config.compute.service_down_time = Duration::from_secs(5);
        config.compute.report_interval = NEVER;
    })
    .await;
    cloud.knows_hosts(1).await;
    cloud
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_not_given_up_while_nobody_at_all_can_be_heard() {
    let cloud = silent_alone().await;
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_alone_is_not_given_up_because_other_services_are_heard() {
    let cloud = silent_alone().await;
    // They are on the conductor's own side of whatever keeps the agent's reports away.
    let (bus, membership) = (cloud.cloud().bus.clone(), &cloud.cloud().membership);
    let report = ServiceReport {
        cloud_id: membership.cloud_id.clone(),
        host: membership.nodes[0].host.clone(),
        binary: "nova-conductor".to_owned(),
    };
    let talks = tokio::spawn(async move {
        loop {
            let address = compute_rpc::conductor::address();
            let sent = bus.call(&address, report.clone(), Options::default()).await;
            sent.expect("heard");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    assert!(!talks.is_finished(), "they were heard all the time");
    talks.abort();
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_was_given_up_ends_without_effect_when_its_host_wakes_up() {
    let cloud = TestCloud::with(&format!("{SMALL}[DEFAULT]\nservice_down_time = 2\n")).await;
    let slow = Duration::from_secs(8);
    let driver = frail(Latencies {
        stop_ms: 8000,
        gone_ms: 8000,
        ..Latencies::default()
    });
    let _agent = agent_of(&cloud, &driver).await;
    let server = boot_on_frail(&cloud).await;
    let db = &cloud.cloud().db;
    let mut events = driver.events();
    server.stop().await;
    let claimed = compute_db::servers::find(db.read(), &server.id).await;
    let claimed = claimed.expect("a row");
    server.reaches("ACTIVE").await;
    let after = compute_db::servers::find(db.read(), &server.id).await;
    let after = after.expect("a row");
    assert!(
        after.epoch > claimed.epoch,
        "a new epoch refuses what comes late"
    );
    assert!(after.fault.is_some());
    // The stop would end now, or a moment later.
    let late = tokio::time::timeout(slow + Duration::from_secs(1), events.recv()).await;
    assert!(late.is_err(), "{late:?}");
    let guest = driver.inspect(&server.id).await.expect("an answer");
    assert_eq!(
        guest.map(|guest| guest.power_state),
        Some(PowerState::Running)
    );
    // Nor does it begin when it is delivered again.
    let again = agent::Act {
        action: Action::Stop,
        server: Box::new(claimed),
        given: agent::Given::default(),
        sent_at: None,
    };
    let bus = &cloud.cloud().bus;
    let refused = bus
        .call(&agent::address(FRAIL), again, Options::default())
        .await;
    let failure = refused.expect_err("it was given up");
    let code = failure.refusal().map(|failure| failure.code.as_str());
    assert_eq!(code, Some(code::STALE));
    bus.stop_token().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_its_host_calls_stale_leaves_no_task_behind() {
    let cloud = TestCloud::with(SMALL).await;
    let (demo, wanted) = (cloud.demo().await, wanted(&cloud).await);
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    // As after a database was restored: the host has seen more than the row says.
    let driver = &cloud.cloud().hosts[0].driver;
    let pause = driver.pause().expect("it can");
    pause.pause(&server.id, 1000).await.expect("paused");
    pause.unpause(&server.id, 1001).await.expect("unpaused");
    server.stop().await;
    server.reaches("ACTIVE").await;
    let row = compute_db::servers::find(cloud.cloud().db.read(), &server.id).await;
    let row = row.expect("a row");
    assert_eq!(row.task_state, None);
    assert!(row.fault.is_some(), "the owner is told");
    cloud.audit().await;
}
