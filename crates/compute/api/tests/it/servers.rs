//! Servers through the whole API: accepted, shown, listed, changed, deleted.

use compute_control::testing;
use compute_model::state::VmState;
use serde_json::{Value, json};

use crate::cloud::{
    ADMIN, BIG_IMAGE, BUSY_PORT, Cloud, EXTERNAL, FREE_PORT, IMAGE, MEMBER, NETWORK, NOWHERE,
    OTHER, QUEUED_IMAGE, READER, WIDE_IMAGE, plain,
};

#[tokio::test]
async fn a_server_is_accepted_shown_and_deleted() {
    let cloud = Cloud::start().await;
    let body = json!({"server": {"name": "My Server", "imageRef": IMAGE, "flavorRef": 1, "networks": "auto",
        "metadata": {"k": "v"}, "description": "d", "tags": ["a", "b", "a"]},
        "os:scheduler_hints": {"custom": "x", "several": ["y", 2, true], "_nova_check_type": ["rebuild"]}});
    let answer = cloud.ask(MEMBER, 100, "POST /servers", body).await;
    assert_eq!(answer.code, 202, "{}", answer.body);
    let made = &answer.body["server"];
    let id = made["id"].as_str().expect("an id");
    let link = format!("http://cloud/compute/v2.1/servers/{id}");
    assert_eq!(answer.headers["location"], link.as_str());
    assert_eq!(made["adminPass"].as_str().map(str::len), Some(12));
    assert_eq!(made["security_groups"], json!([{"name": "default"}]));

    let shown = cloud.get(MEMBER, 100, &format!("/servers/{id}")).await.body;
    let server = &shown["server"];
    assert_eq!(server["status"], "BUILD");
    assert_eq!(server["OS-EXT-STS:task_state"], "scheduling");
    assert_eq!(server["addresses"], json!({}));
    assert_eq!(server["hostId"], "");
    assert_eq!(server["tags"], json!(["a", "b"]));
    assert_eq!(server["OS-EXT-SRV-ATTR:hostname"], "my-server");
    let hints = json!({"custom": ["x"], "several": ["y", "2", "True"]});
    assert_eq!(server["scheduler_hints"], hints);
    assert_eq!(server["image"]["properties"]["hw_disk_bus"], "virtio");
    assert!(server.get("OS-EXT-SRV-ATTR:host").is_none() && server.get("host_status").is_none());

    let journal = testing::journal(&cloud.control, id).await;
    assert_eq!(journal[0].0, "build");
    assert_eq!(
        journal[0].1["plan"]["networks"][0]["Network"]["id"],
        NETWORK
    );
    assert_eq!(journal[0].1["plan"]["admin_password"], Value::Null);

    for _ in 0..2 {
        let gone = cloud
            .ask(MEMBER, 1, &format!("DELETE /servers/{id}"), Value::Null)
            .await;
        assert_eq!(gone.code, 204);
    }
    let kinds: Vec<String> = testing::journal(&cloud.control, id)
        .await
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "delete").count(), 1);
    let actions = cloud
        .get(MEMBER, 90, &format!("/servers/{id}/os-instance-actions"))
        .await;
    let actions = actions.body["instanceActions"]
        .as_array()
        .expect("a list")
        .clone();
    let names: Vec<&str> = actions
        .iter()
        .filter_map(|one| one["action"].as_str())
        .collect();
    assert_eq!(names, ["delete", "create"]);
}

#[tokio::test]
async fn security_groups_are_answered_as_they_were_asked_for() {
    let cloud = Cloud::start().await;
    for groups in [json!([]), json!([{"name": "web"}, {"name": "web"}])] {
        let mut server = plain("s");
        server["security_groups"] = groups.clone();
        let answer = cloud
            .ask(MEMBER, 74, "POST /servers", json!({"server": server}))
            .await;
        assert_eq!(answer.code, 202, "{}", answer.body);
        assert_eq!(answer.body["server"]["security_groups"], groups);
    }
}

#[tokio::test]
async fn what_a_server_cannot_be_made_from_is_said_in_novas_words() {
    let cloud = Cloud::start().await;
    let cases = [
        (
            json!({"imageRef": NOWHERE}),
            400,
            "Can not find requested image",
        ),
        (json!({"imageRef": ""}), 400, "Missing imageRef attribute"),
        (json!({"imageRef": QUEUED_IMAGE}), 400, "is not active"),
        (
            json!({"imageRef": BIG_IMAGE}),
            400,
            "Flavor's disk is too small for requested image.",
        ),
        (
            json!({"imageRef": WIDE_IMAGE, "block_device_mapping_v2": [{"source_type": "image", "uuid": WIDE_IMAGE,
            "destination_type": "volume", "volume_size": 2, "boot_index": 0}]}),
            400,
            "Volume is smaller than the minimum size specified in image metadata. Volume size is 2147483648 bytes",
        ),
        (
            json!({"flavorRef": "7"}),
            400,
            "Flavor 7 could not be found.",
        ),
        (json!({"key_name": "k"}), 400, "Invalid key_name provided."),
        (
            json!({"availability_zone": "mars"}),
            400,
            "The requested availability zone is not available",
        ),
        (
            json!({"availability_zone": "nova:node1"}),
            403,
            "create:forced_host",
        ),
        (
            json!({"host": "node1"}),
            403,
            "create:requested_destination",
        ),
        (
            json!({"networks": [{"uuid": NOWHERE}]}),
            400,
            "Network 99999999",
        ),
        (
            json!({"networks": [{"uuid": EXTERNAL}]}),
            403,
            "external network",
        ),
        (
            json!({"networks": [{"port": NOWHERE}]}),
            400,
            "Port id 99999999",
        ),
        (
            json!({"networks": [{"port": BUSY_PORT}]}),
            409,
            "is still in use.",
        ),
        (
            json!({"networks": [{"port": FREE_PORT}], "max_count": 2}),
            400,
            "Unable to launch multiple",
        ),
        (
            json!({"networks": [{"port": BUSY_PORT}, {"port": BUSY_PORT}]}),
            400,
            "Port ID '33333333-3333-4333-8333-222222222222' was specified twice: you cannot attach a port multiple times.",
        ),
        (
            json!({"min_count": 3, "max_count": 2}),
            400,
            "min_count must be <= max_count",
        ),
        (
            json!({"security_groups": [{"name": "no"}]}),
            400,
            "Security group no not found.",
        ),
        (
            json!({"security_groups": [{"name": "twice"}]}),
            409,
            "Multiple security groups found",
        ),
        (
            json!({"min_count": 11}),
            403,
            "Quota exceeded for instances: Requested 11",
        ),
        (
            json!({"block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume",
            "uuid": NOWHERE, "boot_index": 0}]}),
            400,
            "Block Device Mapping is Invalid: failed to get volume",
        ),
    ];
    for (change, code, words) in cases {
        let mut server = plain("s");
        for (key, value) in change.as_object().expect("an object") {
            server[key] = value.clone();
        }
        let answer = cloud
            .ask(MEMBER, 74, "POST /servers", json!({"server": server}))
            .await;
        assert_eq!(answer.code, code, "{change}: {}", answer.body);
        assert!(
            answer.message().contains(words),
            "{change}: {}",
            answer.body
        );
    }
    let mut several = plain("s");
    several["hostname"] = json!("web");
    several["max_count"] = json!(2);
    let answer = cloud
        .ask(MEMBER, 90, "POST /servers", json!({"server": several}))
        .await;
    assert_eq!(
        (answer.code, answer.message()),
        (
            400,
            "Unable to allocate a single hostname to multiple instances"
        )
    );
    let group = json!({"server": plain("s"), "os:scheduler_hints": {"group": NOWHERE}});
    let answer = cloud.ask(MEMBER, 74, "POST /servers", group).await;
    assert_eq!(
        (answer.code, answer.message().contains("Instance group")),
        (400, true)
    );
    let listed = cloud.get(MEMBER, 1, "/servers").await;
    assert_eq!(
        listed.body,
        json!({"servers": []}),
        "nothing is left behind"
    );
}

#[tokio::test]
async fn without_word_of_networks_the_only_one_is_taken_and_several_are_a_conflict() {
    let cloud = Cloud::start().await;
    let mut server = plain("s");
    server
        .as_object_mut()
        .expect("an object")
        .remove("networks");
    let body = json!({"server": server});
    let answer = cloud.ask(MEMBER, 36, "POST /servers", body.clone()).await;
    let id = answer.body["server"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let journal = testing::journal(&cloud.control, &id).await;
    assert_eq!(
        journal[0].1["plan"]["networks"][0]["Network"]["id"],
        NETWORK
    );

    let second = json!({"id": NOWHERE, "name": "n", "subnets": ["s"], "shared": true, "admin_state_up": true});
    cloud.net.lock().expect("whole").networks.push(second);
    let answer = cloud.ask(MEMBER, 36, "POST /servers", body.clone()).await;
    assert_eq!(answer.code, 409);
    assert!(
        answer
            .message()
            .starts_with("More than one possible network found.")
    );

    cloud.net.lock().expect("whole").networks.clear();
    let answer = cloud.ask(MEMBER, 36, "POST /servers", body.clone()).await;
    assert_eq!(answer.code, 202);
    let mut auto = body;
    auto["server"]["networks"] = json!("auto");
    let answer = cloud.ask(MEMBER, 37, "POST /servers", auto).await;
    let id = answer.body["server"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let journal = testing::journal(&cloud.control, &id).await;
    assert_eq!(
        journal[0].1["plan"]["networks"][0]["Network"]["id"],
        NETWORK
    );
}

#[tokio::test]
async fn several_servers_are_numbered_and_lowered_to_what_quotas_allow() {
    let cloud = Cloud::start().await;
    let mut server = plain("web");
    server["min_count"] = json!("2");
    server["max_count"] = json!(20);
    server["return_reservation_id"] = json!(true);
    let answer = cloud
        .ask(MEMBER, 74, "POST /servers", json!({"server": server}))
        .await;
    assert_eq!(answer.code, 202, "{}", answer.body);
    assert!(
        answer.body["reservation_id"]
            .as_str()
            .expect("an id")
            .starts_with("r-")
    );
    let listed = cloud
        .get(MEMBER, 74, "/servers?sort_key=launch_index&sort_dir=asc")
        .await
        .body;
    let names: Vec<&str> = listed["servers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|server| server["name"].as_str())
        .collect();
    assert_eq!(names.len(), 10, "the quota is ten");
    assert_eq!((names[0], names[9]), ("web-1", "web-10"));

    cloud.net.lock().expect("whole").port_limit = 0;
    let mut server = plain("web");
    server["networks"] = json!([{"uuid": NETWORK}]);
    let answer = cloud
        .ask(OTHER, 74, "POST /servers", json!({"server": server}))
        .await;
    assert_eq!(
        (answer.code, answer.message()),
        (403, "Maximum number of ports exceeded")
    );
}

#[tokio::test]
async fn servers_of_others_are_hidden_except_from_operators() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let path = format!("/servers/{id}");
    let hidden = cloud.get(OTHER, 1, &path).await;
    assert_eq!(hidden.code, 404);
    assert_eq!(
        hidden.message(),
        format!("Instance {id} could not be found.")
    );
    assert_eq!(cloud.get(MEMBER, 1, &path).await.code, 200);
    let shown = cloud.get(ADMIN, 90, &path).await.body;
    assert_eq!(shown["server"]["OS-EXT-SRV-ATTR:host"], "node1");
    assert_eq!(
        shown["server"]["OS-EXT-SRV-ATTR:hypervisor_hostname"],
        "node1.cloud"
    );
    assert_eq!(shown["server"]["host_status"], "");
    let refused = cloud
        .ask(READER, 1, &format!("DELETE {path}"), Value::Null)
        .await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        "Policy doesn't allow os_compute_api:servers:delete to be performed."
    );

    assert_eq!(
        cloud.get(OTHER, 1, "/servers").await.body,
        json!({"servers": []})
    );
    assert_eq!(
        cloud.get(MEMBER, 1, "/servers?all_tenants=1").await.code,
        403
    );
    assert_eq!(
        cloud.get(ADMIN, 1, "/servers?all_tenants=maybe").await.code,
        400
    );
    let all = cloud.get(ADMIN, 1, "/servers?all_tenants=1").await.body;
    assert_eq!(all["servers"][0]["id"], id.as_str());
    let own = cloud.get(ADMIN, 1, "/servers").await.body;
    assert_eq!(own, json!({"servers": []}));
}

#[tokio::test]
async fn lists_come_in_pages_and_filters_narrow_them() {
    let cloud = Cloud::start().await;
    for name in ["a", "b", "c"] {
        cloud.boot(name).await;
    }
    let names = |body: &Value| -> Vec<String> {
        let servers = body["servers"].as_array().expect("a list").clone();
        servers
            .iter()
            .filter_map(|server| server["name"].as_str().map(str::to_owned))
            .collect()
    };
    let first = cloud.get(MEMBER, 1, "/servers?limit=2").await.body;
    assert_eq!(names(&first), ["c", "b"]);
    let next = first["servers_links"][0]["href"].as_str().expect("a link");
    let path = next
        .strip_prefix("http://cloud/compute/v2.1")
        .expect("our own link");
    let second = cloud.get(MEMBER, 1, path).await.body;
    assert_eq!(names(&second), ["a"]);
    assert!(second.get("servers_links").is_none());

    let cases = [
        (1, "?name=%5Ea", 200, vec!["a"]),
        (
            1,
            "?status=active&sort_key=display_name&sort_dir=asc",
            200,
            vec!["a", "b", "c"],
        ),
        (1, "?status=nonsense", 200, vec![]),
        (38, "?status=nonsense", 400, vec![]),
        (38, "?status=nonsense&status=active&limit=1", 200, vec!["c"]),
        (1, "?status=deleted", 403, vec![]),
        (1, "?ip=10.0.0.5&limit=1", 200, vec!["c"]),
        (1, "?host=elsewhere", 200, vec!["c", "b", "a"]),
        // Not for everybody before 2.83.
        (82, "?terminated_at=2", 200, vec!["c", "b", "a"]),
        (83, "?terminated_at=2", 200, vec![]),
        (
            83,
            "?created_at=%5E20&launched_at=:",
            200,
            vec!["c", "b", "a"],
        ),
        (1, "?unknown=1&limit=1", 200, vec!["c"]),
        (75, "?unknown=1", 400, vec![]),
        (1, "?marker=nothing", 400, vec![]),
        (1, "?sort_key=host", 403, vec![]),
        (1, "?sort_key=display_name&sort_dir=up", 400, vec![]),
        (1, "?limit=0", 200, vec![]),
        (1, "?metadata=x", 400, vec![]),
        (
            1,
            "?changes-since=2000-01-01T00:00:00Z&limit=1",
            200,
            vec!["c"],
        ),
        (
            66,
            "?changes-since=2030-01-01T00:00:00Z&changes-before=2020-01-01T00:00:00Z",
            400,
            vec![],
        ),
    ];
    for (minor, query, code, wanted) in cases {
        for path in ["/servers", "/servers/detail"] {
            let answer = cloud.get(MEMBER, minor, &format!("{path}{query}")).await;
            assert_eq!(answer.code, code, "{path}{query}: {}", answer.body);
            if code == 200 {
                assert_eq!(names(&answer.body), wanted, "{path}{query}");
            }
        }
    }
    let none = cloud
        .get(ADMIN, 1, "/servers?all_tenants=1&host=elsewhere")
        .await
        .body;
    assert_eq!(none, json!({"servers": []}));
    for (query, found) in [
        ("auto_disk_config=0", 3),
        ("auto_disk_config=1", 0),
        ("kernel_id=%5E$", 3),
        ("ramdisk_id=a", 0),
        ("locked_by=owner", 0),
    ] {
        let path = format!("/servers?all_tenants=1&{query}");
        let answer = cloud.get(ADMIN, 83, &path).await;
        assert_eq!(names(&answer.body).len(), found, "{query}");
    }
}

#[tokio::test]
async fn an_action_claims_the_server_and_a_second_one_is_told_so() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let call = format!("POST /servers/{id}/action");
    let started = cloud.ask(MEMBER, 1, &call, json!({"os-start": null})).await;
    assert_eq!(started.code, 409);
    assert_eq!(
        started.message(),
        format!("Cannot 'start' instance {id} while it is in vm_state active")
    );
    let stopped = cloud.ask(MEMBER, 1, &call, json!({"os-stop": null})).await;
    assert_eq!((stopped.code, &stopped.body), (202, &Value::Null));
    let journal = testing::journal(&cloud.control, &id).await;
    let act = journal
        .iter()
        .find(|(kind, _)| kind == "act")
        .expect("an action");
    assert_eq!(act.1["action"], "stop");
    let again = cloud.ask(MEMBER, 1, &call, json!({"pause": null})).await;
    assert_eq!(
        again.message(),
        format!("Cannot 'pause' instance {id} while it is in task_state powering-off")
    );
    let unknown = cloud.ask(MEMBER, 1, &call, json!({"dance": null})).await;
    assert_eq!(
        (unknown.code, unknown.message()),
        (400, "There is no such action: dance")
    );
    let reset = json!({"os-resetState": {"state": "error"}});
    assert_eq!(cloud.ask(MEMBER, 1, &call, reset.clone()).await.code, 403);
    assert_eq!(cloud.ask(ADMIN, 1, &call, reset).await.code, 202);
    let shown = cloud.get(MEMBER, 1, &format!("/servers/{id}")).await.body;
    assert_eq!(shown["server"]["status"], "ERROR");
}

#[tokio::test]
async fn a_lock_holds_until_its_owner_lifts_it() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let call = format!("POST /servers/{id}/action");
    let lock = json!({"lock": {"locked_reason": "mine"}});
    assert_eq!(cloud.ask(ADMIN, 73, &call, lock).await.code, 202);
    let shown = cloud.get(MEMBER, 73, &format!("/servers/{id}")).await.body;
    assert_eq!(shown["server"]["locked_reason"], "mine");
    // It is locked already: nothing happens.
    let again = json!({"lock": {"locked_reason": "ours"}});
    assert_eq!(cloud.ask(MEMBER, 73, &call, again).await.code, 202);
    let shown = cloud.get(MEMBER, 73, &format!("/servers/{id}")).await.body;
    assert_eq!(shown["server"]["locked_reason"], "mine");
    let actions = cloud
        .get(MEMBER, 1, &format!("/servers/{id}/os-instance-actions"))
        .await;
    let actions = actions.body["instanceActions"]
        .as_array()
        .expect("a list")
        .clone();
    let locks = actions.iter().filter(|one| one["action"] == "lock");
    assert_eq!(locks.count(), 1);
    let gone = cloud
        .ask(MEMBER, 1, &format!("DELETE /servers/{id}"), Value::Null)
        .await;
    assert_eq!(
        (gone.code, gone.message()),
        (409, format!("Instance {id} is locked").as_str())
    );
    assert_eq!(
        cloud
            .ask(MEMBER, 1, &call, json!({"unlock": null}))
            .await
            .code,
        403
    );
    assert_eq!(
        cloud
            .ask(ADMIN, 1, &call, json!({"unlock": null}))
            .await
            .code,
        202
    );
    assert_eq!(
        cloud
            .ask(MEMBER, 1, &call, json!({"pause": null}))
            .await
            .code,
        202
    );
}

#[tokio::test]
async fn a_server_is_changed_in_place() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    let call = format!("PUT /servers/{id}");
    let body = json!({"server": {"name": "t", "description": null, "accessIPv4": "10.1.1.1",
        "OS-DCF:diskConfig": "AUTO"}});
    let changed = cloud.ask(MEMBER, 74, &call, body.clone()).await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    let server = &changed.body["server"];
    assert_eq!(
        (&server["name"], &server["accessIPv4"]),
        (&json!("t"), &json!("10.1.1.1"))
    );
    assert_eq!(server["OS-DCF:diskConfig"], "AUTO");
    assert!(
        server.get("OS-EXT-STS:vm_state").is_none(),
        "complete only since 2.75"
    );
    let changed = cloud.ask(MEMBER, 75, &call, body).await.body;
    assert_eq!(changed["server"]["OS-EXT-STS:vm_state"], "active");
    let elsewhere = json!({"server": {"pinned_availability_zone": "mars"}});
    assert_eq!(cloud.ask(MEMBER, 104, &call, elsewhere).await.code, 409);
    let here = json!({"server": {"pinned_availability_zone": "nova"}});
    let pinned = cloud.ask(MEMBER, 104, &call, here).await.body;
    assert_eq!(pinned["server"]["pinned_availability_zone"], "nova");
}

#[tokio::test]
async fn every_version_shows_a_server() {
    let cloud = Cloud::start().await;
    let id = cloud.boot("s").await;
    testing::change(&cloud.control, &id, |server| {
        server.vm_state = VmState::Error
    })
    .await;
    for minor in 1..=104 {
        for path in [format!("/servers/{id}"), "/servers/detail".to_owned()] {
            let answer = cloud.get(MEMBER, minor, &path).await;
            assert_eq!(answer.code, 200, "2.{minor}: {}", answer.body);
        }
    }
}
