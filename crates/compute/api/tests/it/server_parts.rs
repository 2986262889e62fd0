//! What hangs below servers: metadata, tags, addresses, groups, consoles, events.

use bus::{Failure, Service};
use compute_control::testing;
use compute_rpc::agent::{self, ConsoleEndpoint, ConsoleOutput, Endpoint};
use serde_json::{Value, json};

use crate::cloud::{ADMIN, BUSY_PORT, Cloud, FREE_PORT, MEMBER, NOWHERE, OTHER, SERVICE, port};

#[tokio::test]
async fn metadata_is_merged_replaced_and_removed() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let path = format!("/servers/{id}/metadata");
    let all = |pairs: Value| json!({"metadata": pairs});
    let post = format!("POST {path}");
    let merged = cloud
        .ask(MEMBER, 1, &post, all(json!({"a": "1", "b": "2"})))
        .await;
    assert_eq!(
        (merged.code, merged.body),
        (200, all(json!({"a": "1", "b": "2"})))
    );
    let replaced = cloud
        .ask(MEMBER, 1, &format!("PUT {path}"), all(json!({"c": "3"})))
        .await;
    assert_eq!(replaced.body, all(json!({"c": "3"})));
    let item = json!({"meta": {"d": "4"}});
    assert_eq!(
        cloud
            .ask(MEMBER, 1, &format!("PUT {path}/d"), item.clone())
            .await
            .body,
        item
    );
    let mismatch = cloud
        .ask(MEMBER, 1, &format!("PUT {path}/e"), item.clone())
        .await;
    assert_eq!(
        (mismatch.code, mismatch.message()),
        (400, "Request body and URI mismatch")
    );
    assert_eq!(cloud.get(MEMBER, 1, &format!("{path}/d")).await.body, item);
    let gone = format!("DELETE {path}/d");
    assert_eq!(cloud.ask(MEMBER, 1, &gone, Value::Null).await.code, 204);
    let missing = cloud.ask(MEMBER, 1, &gone, Value::Null).await;
    assert_eq!(
        (missing.code, missing.message()),
        (404, "Metadata item was not found")
    );
    assert_eq!(
        cloud.get(MEMBER, 1, &path).await.body,
        all(json!({"c": "3"}))
    );
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("k{n}"), json!("v"))).collect();
    let over = cloud.ask(MEMBER, 1, &post, all(Value::Object(many))).await;
    assert_eq!(
        (over.code, over.message()),
        (403, "Maximum number of metadata items exceeds 128")
    );

    let building = cloud.create("b").await;
    let early = cloud
        .ask(
            MEMBER,
            1,
            &format!("POST /servers/{building}/metadata"),
            all(json!({"a": "1"})),
        )
        .await;
    assert_eq!(
        (early.code, early.message()),
        (
            409,
            format!(
                "Cannot 'update metadata' instance {building} while it is in vm_state building"
            )
            .as_str()
        )
    );
}

#[tokio::test]
async fn tags_come_and_go() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let path = format!("/servers/{id}/tags");
    assert_eq!(
        cloud.get(MEMBER, 25, &path).await.code,
        404,
        "not before 2.26"
    );
    let put = format!("PUT {path}/red");
    let new = cloud.ask(MEMBER, 26, &put, Value::Null).await;
    assert_eq!(new.code, 201);
    let url = format!("http://cloud/compute/v2.1{path}/red");
    assert_eq!(new.headers["location"], url.as_str());
    assert_eq!(cloud.ask(MEMBER, 26, &put, Value::Null).await.code, 204);
    assert_eq!(
        cloud.get(MEMBER, 26, &format!("{path}/red")).await.code,
        204
    );
    assert_eq!(
        cloud.get(MEMBER, 26, &format!("{path}/blue")).await.code,
        404
    );
    let bad = cloud
        .ask(MEMBER, 26, &format!("PUT {path}/a,b"), Value::Null)
        .await;
    assert_eq!(bad.code, 400);
    let all = json!({"tags": ["x", "y"]});
    assert_eq!(
        cloud
            .ask(MEMBER, 26, &format!("PUT {path}"), all.clone())
            .await
            .body,
        all
    );
    let found = cloud.get(MEMBER, 26, "/servers?tags=x,y").await.body;
    assert_eq!(found["servers"][0]["id"], id.as_str());
    let none = cloud.get(MEMBER, 26, "/servers?not-tags-any=x").await.body;
    assert_eq!(none, json!({"servers": []}));
    assert_eq!(
        cloud
            .ask(MEMBER, 26, &format!("DELETE {path}/x"), Value::Null)
            .await
            .code,
        204
    );
    assert_eq!(
        cloud
            .ask(MEMBER, 26, &format!("DELETE {path}"), Value::Null)
            .await
            .code,
        204
    );
    assert_eq!(cloud.get(MEMBER, 26, &path).await.body, json!({"tags": []}));
}

#[tokio::test]
async fn addresses_follow_what_the_network_service_tells() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let path = format!("/servers/{id}/ips");
    let fixed = json!({"addresses": {"private": [{"version": 4, "addr": "10.0.0.5"}]}});
    assert_eq!(cloud.get(MEMBER, 1, &path).await.body, fixed);
    assert_eq!(
        cloud.get(MEMBER, 1, &format!("{path}/private")).await.body,
        fixed["addresses"]
    );
    assert_eq!(
        cloud.get(MEMBER, 1, &format!("{path}/other")).await.code,
        404
    );

    {
        let mut net = cloud.net.lock().expect("whole");
        net.ports.push(port(FREE_PORT, &id));
        net.floating.push(
            json!({"floating_ip_address": "203.0.113.9", "fixed_ip_address": "10.0.0.5",
            "port_id": FREE_PORT}),
        );
    }
    let changed =
        json!({"events": [{"name": "network-changed", "server_uuid": id, "tag": FREE_PORT}]});
    let call = "POST /os-server-external-events";
    assert_eq!(cloud.ask(MEMBER, 1, call, changed.clone()).await.code, 403);
    let told = cloud.ask(SERVICE, 1, call, changed).await;
    assert_eq!(told.code, 200, "{}", told.body);
    assert_eq!(told.body["events"][0]["code"], 200);
    let shown = cloud.get(MEMBER, 1, &format!("/servers/{id}")).await.body;
    let addresses = &shown["server"]["addresses"]["private"];
    assert_eq!(addresses[1]["addr"], "203.0.113.9");
    assert_eq!(addresses[1]["OS-EXT-IPS:type"], "floating");
    assert_eq!(addresses[1]["OS-EXT-IPS-MAC:mac_addr"], "fa:16:3e:00:00:01");

    let listed = cloud
        .get(MEMBER, 70, &format!("/servers/{id}/os-interface"))
        .await
        .body;
    assert_eq!(
        listed["interfaceAttachments"][0]["fixed_ips"][0]["ip_address"],
        "10.0.0.5"
    );
    let groups = cloud
        .get(MEMBER, 1, &format!("/servers/{id}/os-security-groups"))
        .await
        .body;
    let rule = &groups["security_groups"][0]["rules"][0];
    assert_eq!(
        (&rule["from_port"], &rule["ip_range"]),
        (&json!(22), &json!({"cidr": "0.0.0.0/0"}))
    );
    assert_eq!(rule["group"], json!({}));
}

#[tokio::test]
async fn floating_addresses_of_a_network_come_after_all_fixed_ones() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    testing::change(&cloud.control, &id, |server| {
        server.vifs[0].addresses[0].floating = vec![[203, 0, 113, 9].into()];
        let mut second = server.vifs[0].clone();
        second.port_id = BUSY_PORT.into();
        second.addresses[0].address = [10, 0, 0, 6].into();
        second.addresses[0].floating = vec![[203, 0, 113, 10].into()];
        server.vifs.push(second);
    })
    .await;
    let shown = cloud.get(MEMBER, 1, &format!("/servers/{id}/ips")).await;
    let private = shown.body["addresses"]["private"].as_array();
    let addresses: Vec<_> = private
        .expect("a list")
        .iter()
        .filter_map(|one| one["addr"].as_str())
        .collect();
    assert_eq!(
        addresses,
        ["10.0.0.5", "10.0.0.6", "203.0.113.9", "203.0.113.10"]
    );
}

#[tokio::test]
async fn a_group_is_added_to_ports_that_can_have_one() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let call = format!("POST /servers/{id}/action");
    let add = json!({"addSecurityGroup": {"name": "web"}});
    let remove = json!({"removeSecurityGroup": {"name": "web"}});
    for body in [add.clone(), remove] {
        let lost = cloud.ask(MEMBER, 1, &call, body).await;
        assert_eq!(lost.code, 404);
        assert!(lost.message().contains("could not be found as device id"));
    }
    let with = |field: &str, value: Value| {
        let mut port = port(FREE_PORT, &id);
        port["security_groups"] = json!([]);
        port[field] = value;
        port
    };
    let cases = [
        (with("port_security_enabled", json!(false)), None, 400),
        (with("fixed_ips", json!([])), None, 400),
        (with("name", json!("n")), Some(400), 400),
        (with("name", json!("n")), Some(409), 409),
        (with("name", json!("n")), None, 202),
    ];
    for (port, refusal, code) in cases {
        {
            let mut net = cloud.net.lock().expect("whole");
            net.ports = vec![port];
            net.port_refusal = refusal;
        }
        let answer = cloud.ask(MEMBER, 1, &call, add.clone()).await;
        assert_eq!(answer.code, code, "{}", answer.body);
        match refusal {
            Some(_) => assert_eq!(answer.message(), "not like this"),
            None if code == 400 => assert!(answer.message().contains("port_security_enabled")),
            None => {}
        }
    }
}

#[tokio::test]
async fn each_event_has_an_answer_of_its_own() {
    let cloud = Cloud::start().await;
    let (running, building) = (cloud.boot("s").await, cloud.create("b").await);
    let event = |id: &str| json!({"name": "network-vif-plugged", "server_uuid": id});
    let call = "POST /os-server-external-events";
    let told = cloud
        .ask(
            SERVICE,
            1,
            call,
            json!({"events": [event(&running), event(&building), event(NOWHERE)]}),
        )
        .await;
    assert_eq!(told.code, 207);
    let codes: Vec<i64> = told.body["events"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["code"].as_i64())
        .collect();
    assert_eq!(codes, [200, 422, 404]);
    let none = cloud
        .ask(SERVICE, 1, call, json!({"events": [event(NOWHERE)]}))
        .await;
    assert_eq!(
        (none.code, &none.body["events"][0]["code"]),
        (207, &json!(404))
    );
}

#[tokio::test]
async fn some_events_need_a_tag_and_all_end_as_completed_or_failed() {
    let cloud = Cloud::start().await;
    let (id, building) = (cloud.boot("s").await, cloud.create("b").await);
    let call = "POST /os-server-external-events";
    let cases = [
        (
            json!({"name": "network-changed", "status": "in-progress"}),
            200,
        ),
        (
            json!({"name": "power-update", "tag": "SIDEWAYS", "status": "failed"}),
            200,
        ),
        (json!({"name": "power-update"}), 400),
        (json!({"name": "volume-extended"}), 400),
        (json!({"name": "accelerator-request-bound"}), 400),
        (json!({"name": "volume-reimaged"}), 200),
        // The tag is asked for before the host.
        (
            json!({"name": "volume-extended", "server_uuid": building}),
            400,
        ),
        (
            json!({"name": "network-changed", "server_uuid": building}),
            422,
        ),
    ];
    for (mut event, code) in cases {
        if event.get("server_uuid").is_none() {
            event["server_uuid"] = json!(id);
        }
        let told = cloud
            .ask(SERVICE, 93, call, json!({"events": [event]}))
            .await;
        let (whole, status) = match code {
            200 => (200, "completed"),
            _ => (207, "failed"),
        };
        event["status"] = json!(status);
        event["code"] = json!(code);
        assert_eq!((told.code, told.body), (whole, json!({"events": [event]})));
    }
    let long = json!({"name": "network-changed", "server_uuid": id, "tag": "t".repeat(256)});
    let told = cloud.ask(SERVICE, 1, call, json!({"events": [long]})).await;
    assert_eq!(told.code, 400);
}

#[tokio::test]
async fn consoles_are_opened_by_tokens() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let agent = Service::new(())
        .on(async |_, _: bus::Context, asked: ConsoleOutput| {
            Ok::<_, Failure>(format!("\u{1b}[0m\t{:?}\r\n\0", asked.lines))
        })
        .on(async |_, _: bus::Context, _: ConsoleEndpoint| {
            Ok::<_, Failure>(Endpoint::Tcp("10.9.9.9".into(), 5901))
        });
    let serving = cloud
        .control
        .bus
        .serve(&agent::address("node1"), agent, 4)
        .await;
    serving.expect("served");
    let action = format!("POST /servers/{id}/action");
    let output = json!({"os-getConsoleOutput": {"length": 7}});
    assert_eq!(
        cloud.ask(MEMBER, 1, &action, output).await.body,
        json!({"output": "[0m\tSome(7)\n"})
    );

    let console = json!({"remote_console": {"protocol": "vnc", "type": "novnc"}});
    let call = format!("POST /servers/{id}/remote-consoles");
    assert_eq!(cloud.ask(OTHER, 6, &call, console.clone()).await.code, 404);
    let opened = cloud.ask(MEMBER, 6, &call, console).await.body;
    let url = opened["remote_console"]["url"]
        .as_str()
        .expect("an address");
    let (page, token) = url.split_once("?path=%3Ftoken%3D").expect("a token");
    assert_eq!(page, "http://127.0.0.1:6080/vnc_auto.html");
    let resolve = format!("/os-console-auth-tokens/{token}");
    assert_eq!(cloud.get(MEMBER, 31, &resolve).await.code, 403);
    assert_eq!(cloud.get(ADMIN, 30, &resolve).await.code, 400);
    let found = cloud.get(ADMIN, 31, &resolve).await.body;
    assert_eq!(
        found,
        json!({"console": {"instance_uuid": id, "host": "10.9.9.9", "port": 5901, "internal_access_path": null}})
    );
    assert_eq!(
        cloud
            .get(ADMIN, 31, "/os-console-auth-tokens/nothing")
            .await
            .code,
        404
    );

    let old = json!({"os-getSerialConsole": {"type": "serial"}});
    let opened = cloud.ask(MEMBER, 1, &action, old.clone()).await.body;
    assert!(
        opened["console"]["url"]
            .as_str()
            .expect("an address")
            .starts_with("ws://127.0.0.1:6083/?token=")
    );
    assert_eq!(
        cloud.ask(MEMBER, 6, &action, old).await.code,
        404,
        "gone with 2.6"
    );
    let spice = json!({"remote_console": {"protocol": "spice", "type": "spice-html5"}});
    assert_eq!(cloud.ask(MEMBER, 6, &call, spice).await.code, 400);
    let building = cloud.create("b").await;
    let early = cloud
        .ask(
            MEMBER,
            1,
            &format!("POST /servers/{building}/action"),
            json!({"os-getConsoleOutput": {}}),
        )
        .await;
    assert_eq!(
        (early.code, early.message()),
        (409, format!("Instance {building} is not ready").as_str())
    );
}

#[tokio::test]
async fn a_guest_s_password_is_shown_to_its_project_and_forgotten_on_demand() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let path = format!("/servers/{id}/os-server-password");
    let none = cloud.get(MEMBER, 1, &path).await;
    assert_eq!((none.code, none.body), (200, json!({"password": ""})));
    testing::guest_password(&cloud.control, &id, "c2VjcmV0").await;
    let kept = cloud.get(MEMBER, 1, &path).await;
    assert_eq!(kept.body, json!({"password": "c2VjcmV0"}));
    assert_eq!(cloud.get(OTHER, 1, &path).await.code, 404);
    let clear = format!("DELETE {path}");
    assert_eq!(cloud.ask(OTHER, 1, &clear, Value::Null).await.code, 404);
    assert_eq!(
        cloud.get(MEMBER, 1, &path).await.body,
        json!({"password": "c2VjcmV0"})
    );
    assert_eq!(cloud.ask(MEMBER, 1, &clear, Value::Null).await.code, 204);
    assert_eq!(
        cloud.get(MEMBER, 1, &path).await.body,
        json!({"password": ""})
    );
    let missing = cloud
        .get(MEMBER, 1, "/servers/none/os-server-password")
        .await;
    assert_eq!(
        (missing.code, missing.message()),
        (404, "Instance none could not be found.")
    );
}
