//! Real answers at every microversion, for comparison with foreign schemas.
//!
//! `COMPUTE_ANSWERS` names a file that gets a line `{"call": …, "version": "2.N", "code": …, "body": …}` for each.

use std::fmt::Write as _;
use std::fs;

use bus::{Failure, Service};
use compute_control::testing;
use compute_rpc::agent::{self, ConsoleEndpoint, ConsoleOutput, Endpoint};
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, FREE_PORT, IMAGE, MEMBER, SERVICE, port};

async fn stage() -> (Cloud, String, String) {
    let cloud = Cloud::start().await;
    let agent = Service::new(())
        .on(async |_, _: bus::Context, _: ConsoleOutput| Ok::<_, Failure>("text".to_owned()))
        .on(async |_, _: bus::Context, _: ConsoleEndpoint| {
            Ok::<_, Failure>(Endpoint::Tcp("192.0.2.1".into(), 5901))
        });
    let serving = cloud
        .control
        .bus
        .serve(&agent::address("node1"), agent, 4)
        .await;
    serving.expect("served");
    let id = cloud.boot("s").await;
    testing::change(&cloud.control, &id, |server| {
        server.vifs[0].addresses[0].floating = vec![[203, 0, 113, 9].into()];
    })
    .await;
    cloud
        .net
        .lock()
        .expect("whole")
        .ports
        .push(port(FREE_PORT, &id));
    let url = cloud
        .ask(
            MEMBER,
            6,
            &format!("POST /servers/{id}/remote-consoles"),
            json!({"remote_console": {"protocol": "vnc", "type": "novnc"}}),
        )
        .await;
    let url = url.body["remote_console"]["url"]
        .as_str()
        .expect("an address")
        .to_owned();
    let token = url.rsplit("%3D").next().expect("a token").to_owned();
    (cloud, id, token)
}

#[tokio::test]
#[ignore = "writes a file, see above"]
async fn answers_are_written_for_every_version() {
    let path = std::env::var("COMPUTE_ANSWERS").expect("where to");
    let (cloud, id, token) = stage().await;
    let actions = cloud
        .get(MEMBER, 1, &format!("/servers/{id}/os-instance-actions"))
        .await;
    let request = actions.body["instanceActions"][0]["request_id"].clone();
    let request = request.as_str().expect("an id").to_owned();
    let none = Value::Null;
    let calls = [
        (
            "get_server",
            MEMBER,
            format!("GET /servers/{id}"),
            none.clone(),
        ),
        (
            "get_server",
            ADMIN,
            format!("GET /servers/{id}"),
            none.clone(),
        ),
        (
            "list_servers",
            MEMBER,
            "GET /servers?limit=1".into(),
            none.clone(),
        ),
        (
            "list_servers_detail",
            MEMBER,
            "GET /servers/detail?limit=1".into(),
            none.clone(),
        ),
        (
            "list_servers_detail",
            ADMIN,
            "GET /servers/detail?limit=1&all_tenants=1".into(),
            none.clone(),
        ),
        (
            "update_server",
            MEMBER,
            format!("PUT /servers/{id}"),
            json!({"server": {"name": "s"}}),
        ),
        (
            "list_server_metadata",
            MEMBER,
            format!("GET /servers/{id}/metadata"),
            none.clone(),
        ),
        (
            "list_addresses",
            MEMBER,
            format!("GET /servers/{id}/ips"),
            none.clone(),
        ),
        (
            "list_addresses_by_network",
            MEMBER,
            format!("GET /servers/{id}/ips/private"),
            none.clone(),
        ),
        (
            "list_instance_actions",
            MEMBER,
            format!("GET /servers/{id}/os-instance-actions"),
            none.clone(),
        ),
        (
            "show_instance_action",
            ADMIN,
            format!("GET /servers/{id}/os-instance-actions/{request}"),
            none.clone(),
        ),
        (
            "show_instance_action",
            MEMBER,
            format!("GET /servers/{id}/os-instance-actions/{request}"),
            none.clone(),
        ),
        (
            "list_interfaces",
            MEMBER,
            format!("GET /servers/{id}/os-interface"),
            none.clone(),
        ),
        (
            "get_remote_consoles",
            MEMBER,
            format!("POST /servers/{id}/remote-consoles"),
            json!({"remote_console": {"protocol": "vnc", "type": "novnc"}}),
        ),
        (
            "get_console_output",
            MEMBER,
            format!("POST /servers/{id}/action"),
            json!({"os-getConsoleOutput": {}}),
        ),
        (
            "get_vnc_console",
            MEMBER,
            format!("POST /servers/{id}/action"),
            json!({"os-getVNCConsole": {"type": "novnc"}}),
        ),
        (
            "list_security_groups_by_server",
            MEMBER,
            format!("GET /servers/{id}/os-security-groups"),
            none.clone(),
        ),
        (
            "list_tags",
            MEMBER,
            format!("GET /servers/{id}/tags"),
            none.clone(),
        ),
        (
            "console_auth_token",
            ADMIN,
            format!("GET /os-console-auth-tokens/{token}"),
            none,
        ),
        (
            "external_events",
            SERVICE,
            "POST /os-server-external-events".into(),
            json!({"events": [{"name": "network-vif-plugged", "server_uuid": id, "tag": FREE_PORT}]}),
        ),
    ];
    let mut lines = String::new();
    for minor in 1..=104 {
        for (name, token, call, body) in &calls {
            let answer = cloud.ask(token, minor, call, body.clone()).await;
            let line = json!({"call": name, "version": format!("2.{minor}"), "code": answer.code, "body": answer.body});
            writeln!(lines, "{line}").expect("text grows");
        }
        let mut server = json!({"name": "n", "imageRef": IMAGE, "flavorRef": "1"});
        if minor >= 37 {
            server["networks"] = json!("none");
        }
        let made = cloud
            .ask(MEMBER, minor, "POST /servers", json!({"server": server}))
            .await;
        let line = json!({"call": "create_server", "version": format!("2.{minor}"), "code": made.code, "body": made.body});
        writeln!(lines, "{line}").expect("text grows");
        if let Some(id) = made.body["server"]["id"].as_str() {
            testing::change(&cloud.control, id, |server| {
                server.deleted_at = Some(server.created_at)
            })
            .await;
        }
    }
    fs::write(path, lines).expect("writable");
}
