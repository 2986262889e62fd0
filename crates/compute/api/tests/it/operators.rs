//! Services, hypervisors and zones.

use compute_control::testing;
use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, PROJECT, message};

const LATEST: u16 = 104;

async fn cloud() -> Cloud {
    let cloud = Cloud::start().await;
    testing::host(&cloud.control, "h1").await;
    testing::host(&cloud.control, "h2").await;
    cloud
}

/// The ids of the services or hypervisors of a list.
fn ids(answer: &Value, list: &str) -> Vec<String> {
    let found = answer[list].as_array().expect("a list").iter();
    found
        .map(|item| {
            item["id"]
                .as_str()
                .map_or(item["id"].to_string(), str::to_owned)
        })
        .collect()
}

#[tokio::test]
async fn services_are_counted_until_2_52_and_known_by_uuid_since() {
    let cloud = cloud().await;
    let (code, old) = cloud.get("admin", 1, "/os-services?host=h2").await;
    assert_eq!(code, StatusCode::OK);
    let service = &old["services"][0];
    assert_eq!(service["id"], 2);
    assert_eq!(
        (&service["status"], &service["state"], &service["zone"]),
        (&json!("enabled"), &json!("up"), &json!("nova"))
    );
    assert!(service.get("forced_down").is_none());
    let (_, new) = cloud.get("admin", 53, "/os-services").await;
    assert_eq!(ids(&new, "services")[1].len(), 36);
    assert_eq!(new["services"][1]["forced_down"], false);
    let (_, none) = cloud
        .get("admin", 1, "/os-services?binary=nova-scheduler")
        .await;
    assert_eq!(none, json!({"services": []}));
    assert_eq!(
        cloud.get("member", 1, "/os-services").await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_service_is_changed_by_verbs_until_2_52() {
    let cloud = cloud().await;
    let body = json!({"host": "h1", "binary": "nova-compute"});
    let (code, answer) = cloud
        .put("admin", 1, "/os-services/disable", body.clone())
        .await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(
        answer,
        json!({"service": {"host": "h1", "binary": "nova-compute", "status": "disabled"}})
    );
    let why = json!({"host": "h1", "binary": "nova-compute", "disabled_reason": "broken"});
    let (_, answer) = cloud
        .put("admin", 1, "/os-services/disable-log-reason", why)
        .await;
    assert_eq!(answer["service"]["disabled_reason"], "broken");
    let (_, list) = cloud.get("admin", 1, "/os-services?host=h1").await;
    assert_eq!(list["services"][0]["disabled_reason"], "broken");
    for (verb, code, why) in [
        (
            "disable-log-reason",
            StatusCode::BAD_REQUEST,
            "Missing disabled reason field",
        ),
        (
            "force-down",
            StatusCode::BAD_REQUEST,
            "Missing forced_down field",
        ),
        ("paint", StatusCode::NOT_FOUND, "Unknown action"),
    ] {
        let path = format!("/os-services/{verb}");
        let (found, answer) = cloud.put("admin", 11, &path, body.clone()).await;
        assert_eq!((found, message(&answer)), (code, why));
    }
    let down = json!({"host": "h1", "binary": "nova-compute", "forced_down": true});
    cloud
        .put("admin", 11, "/os-services/force-down", down)
        .await;
    let (_, list) = cloud.get("admin", 11, "/os-services?host=h1").await;
    assert_eq!(
        (
            &list["services"][0]["state"],
            &list["services"][0]["forced_down"]
        ),
        (&json!("down"), &json!(true))
    );
    let (code, answer) = cloud
        .put(
            "admin",
            1,
            "/os-services/enable",
            json!({"host": "h9", "binary": "nova-compute"}),
        )
        .await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "Could not find binary nova-compute on host h9."
        )
    );
}

#[tokio::test]
async fn one_put_changes_a_service_since_2_53() {
    let cloud = cloud().await;
    let (_, list) = cloud.get("admin", 53, "/os-services").await;
    let path = format!("/os-services/{}", ids(&list, "services")[0]);
    let off = json!({"status": "disabled", "disabled_reason": "broken", "forced_down": true});
    let (code, answer) = cloud.put("admin", 53, &path, off).await;
    assert_eq!(code, StatusCode::OK);
    let service = &answer["service"];
    assert_eq!(
        (
            &service["status"],
            &service["disabled_reason"],
            &service["state"]
        ),
        (&json!("disabled"), &json!("broken"), &json!("down"))
    );
    let on = json!({"status": "enabled", "forced_down": false});
    let (_, answer) = cloud.put("admin", 53, &path, on).await;
    assert_eq!(answer["service"]["disabled_reason"], Value::Null);
    for (path, body, why) in [
        (
            path.as_str(),
            json!({}),
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
        ),
        (
            &path,
            json!({"status": "enabled", "disabled_reason": "x"}),
            "Specifying 'disabled_reason' with status 'enabled' is invalid.",
        ),
        (
            "/os-services/1",
            json!({"status": "enabled"}),
            "Invalid uuid 1",
        ),
    ] {
        let (code, answer) = cloud.put("admin", 53, path, body).await;
        assert_eq!((code, message(&answer)), (StatusCode::BAD_REQUEST, why));
    }
}

#[tokio::test]
async fn an_agent_that_carries_servers_is_not_forgotten() {
    let cloud = cloud().await;
    testing::server(&cloud.control, PROJECT, "h1").await;
    let (code, answer) = cloud.delete("admin", 1, "/os-services/1").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::CONFLICT,
            "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
        )
    );
    assert_eq!(
        cloud.delete("admin", 1, "/os-services/2").await.0,
        StatusCode::NO_CONTENT
    );
    let (code, answer) = cloud.delete("admin", 1, "/os-services/2").await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::NOT_FOUND, "Service 2 not found.")
    );
    assert_eq!(
        cloud.delete("admin", 53, "/os-services/2").await.0,
        StatusCode::BAD_REQUEST
    );
    let (_, left) = cloud.get("admin", 1, "/os-hypervisors").await;
    assert_eq!(left["hypervisors"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_hypervisor_looks_as_its_version_says() {
    let cloud = cloud().await;
    let (code, old) = cloud.get("admin", 1, "/os-hypervisors/1").await;
    assert_eq!(code, StatusCode::OK);
    let old = &old["hypervisor"];
    assert_eq!(old["cpu_info"], "{\"arch\":\"x86_64\"}");
    assert_eq!(
        (&old["memory_mb_used"], &old["free_ram_mb"]),
        (&json!(512), &json!(7680))
    );
    assert_eq!((&old["id"], &old["service"]["id"]), (&json!(1), &json!(1)));
    let (_, parsed) = cloud.get("admin", 28, "/os-hypervisors/1").await;
    assert_eq!(parsed["hypervisor"]["cpu_info"], json!({"arch": "x86_64"}));
    let (_, list) = cloud.get("admin", LATEST, "/os-hypervisors/detail").await;
    let newest = &list["hypervisors"][0];
    let uptime = newest["uptime"].as_str().expect("text");
    assert!(uptime.ends_with(" up 1 day,  1:00"), "{uptime}");
    assert!(newest.get("vcpus").is_none() && newest.get("servers").is_none());
    let path = format!("/os-hypervisors/{}", ids(&list, "hypervisors")[0]);
    assert_eq!(cloud.get("admin", LATEST, &path).await.0, StatusCode::OK);
    for (minor, path, code, why) in [
        (
            1,
            "/os-hypervisors/9",
            StatusCode::NOT_FOUND,
            "Hypervisor with ID '9' could not be found.",
        ),
        (
            1,
            "/os-hypervisors/x",
            StatusCode::NOT_FOUND,
            "Hypervisor with ID 'x' could not be found.",
        ),
        (
            53,
            "/os-hypervisors/1",
            StatusCode::BAD_REQUEST,
            "Invalid uuid 1",
        ),
    ] {
        let (found, answer) = cloud.get("admin", minor, path).await;
        assert_eq!((found, message(&answer)), (code, why));
    }
    assert_eq!(
        cloud.get("member", 1, "/os-hypervisors").await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn hypervisors_are_searched_paged_and_added_up() {
    let cloud = cloud().await;
    let server = testing::server(&cloud.control, PROJECT, "h1").await;
    let carried = json!([{"name": "instance-00000001", "uuid": server.id}]);
    let (_, found) = cloud.get("admin", 1, "/os-hypervisors/h/servers").await;
    assert_eq!(found["hypervisors"][0]["servers"], carried);
    assert!(found["hypervisors"][1].get("servers").is_none());
    let (code, answer) = cloud.get("admin", 1, "/os-hypervisors/x/search").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "No hypervisor matching 'x' could be found."
        )
    );
    let with = "/os-hypervisors?with_servers=true&hypervisor_hostname_pattern=h";
    let (_, found) = cloud.get("admin", 53, with).await;
    assert_eq!(found["hypervisors"][0]["servers"], carried);
    assert!(found["hypervisors"][1].get("servers").is_none());
    let (_, found) = cloud.get("admin", 75, with).await;
    assert_eq!(found["hypervisors"][1]["servers"], json!([]));

    let (_, page) = cloud.get("admin", 33, "/os-hypervisors?limit=1").await;
    assert_eq!(ids(&page, "hypervisors"), ["1"]);
    assert_eq!(
        page["hypervisors_links"][0]["href"],
        "http://cloud/compute/v2.1/os-hypervisors?limit=1&marker=1"
    );
    let (_, page) = cloud
        .get("admin", 33, "/os-hypervisors?limit=1&marker=1")
        .await;
    assert_eq!(ids(&page, "hypervisors"), ["2"]);
    let (code, answer) = cloud.get("admin", 33, "/os-hypervisors?marker=7").await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::BAD_REQUEST, "marker [7] not found")
    );
    let both = "/os-hypervisors?limit=1&hypervisor_hostname_pattern=h";
    assert_eq!(
        cloud.get("admin", 53, both).await.0,
        StatusCode::BAD_REQUEST
    );

    let (_, total) = cloud.get("admin", 1, "/os-hypervisors/statistics").await;
    let total = &total["hypervisor_statistics"];
    assert_eq!(
        (&total["count"], &total["vcpus"], &total["memory_mb_used"]),
        (&json!(2), &json!(8), &json!(1024))
    );
    assert_eq!(
        cloud.get("admin", 88, "/os-hypervisors/statistics").await.0,
        StatusCode::NOT_FOUND
    );
    let (_, up) = cloud.get("admin", 1, "/os-hypervisors/1/uptime").await;
    let uptime = up["hypervisor"]["uptime"].as_str().expect("text");
    assert!(uptime.ends_with(" up 1 day,  1:00"), "{uptime}");
}

#[tokio::test]
async fn a_zone_is_available_while_a_service_in_it_is_enabled() {
    let cloud = cloud().await;
    let zones = async || cloud.get("member", 1, "/os-availability-zone").await.1;
    let nova = |available: bool| {
        json!({"availabilityZoneInfo":
            [{"zoneName": "nova", "zoneState": {"available": available}, "hosts": null}]})
    };
    assert_eq!(zones().await, nova(true));
    for host in ["h1", "h2"] {
        assert_eq!(zones().await, nova(true));
        let body = json!({"host": host, "binary": "nova-compute"});
        cloud.put("admin", 1, "/os-services/disable", body).await;
    }
    assert_eq!(zones().await, nova(false));
    let body = json!({"host": "h1", "binary": "nova-compute"});
    cloud.put("admin", 1, "/os-services/enable", body).await;
    let (_, detail) = cloud.get("admin", 1, "/os-availability-zone/detail").await;
    let hosts = detail["availabilityZoneInfo"][0]["hosts"]
        .as_object()
        .expect("hosts");
    assert_eq!(hosts.keys().collect::<Vec<_>>(), ["h1"]);
    let state = &hosts["h1"]["nova-compute"];
    assert_eq!(
        (&state["active"], &state["available"]),
        (&json!(true), &json!(true))
    );
    let (code, _) = cloud.get("member", 1, "/os-availability-zone/detail").await;
    assert_eq!(code, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn extensions_are_a_frozen_list() {
    let cloud = Cloud::start().await;
    let (_, list) = cloud.get("reader", 1, "/extensions").await;
    assert_eq!(list["extensions"].as_array().map(Vec::len), Some(99));
    let (code, one) = cloud.get("reader", 1, "/extensions/os-keypairs").await;
    assert_eq!(
        (code, &one["extension"]["name"]),
        (StatusCode::OK, &json!("Keypairs"))
    );
    assert_eq!(
        cloud.get("reader", 1, "/extensions/none").await.0,
        StatusCode::NOT_FOUND
    );
}
