//! Aggregates, and the zones that they make.

use compute_control::testing;
use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, PROJECT, message};

async fn cloud() -> Cloud {
    let cloud = Cloud::start().await;
    testing::host(&cloud.control, "h1").await;
    testing::host(&cloud.control, "h2").await;
    cloud
}

async fn act(cloud: &Cloud, id: u8, action: &str, what: Value) -> (StatusCode, Value) {
    let path = format!("/os-aggregates/{id}/action");
    cloud.post("admin", 1, &path, json!({action: what})).await
}

#[tokio::test]
async fn hosts_of_an_aggregate_with_a_zone_are_in_that_zone() {
    let cloud = cloud().await;
    let body = json!({"aggregate": {"name": "fast", "availability_zone": "west"}});
    let (code, made) = cloud
        .post("admin", 41, "/os-aggregates", body.clone())
        .await;
    assert_eq!(code, StatusCode::OK, "{made}");
    let made = &made["aggregate"];
    assert_eq!(
        (&made["id"], &made["availability_zone"]),
        (&json!(1), &json!("west"))
    );
    assert_eq!(made["uuid"].as_str().map(str::len), Some(36));
    assert!(made.get("hosts").is_none() && made.get("metadata").is_none());
    let (code, answer) = cloud.post("admin", 1, "/os-aggregates", body).await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::CONFLICT, "Aggregate fast already exists.")
    );

    let (code, answer) = act(&cloud, 1, "add_host", json!({"host": "h1"})).await;
    assert_eq!(
        (code, &answer["aggregate"]["hosts"]),
        (StatusCode::OK, &json!(["h1"]))
    );
    let (_, zones) = cloud.get("member", 1, "/os-availability-zone").await;
    let names = zones["availabilityZoneInfo"]
        .as_array()
        .expect("zones")
        .iter();
    let names: Vec<_> = names.map(|zone| zone["zoneName"].clone()).collect();
    assert_eq!(names, ["nova", "west"]);
    let (_, services) = cloud.get("admin", 1, "/os-services?host=h1").await;
    assert_eq!(services["services"][0]["zone"], "west");
    for (host, code, why) in [
        (
            "h1",
            StatusCode::CONFLICT,
            "Aggregate 1 already has host h1.",
        ),
        (
            "h9",
            StatusCode::NOT_FOUND,
            "Compute host h9 could not be found.",
        ),
    ] {
        let (found, answer) = act(&cloud, 1, "add_host", json!({"host": host})).await;
        assert_eq!((found, message(&answer)), (code, why));
    }
    assert_eq!(
        cloud.get("member", 1, "/os-aggregates").await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_host_has_one_zone_and_keeps_it_while_it_carries_servers() {
    let cloud = cloud().await;
    for (name, zone) in [("a", "east"), ("b", "west")] {
        let body = json!({"aggregate": {"name": name, "availability_zone": zone}});
        cloud.post("admin", 1, "/os-aggregates", body).await;
    }
    act(&cloud, 1, "add_host", json!({"host": "h1"})).await;
    let (code, answer) = act(&cloud, 2, "add_host", json!({"host": "h1"})).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::CONFLICT,
            "Cannot add host to aggregate 2. Reason: One or more hosts already in availability zone(s) ['east']."
        )
    );
    let carried = testing::server(&cloud.control, PROJECT, "h1").await;
    let zone = json!({"metadata": {"availability_zone": "north"}});
    let (code, answer) = act(&cloud, 1, "set_metadata", zone).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Cannot update metadata of aggregate 1. Reason: One or more hosts contain instances in this zone."
        )
    );
    // It leaves its zone as little, and enters none.
    testing::server(&cloud.control, PROJECT, "h2").await;
    for (id, action, host, change) in [
        (1, "remove_host", "h1", "from 'east' to 'None'"),
        (2, "add_host", "h2", "from 'None' to 'west'"),
    ] {
        let (code, answer) = act(&cloud, id, action, json!({"host": host})).await;
        assert_eq!(code, StatusCode::CONFLICT, "{answer}");
        let said = message(&answer);
        assert!(said.contains(change), "{said}");
        assert!(said.contains("already has 1 instance(s)"), "{said}");
    }
    // Aggregates without a zone and of the same zone change nothing.
    for body in [
        json!({"aggregate": {"name": "c"}}),
        json!({"aggregate": {"name": "d", "availability_zone": "east"}}),
    ] {
        cloud.post("admin", 1, "/os-aggregates", body).await;
    }
    for id in [3, 4] {
        for action in ["add_host", "remove_host"] {
            let (code, answer) = act(&cloud, id, action, json!({"host": "h1"})).await;
            assert_eq!(code, StatusCode::OK, "{answer}");
        }
    }
    let (code, answer) = cloud.delete("admin", 1, "/os-aggregates/1").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Cannot remove host from aggregate 1. Reason: Host aggregate is not empty."
        )
    );
    testing::change(&cloud.control, &carried.id, |server| {
        server.deleted_at = Some(server.created_at);
    })
    .await;
    let (code, _) = act(&cloud, 1, "remove_host", json!({"host": "h1"})).await;
    assert_eq!(code, StatusCode::OK);
    let (code, answer) = act(&cloud, 1, "remove_host", json!({"host": "h1"})).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "Cannot remove host h1 in aggregate 1"
        )
    );
    assert_eq!(
        cloud.delete("admin", 1, "/os-aggregates/1").await.0,
        StatusCode::OK
    );
    assert_eq!(
        cloud.get("admin", 1, "/os-aggregates/1").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        cloud.get("admin", 1, "/os-aggregates/x").await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn metadata_is_merged_and_null_takes_a_key_away() {
    let cloud = cloud().await;
    let body = json!({"aggregate": {"name": "a", "availability_zone": "east"}});
    cloud.post("admin", 1, "/os-aggregates", body).await;
    let (code, answer) = act(
        &cloud,
        1,
        "set_metadata",
        json!({"metadata": {"ssd": "true", "x": "y"}}),
    )
    .await;
    assert_eq!(code, StatusCode::OK, "{answer}");
    let (_, answer) = act(&cloud, 1, "set_metadata", json!({"metadata": {"x": null}})).await;
    assert_eq!(
        answer["aggregate"]["metadata"],
        json!({"availability_zone": "east", "ssd": "true"})
    );
    // A zone is never taken away.
    let none = json!({"metadata": {"availability_zone": null}});
    let (code, answer) = act(&cloud, 1, "set_metadata", none).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Cannot update metadata of aggregate 1. Reason: Aggregate a does not support empty named availability zone."
        )
    );
    let none = json!({"aggregate": {"availability_zone": null}});
    let (code, _) = cloud.put("admin", 1, "/os-aggregates/1", none).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    let body = json!({"aggregate": {"name": " b ", "availability_zone": "west"}});
    let (_, answer) = cloud.put("admin", 1, "/os-aggregates/1", body).await;
    let aggregate = &answer["aggregate"];
    assert_eq!(
        (&aggregate["name"], &aggregate["metadata"]),
        (
            &json!("b"),
            &json!({"availability_zone": "west", "ssd": "true"})
        )
    );
    for (method, path) in [("POST", "/os-aggregates"), ("PUT", "/os-aggregates/1")] {
        let body = json!({"aggregate": {"name": "c", "availability_zone": "a:b"}});
        let (code, answer) = match method {
            "POST" => cloud.post("admin", 1, path, body).await,
            _ => cloud.put("admin", 1, path, body).await,
        };
        assert_eq!(code, StatusCode::BAD_REQUEST, "{method}");
        assert!(message(&answer).contains("printable characters except :"));
    }
    let spaced = json!({"aggregate": {"name": " c"}});
    let (code, _) = cloud.post("admin", 1, "/os-aggregates", spaced).await;
    assert_eq!(
        code,
        StatusCode::BAD_REQUEST,
        "a changed name alone may have spaces around it"
    );
    let nothing = json!({"aggregate": {}});
    assert_eq!(
        cloud.put("admin", 1, "/os-aggregates/1", nothing).await.0,
        StatusCode::BAD_REQUEST
    );
}
