//! Network cards that servers get and lose while they live.

use http::Method;
use hypervisor_fake::{FailCall, Faults, Verb};
use serde_json::{Value, json};
use testing::{Answer, Server, TestCloud, User, until};

const NOTHING: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// A cloud with a running server on one network.
async fn wired() -> (TestCloud, Server, String) {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "wired", "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}],
    });
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    (cloud, server, network)
}

async fn attach(server: &Server, wanted: Value) -> Answer {
    let path = format!("/servers/{}/os-interface", server.id);
    let body = json!({"interfaceAttachment": wanted});
    let user = &server.user;
    user.compute("latest", Method::POST, &path, Some(&body))
        .await
}

async fn detach(server: &Server, port: &str) -> Answer {
    let path = format!("/servers/{}/os-interface/{port}", server.id);
    let user = &server.user;
    user.compute("latest", Method::DELETE, &path, None).await
}

fn id(card: &Value) -> String {
    card["port_id"].as_str().expect("an id").to_owned()
}

/// The ports of the cards that the guest has, in order.
async fn cards(cloud: &TestCloud, server: &Server) -> Vec<String> {
    let nics = cloud.kept(server).await.nics;
    nics.into_iter().map(|nic| nic.port_id).collect()
}

async fn has_cards(cloud: &TestCloud, server: &Server, count: usize) {
    until(&format!("{count} cards"), || async {
        let recorded = server.show().await["addresses"].to_string();
        let shown = recorded.matches("\"fixed\"").count();
        (cards(cloud, server).await.len() == count && shown == count).then_some(())
    })
    .await;
}

/// Name, result and message of the last action's event of a server.
async fn last_event(cloud: &TestCloud, server: &Server) -> Value {
    server.last_action(&cloud.admin().await).await["events"][0].take()
}

async fn port(user: &User, network: &str, more: Value) -> String {
    let mut body = json!({"port": {"network_id": network}});
    let more = more.as_object().cloned().expect("an object");
    body["port"]
        .as_object_mut()
        .expect("an object")
        .extend(more);
    let made = user.post("/network/v2.0/ports", &body).await.expect(201);
    made["port"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_a_card_on_a_network_and_loses_it_with_its_port() {
    let (cloud, server, network) = wired().await;
    let wanted =
        json!({"net_id": network, "fixed_ips": [{"ip_address": "10.1.0.77"}], "tag": "backup"});
    let card = attach(&server, wanted).await.expect(200)["interfaceAttachment"].take();
    assert_eq!(card["net_id"], network.as_str());
    assert_eq!(card["fixed_ips"][0]["ip_address"], "10.1.0.77");
    assert_eq!(card["tag"], "backup");
    assert_eq!(card["port_state"], "ACTIVE");
    has_cards(&cloud, &server, 2).await;
    assert_eq!(cards(&cloud, &server).await[1], id(&card));
    let ports = server.ports().await;
    let port = ports.iter().find(|port| port["id"] == card["port_id"]);
    assert_eq!(port.expect("a port")["device_owner"], "compute:nova");
    let event = last_event(&cloud, &server).await;
    assert_eq!(event["event"], "compute_attach_interface");
    assert_eq!(event["result"], "Success");
    assert!(event["start_time"].as_str() <= event["finish_time"].as_str());

    // It keeps the card over a stop and a start.
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    has_cards(&cloud, &server, 2).await;

    detach(&server, &id(&card)).await.expect(202);
    has_cards(&cloud, &server, 1).await;
    until("the port is gone", || async {
        (server.ports().await.len() == 1).then_some(())
    })
    .await;
    until("the event", || async {
        let event = last_event(&cloud, &server).await;
        (event["event"] == "compute_detach_interface" && event["result"] == "Success").then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_the_user_is_plugged_into_a_stopped_server_and_survives_being_unplugged() {
    let (cloud, server, network) = wired().await;
    server.stop().await.reaches("SHUTOFF").await;
    let given = port(&server.user, &network, json!({})).await;
    let card = attach(&server, json!({"port_id": given})).await.expect(200);
    assert_eq!(id(&card["interfaceAttachment"]), given);
    has_cards(&cloud, &server, 2).await;
    let again = attach(&server, json!({"port_id": given})).await;
    assert_eq!(again.fault(409), format!("Port {given} is still in use."));
    detach(&server, &given).await.expect(202);
    has_cards(&cloud, &server, 1).await;
    let path = format!("/network/v2.0/ports/{given}");
    until("the port is free", || async {
        let port = server.user.get(&path).await.expect(200);
        (port["port"]["device_id"] == "").then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_that_cannot_be_are_refused_and_leave_nothing() {
    let (cloud, server, network) = wired().await;
    let address = server.address("private").await;
    let ip = |text: &str| json!([{"ip_address": text}]);
    for (wanted, code, why) in [
        (
            json!({"net_id": network, "port_id": NOTHING}),
            400,
            "Must not input both network_id and port_id".to_owned(),
        ),
        (
            json!({"fixed_ips": ip("10.1.0.9")}),
            400,
            "Must input network_id when request IP address".to_owned(),
        ),
        (
            json!({"net_id": NOTHING}),
            404,
            format!("Network {NOTHING} could not be found."),
        ),
        (
            json!({"port_id": NOTHING}),
            404,
            format!("Port id {NOTHING} could not be found."),
        ),
        (
            json!({"net_id": network, "fixed_ips": ip(&address)}),
            409,
            format!(
                "Fixed IP address {address} is already in use on instance {}.",
                server.id
            ),
        ),
    ] {
        assert_eq!(
            attach(&server, wanted.clone()).await.fault(code),
            why,
            "{wanted}"
        );
    }
    // An address that no subnet has is refused by the network service, in the operation.
    let outside = attach(
        &server,
        json!({"net_id": network, "fixed_ips": ip("10.9.0.9")}),
    )
    .await;
    assert!(outside.fault(400).contains("10.9.0.9"));
    let event = last_event(&cloud, &server).await;
    assert_eq!(event["result"], "Error", "{event}");
    let stranger = cloud.stranger("stranger").await;
    let theirs = stranger.network("theirs", "10.3.0.0/24").await;
    let theirs = port(&stranger, &theirs, json!({})).await;
    attach(&server, json!({"port_id": theirs})).await.fault(404);
    assert_eq!(
        detach(&server, &theirs).await.fault(404),
        format!("Port id {theirs} could not be found.")
    );
    let as_stranger = server.seen_by(&stranger);
    attach(&as_stranger, json!({})).await.fault(404);
    detach(&as_stranger, NOTHING).await.fault(404);

    // Two networks: nobody knows which is meant.
    let second = server.user.network("second", "10.2.0.0/24").await;
    let ambiguous = attach(&server, json!({})).await.fault(400);
    assert!(
        ambiguous.starts_with("More than one possible network"),
        "{ambiguous}"
    );
    let admin = cloud.admin().await;
    let quota = format!("/network/v2.0/quotas/{}", server.user.project_id);
    let full = json!({"quota": {"port": 1}});
    admin.put(&quota, &full).await.expect(200);
    let why = attach(&server, json!({"net_id": second})).await.fault(403);
    assert_eq!(why, "Maximum number of ports exceeded");

    server.action(json!({"lock": null})).await.expect(202);
    let locked = format!("Instance {} is locked", server.id);
    assert_eq!(
        attach(&server, json!({"net_id": network})).await.fault(409),
        locked
    );
    let card = id(&json!({"port_id": cards(&cloud, &server).await[0]}));
    assert_eq!(detach(&server, &card).await.fault(409), locked);
    server.action(json!({"unlock": null})).await.expect(202);
    server.action(json!({"suspend": null})).await.expect(202);
    server.reaches("SUSPENDED").await;
    let why = format!(
        "Cannot 'attach_interface' instance {} while it is in vm_state suspended",
        server.id
    );
    assert_eq!(
        attach(&server, json!({"net_id": network})).await.fault(409),
        why
    );
    detach(&server, &card).await.fault(409);
    assert_eq!(server.ports().await.len(), 1);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

/// No two changes of the server's cards were under way at once, from the port on.
async fn one_after_the_other(cloud: &TestCloud, server: &Server) {
    let db = &cloud.cloud().db;
    let filter = workflow::Filter {
        subject: Some(server.id.clone()),
        kind: Some("attach_interface".to_owned()),
        status: None,
        limit: 100,
    };
    let mut spans = Vec::new();
    for record in workflow::list(db.read(), &filter)
        .await
        .expect("the journal")
    {
        let steps = workflow::history(db.read(), record.id).await;
        let steps = steps.expect("the history");
        let port = steps
            .iter()
            .find(|step| step.name == "port")
            .expect("a port");
        let last = steps.last().expect("steps");
        spans.push((port.started_at, last.ended_at));
    }
    spans.sort();
    assert!(spans.len() > 1);
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{spans:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cards_at_once_come_one_after_the_other_and_all_are_different() {
    let (cloud, server, network) = wired().await;
    let wanted = || attach(&server, json!({"net_id": network}));
    let answers = tokio::join!(wanted(), wanted(), wanted(), wanted());
    let mut ports: Vec<String> = [answers.0, answers.1, answers.2, answers.3]
        .into_iter()
        .map(|answer| id(&answer.expect(200)["interfaceAttachment"]))
        .collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 4);
    has_cards(&cloud, &server, 5).await;
    assert_eq!(server.ports().await.len(), 5);
    one_after_the_other(&cloud, &server).await;
    let gone = ports.iter().map(|port| detach(&server, port));
    for answer in futures::future::join_all(gone).await {
        answer.expect(202);
    }
    has_cards(&cloud, &server, 1).await;
    until("one port is left", || async {
        (server.ports().await.len() == 1).then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_an_operator_deletes_takes_its_card_along() {
    let (cloud, server, network) = wired().await;
    let admin = cloud.admin().await;
    let card = attach(&server, json!({"net_id": network}))
        .await
        .expect(200);
    let port = id(&card["interfaceAttachment"]);
    let path = format!("/network/v2.0/ports/{port}");
    server.user.delete(&path).await.expect(403);
    admin.delete(&path).await.expect(204);
    has_cards(&cloud, &server, 1).await;
    assert_ne!(cards(&cloud, &server).await[0], port);
    until("the event", || async {
        let event = last_event(&cloud, &server).await;
        (event["event"] == "compute_detach_interface" && event["result"] == "Success").then_some(())
    })
    .await;
    // A guest that keeps the card has it without a record: there is no port any more to put back.
    let card = attach(&server, json!({"net_id": network}))
        .await
        .expect(200);
    let port = id(&card["interfaceAttachment"]);
    fail(&cloud, Verb::DetachNic, 3);
    let path = format!("/network/v2.0/ports/{port}");
    admin.delete(&path).await.expect(204);
    until("the detach fails", || async {
        let event = last_event(&cloud, &server).await;
        (event["event"] == "compute_detach_interface" && event["result"] == "Error").then_some(())
    })
    .await;
    assert_eq!(cards(&cloud, &server).await.len(), 2);
    let shown = server.show().await["addresses"].to_string();
    assert_eq!(shown.matches("\"fixed\"").count(), 1, "{shown}");
    // What is deleted with its server is no change of its cards.
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

fn fail(cloud: &TestCloud, verb: Verb, times: u64) {
    let faults = Faults {
        fail_calls: (1..=times).map(|nth| FailCall { verb, nth }).collect(),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_a_host_cannot_plug_is_taken_back_and_one_that_a_guest_keeps_stays() {
    let (cloud, server, network) = wired().await;
    fail(&cloud, Verb::AttachNic, 1);
    let why = attach(&server, json!({"net_id": network})).await.fault(500);
    assert_eq!(
        why,
        format!(
            "Failed to attach network adapter device to {}: The hypervisor did not do what it was told.",
            server.id
        )
    );
    let event = last_event(&cloud, &server).await;
    assert_eq!(event["event"], "compute_attach_interface", "{event}");
    assert_eq!(event["result"], "Error", "{event}");
    has_cards(&cloud, &server, 1).await;
    assert_eq!(server.ports().await.len(), 1);

    let first = cards(&cloud, &server).await.remove(0);
    fail(&cloud, Verb::DetachNic, 3);
    detach(&server, &first).await.expect(202);
    until("the detach fails", || async {
        let event = last_event(&cloud, &server).await;
        (event["event"] == "compute_detach_interface" && event["result"] == "Error").then_some(())
    })
    .await;
    has_cards(&cloud, &server, 1).await;
    assert_eq!(server.ports().await.len(), 1);
    assert_eq!(server.show().await["status"], "ACTIVE");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_does_not_wait_for_a_card_that_never_carries_traffic() {
    let (cloud, server, network) = wired().await;
    let idle = port(&server.user, &network, json!({"admin_state_up": false})).await;
    let (answer, ()) = tokio::join!(attach(&server, json!({"port_id": idle})), async {
        until("the card is recorded", || async {
            (server.ports().await.len() == 2).then_some(())
        })
        .await;
        server.delete().await.vanishes().await;
    });
    assert!(
        [404, 409, 500].contains(&answer.status.as_u16()),
        "{}",
        answer.status
    );
    let path = format!("/network/v2.0/ports/{idle}");
    let shown = server.user.get(&path).await.expect(200);
    assert_eq!(shown["port"]["device_id"], "");
    cloud.audit().await;
}

#[tokio::test]
async fn administrators_have_the_addresses_of_a_server_read_anew() {
    let (cloud, server, _) = wired().await;
    let admin = server.seen_by(&cloud.admin().await);
    let inject = json!({"injectNetworkInfo": null});
    server.action(inject.clone()).await.expect(403);
    server.action(json!({"lock": null})).await.expect(202);
    let before = server.show().await["addresses"].clone();
    admin.action(inject.clone()).await.expect(202);
    assert_eq!(server.show().await["addresses"], before);
    let nobody = Server {
        id: NOTHING.to_owned(),
        ..admin
    };
    nobody.action(inject).await.expect(404);
}
