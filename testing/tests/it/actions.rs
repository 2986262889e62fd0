//! What may be done with a server in which state, and what is remembered of it.

use compute_model::lifecycle::Action;
use compute_rpc::agent::Given;
use compute_rpc::workflows::{ACT, ACT_VERSION, Act, Asked};
use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

/// Every action of this slice: its body and the word in refusals.
fn all() -> [(Value, &'static str); 11] {
    [
        (json!({"os-start": null}), "start"),
        (json!({"os-stop": null}), "stop"),
        (json!({"reboot": {"type": "SOFT"}}), "reboot"),
        (json!({"reboot": {"type": "HARD"}}), "reboot"),
        (json!({"pause": null}), "pause"),
        (json!({"unpause": null}), "unpause"),
        (json!({"suspend": null}), "suspend"),
        (json!({"resume": null}), "resume"),
        (json!({"rescue": null}), "rescue"),
        (json!({"unrescue": null}), "unrescue"),
        (json!({"trigger_crash_dump": null}), "trigger_crash_dump"),
    ]
}

/// Does what leads from ACTIVE to a status.
async fn lead(server: &Server, status: &str) {
    let action = match status {
        "SHUTOFF" => json!({"os-stop": null}),
        "PAUSED" => json!({"pause": null}),
        "SUSPENDED" => json!({"suspend": null}),
        "RESCUE" => json!({"rescue": null}),
        "ACTIVE" => return,
        other => panic!("no way to {other}"),
    };
    take(server, action).await;
    server.reaches(status).await;
}

/// Asks for an action; a rescue answers with a password.
async fn take(server: &Server, action: Value) {
    let code = match action.get("rescue") {
        Some(_) => 200,
        None => 202,
    };
    server.action(action).await.expect(code);
}

/// Actions by their position in [`all`], and the status that each leads to.
type Ways = &'static [(usize, &'static str)];

/// By status: its vm state, the actions allowed (positions in [`all`]), and where each leads.
const ALLOWED: &[(&str, &str, Ways)] = &[
    (
        "ACTIVE",
        "active",
        &[
            (1, "SHUTOFF"),
            (2, "ACTIVE"),
            (3, "ACTIVE"),
            (4, "PAUSED"),
            (6, "SUSPENDED"),
            (8, "RESCUE"),
            (10, "ACTIVE"),
        ],
    ),
    (
        "SHUTOFF",
        "stopped",
        &[(0, "ACTIVE"), (3, "ACTIVE"), (8, "RESCUE")],
    ),
    (
        "PAUSED",
        "paused",
        &[(3, "ACTIVE"), (5, "ACTIVE"), (10, "PAUSED")],
    ),
    ("SUSPENDED", "suspended", &[(3, "ACTIVE"), (7, "ACTIVE")]),
    ("RESCUE", "rescued", &[(9, "ACTIVE"), (10, "RESCUE")]),
];

/// What another operation took over before its host was asked has an end, for those who wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_another_one_takes_over_has_an_end() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    // Any action does, with an event that is open: its journal says an epoch that the server has no more.
    server.action(json!({"pause": null})).await.expect(202);
    server.reaches("PAUSED").await;
    let request = server.last_action(&admin).await["request_id"].take();
    let request = request.as_str().expect("an id");
    let db = &cloud.cloud().db;
    let (id, now) = (&server.id, sql::micros(chrono::Utc::now()));
    let begun = compute_db::actions::begin_event(db.write(), id, request, "overtaken", None, now);
    begun.await.expect("an open event");
    let state = Act {
        server_id: id.clone(),
        asked: Asked {
            request_id: request.to_owned(),
            ..Asked::default()
        },
        action: Action::Unpause,
        epoch: 0,
        given: Given::default(),
        server_password: None,
        power_state: None,
        refused: 0,
    };
    let inserted = workflow::insert(db.write(), (ACT, ACT_VERSION), id, &state).await;
    inserted.expect("in the journal");
    let path = format!("/servers/{id}/os-instance-actions/{request}");
    until("every event has an end", || async {
        let action = admin.compute("latest", Method::GET, &path, None).await;
        let mut action = action.expect(200);
        let events = action["instanceAction"]["events"].take();
        let all = events.as_array().expect("a list");
        let open = all.iter().any(|event| event["finish_time"].is_null());
        (all.len() == 2 && !open).then_some(())
    })
    .await;
    server.reaches("PAUSED").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_works_from_its_states_and_is_refused_in_novas_words_in_all_others() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    for (status, vm_state, allowed) in ALLOWED {
        let server = cloud.boot(&demo, status).await;
        server.reaches("ACTIVE").await;
        lead(&server, status).await;
        for (position, (body, word)) in all().into_iter().enumerate() {
            if allowed.iter().any(|(allowed, _)| *allowed == position) {
                continue;
            }
            let refused = server.action(body).await.fault(409);
            let id = &server.id;
            let said = format!("Cannot '{word}' instance {id} while it is in vm_state {vm_state}");
            assert_eq!(refused, said);
        }
        for (position, leads_to) in *allowed {
            let (body, _) = all()[*position].clone();
            take(&server, body).await;
            server.reaches(leads_to).await;
            if leads_to != status {
                // Back: every state but that of a rescue has a way to ACTIVE by a hard reboot.
                let back = match *leads_to {
                    "ACTIVE" => None,
                    "RESCUE" => Some(json!({"unrescue": null})),
                    _ => Some(json!({"reboot": {"type": "HARD"}})),
                };
                if let Some(back) = back {
                    take(&server, back).await;
                    server.reaches("ACTIVE").await;
                }
                lead(&server, status).await;
            }
        }
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_server_refuses_its_owner_and_obeys_the_operator() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "locked").await;
    server.reaches("ACTIVE").await;
    let reason = json!({"lock": {"locked_reason": "do not touch"}});
    server.action(reason).await.expect(202);
    let shown = server.show().await;
    assert_eq!(shown["locked"], true);
    assert_eq!(shown["locked_reason"], "do not touch");
    let said = format!("Instance {} is locked", server.id);
    for (body, _) in all() {
        assert_eq!(server.action(body).await.fault(409), said);
    }
    let path = format!("/servers/{}", server.id);
    let refused = demo.compute("2.1", Method::DELETE, &path, None).await;
    assert_eq!(refused.fault(409), said);

    let operators = server.seen_by(&cloud.admin().await);
    operators.stop().await.reaches("SHUTOFF").await;
    server.action(json!({"unlock": null})).await.expect(202);
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_server_is_remembered_with_how_it_went() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "remembered").await;
    server.reaches("ACTIVE").await;
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    cloud.fail_next(Verb::Suspend);
    server.action(json!({"suspend": null})).await.expect(202);
    assert_eq!(
        server.fails().await,
        "Failed to suspend instance: The hypervisor did not do what it was told."
    );

    let found = actions(&demo, &server.id).await;
    let names: Vec<&str> = found
        .iter()
        .filter_map(|one| one["action"].as_str())
        .collect();
    assert_eq!(names, ["suspend", "start", "stop", "create"]);
    assert_eq!(found[0]["message"], "Error");
    for (record, event) in [
        (&found[1], "compute_start_instance"),
        (&found[2], "compute_stop_instance"),
        (&found[3], "compute__do_build_and_run_instance"),
    ] {
        assert_eq!(record["message"], Value::Null, "{record}");
        let events = events(&demo, &server.id, record).await;
        let event = events.iter().find(|one| one["event"] == event);
        let event = event.unwrap_or_else(|| panic!("{record}: {events:?}"));
        assert_eq!(event["result"], "Success");
        assert!(event["finish_time"].is_string(), "{event}");
    }
    let failed = events(&demo, &server.id, &found[0]).await;
    assert_eq!(failed[0]["result"], "Error", "{failed:?}");
    for secret in ["traceback", "details"] {
        assert_eq!(failed[0].get(secret), None, "{failed:?}");
    }
    let failed = events(&cloud.admin().await, &server.id, &found[0]).await;
    assert_eq!(
        failed[0]["details"],
        "Failed to suspend instance: The hypervisor did not do what it was told."
    );
    let traceback = failed[0]["traceback"].as_str().expect("a traceback");
    assert!(traceback.contains("configured to fail"), "{traceback}");
    // A server in error goes like any other, and its actions can still be read.
    server.delete().await.vanishes().await;
    assert_eq!(actions(&demo, &server.id).await[0]["action"], "delete");
    cloud.audit().await;
}

async fn actions(user: &User, id: &str) -> Vec<Value> {
    let path = format!("/servers/{id}/os-instance-actions");
    let mut found = user
        .compute("latest", Method::GET, &path, None)
        .await
        .expect(200);
    serde_json::from_value(found["instanceActions"].take()).expect("a list")
}

async fn events(user: &User, id: &str, record: &Value) -> Vec<Value> {
    let request = record["request_id"].as_str().expect("an id");
    let path = format!("/servers/{id}/os-instance-actions/{request}");
    let mut found = user
        .compute("latest", Method::GET, &path, None)
        .await
        .expect(200);
    serde_json::from_value(found["instanceAction"]["events"].take()).expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_seen_while_it_is_under_way_and_ends_with_its_action() {
    let cloud = TestCloud::with("[fake]\nstart_ms = 1500\nstop_ms = 60000\n").await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "slow").await;
    let building = under_way(&demo, &server.id, "create").await;
    assert_eq!(building["event"], "compute__do_build_and_run_instance");
    assert!(building["start_time"].is_string(), "{building}");
    server.reaches("ACTIVE").await;

    server.action(json!({"os-stop": null})).await.expect(202);
    let stopping = under_way(&demo, &server.id, "stop").await;
    assert_eq!(stopping["event"], "compute_stop_instance");
    server.delete().await.vanishes().await;
    let found = actions(&demo, &server.id).await;
    for (record, result) in [
        (&found[0], "Success"),
        (&found[1], "Error"),
        (&found[2], "Success"),
    ] {
        let events = events(&demo, &server.id, record).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["result"], result, "{record}: {events:?}");
        assert!(events[0]["finish_time"].is_string(), "{events:?}");
    }
    // It began when it was first seen, not when it ended.
    for (record, begun) in [(&found[1], &stopping), (&found[2], &building)] {
        let ended = events(&demo, &server.id, record).await.remove(0);
        assert_eq!(ended["start_time"], begun["start_time"], "{ended}");
        let (start, finish) = (ended["start_time"].as_str(), ended["finish_time"].as_str());
        assert!(start < finish, "{ended}");
    }
    cloud.audit().await;
}

/// The one event of the newest action of this name, while it has no end.
async fn under_way(user: &User, id: &str, action: &str) -> Value {
    testing::until(action, async || {
        let found = actions(user, id).await;
        let record = found.iter().find(|one| one["action"] == action)?;
        let mut events = events(user, id, record).await;
        let event = events.pop()?;
        assert_eq!(event["finish_time"], Value::Null, "{event}");
        assert_eq!(event["result"], Value::Null, "{event}");
        Some(event)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_its_host_refuses_leaves_the_server_as_it_was() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "kept").await;
    server.reaches("ACTIVE").await;
    cloud.fail_next(Verb::Pause);
    server.action(json!({"pause": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    assert_eq!(actions(&demo, &server.id).await[0]["message"], "Error");
    // And after a reboot that failed, which leaves nobody knows what, a second one mends it.
    cloud.fail_next(Verb::Reboot);
    server
        .action(json!({"reboot": {"type": "HARD"}}))
        .await
        .expect(202);
    server.fails().await;
    server
        .action(json!({"reboot": {"type": "HARD"}}))
        .await
        .expect(202);
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
