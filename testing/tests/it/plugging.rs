//! Builds whose ports take their time, or vanish.

use compute_conductor::workflows::build::Build;
use compute_db::servers;
use compute_model::network::NetworkRequest;
use compute_model::server::BuildPlan;
use compute_rpc::workflows::{self as states, BUILD_VERSION};
use serde_json::{Value, json};
use testing::{Server, TestCloud, User};
use workflow::testing::{until, wait};
use workflow::{Options, Runner, Status, WorkflowId};

use crate::torture::{Stage, asked};

/// The name of these builds in the journal: the cloud's conductor leaves them alone.
const PLUGGED: &str = "plugged build";

/// A port that carries no traffic until it is switched on.
async fn idle_port(user: &User, network: &str) -> String {
    let port = json!({"port": {"network_id": network, "admin_state_up": false}});
    let mut made = user.post("/network/v2.0/ports", &port).await.expect(201);
    match made["port"]["id"].take() {
        Value::String(id) => id,
        other => panic!("an id: {other}"),
    }
}

async fn switch_on(user: &User, port: &str) {
    let up = json!({"port": {"admin_state_up": true}});
    let path = format!("/network/v2.0/ports/{port}");
    user.put(&path, &up).await.expect(200);
}

/// A build of a server on these networks: the server and the work under way.
async fn begin(
    stage: &Stage,
    runner: &Runner,
    networks: Vec<NetworkRequest>,
) -> (String, WorkflowId) {
    let plan = BuildPlan {
        networks,
        ..BuildPlan::default()
    };
    let row = stage.asked().await;
    let state = states::Build::new(&row.id, asked(), plan);
    let id = workflow::insert(
        stage.journal.write(),
        (PLUGGED, BUILD_VERSION),
        &row.id,
        &state,
    )
    .await;
    let id = id.expect("a journal entry");
    runner.nudge(id);
    (row.id, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_that_wait_for_their_ports_are_in_nobodys_way() {
    let stage = Stage::open().await;
    let runner = Runner::build(stage.journal.clone(), "small", stage.env.clone())
        .on_named::<Build>(PLUGGED)
        .options(Options {
            concurrency: 2,
            ..Options::default()
        })
        .start();
    let (mut ports, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let id = idle_port(&stage.demo, &stage.network).await;
        ports.push(id.clone());
        let wanted = vec![NetworkRequest::Port { id, tag: None }];
        waiting.push(begin(&stage, &runner, wanted).await.1);
    }
    for id in &waiting {
        until(|| async {
            let record = workflow::get(stage.journal.read(), *id).await;
            let record = record.expect("the journal").expect("a record");
            record.position == "plugged" && record.attempts > 0
        })
        .await;
    }
    let quick = begin(&stage, &runner, Vec::new()).await.1;
    assert_eq!(wait(&stage.journal, quick).await.status, Status::Done);
    for id in &waiting {
        let record = workflow::get(stage.journal.read(), *id).await;
        let record = record.expect("the journal").expect("a record");
        assert_eq!(record.position, "plugged");
    }
    for port in &ports {
        switch_on(&stage.demo, port).await;
    }
    for id in waiting {
        assert_eq!(wait(&stage.journal, id).await.status, Status::Done);
    }
    runner.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_port_that_vanished_before_it_was_bound_ends_the_build_with_the_reason() {
    let stage = Stage::open().await;
    let runner = Runner::build(stage.journal.clone(), "late", stage.env.clone())
        .on_named::<Build>(PLUGGED)
        .start();
    let port = idle_port(&stage.demo, &stage.network).await;
    let path = format!("/network/v2.0/ports/{port}");
    stage.demo.delete(&path).await.expect(204);
    let network = NetworkRequest::Network {
        id: stage.network.clone(),
        fixed_ip: None,
        tag: None,
    };
    let gone = NetworkRequest::Port {
        id: port.clone(),
        tag: None,
    };
    let (server, id) = begin(&stage, &runner, vec![network, gone]).await;
    assert_eq!(wait(&stage.journal, id).await.status, Status::Undone);
    let row = servers::find(stage.env.db.read(), &server).await;
    let row = row.expect("a row");
    let fault = row.fault.expect("a fault");
    let said = format!(
        "Build of instance {} aborted: A network or port that was asked for does not exist any more.",
        row.id
    );
    assert_eq!(fault.message, said);
    let details = fault.details.expect("details");
    assert!(details.contains(&port), "{details}");
    let server = Server {
        user: stage.demo.clone(),
        id: row.id,
    };
    assert_eq!(server.ports().await, Vec::<Value>::new());
    runner.stop(std::time::Duration::from_secs(1)).await;
}

async fn with_idle_port(cloud: &TestCloud) -> (Server, String) {
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let port = idle_port(&demo, &network).await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "waits", "flavorRef": flavor, "imageRef": image, "networks": [{"port": port}],
    });
    (cloud.boot_with(&demo, wanted).await, port)
}

async fn waits(cloud: &TestCloud, server: &Server) {
    until(|| async {
        let found = workflow::find(cloud.cloud().db.read(), &server.id).await;
        let found = found.expect("the journal");
        found
            .iter()
            .any(|record| record.position == "plugged" && record.attempts > 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_when_its_port_does_even_after_a_restart() {
    let mut cloud = TestCloud::start().await;
    let (server, port) = with_idle_port(&cloud).await;
    waits(&cloud, &server).await;
    cloud.restart().await;
    let server = server.seen_by(&cloud.demo().await);
    assert_eq!(server.show().await["status"], "BUILD");
    switch_on(&server.user, &port).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_never_plugged_ends_the_build_in_time_and_its_owner_is_told() {
    let cloud = TestCloud::with("[DEFAULT]\nvif_plugging_timeout = 1\n").await;
    let (server, _) = with_idle_port(&cloud).await;
    let said = format!(
        "Build of instance {} aborted: Its network card was not plugged in time.",
        server.id
    );
    assert_eq!(server.fails().await, said);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_forgets_the_password_of_a_build_that_is_given_up() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let port = idle_port(&demo, &network).await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "waits", "flavorRef": flavor, "imageRef": image, "networks": [{"port": port}],
        "adminPass": "not-for-the-journal", "config_drive": true,
    });
    let server = cloud.boot_with(&demo, wanted).await;
    waits(&cloud, &server).await;
    let known = async || {
        let filter = workflow::Filter {
            subject: Some(server.id.clone()),
            ..workflow::Filter::default()
        };
        let records = workflow::list(cloud.cloud().db.read(), &filter).await;
        format!("{:?}", records.expect("the journal")).contains("not-for-the-journal")
    };
    assert!(known().await, "the guest shall have it");
    server.delete().await.vanishes().await;
    assert!(!known().await, "nobody else");
    cloud.audit().await;
}
