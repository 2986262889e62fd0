//! Services, pools, zones.

use http::Method;
use serde_json::json;

use crate::{ADMIN, ALICE, Cinder};

#[tokio::test]
async fn services_report_themselves_and_are_disabled() {
    for cinder in Cinder::all().await {
        let all = cinder.get(ADMIN, "/os-services").await.is(200).json();
        let all = all["services"].as_array().expect("a list").clone();
        let names: Vec<_> = all
            .iter()
            .map(|one| one["binary"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(
            names,
            ["cinder-backup", "cinder-scheduler", "cinder-volume"]
        );
        assert!(
            all.iter()
                .all(|one| one["state"] == "up" && one["status"] == "enabled")
        );
        cinder.get(ALICE, "/os-services").await.is(403);
        let which =
            json!({"host": "here@file", "binary": "cinder-volume", "disabled_reason": "rest"});
        cinder
            .put(ADMIN, "/os-services/disable-log-reason", which.clone())
            .await
            .is(200);
        let path = "/os-services?binary=cinder-volume&host=here";
        let one = cinder.get(ADMIN, path).await.is(200).json();
        let one = &one["services"][0];
        assert_eq!(
            (&one["status"], &one["disabled_reason"]),
            (&json!("disabled"), &json!("rest"))
        );
        let made = cinder.begin(ALICE, json!({})).await;
        cinder
            .becomes(made["id"].as_str().expect("an id"), "error")
            .await;
        let zones = cinder
            .get(ALICE, "/os-availability-zone")
            .await
            .is(200)
            .json();
        let zone = json!({"zoneName": "nova", "zoneState": {"available": false}});
        assert_eq!(zones["availabilityZoneInfo"], json!([zone]));
        let which = json!({"host": "here@file", "binary": "cinder-volume"});
        cinder
            .put(ADMIN, "/os-services/enable", which)
            .await
            .is(200);
        cinder.volume(ALICE, json!({})).await;
        let none = json!({"host": "there", "binary": "cinder-volume"});
        cinder.put(ADMIN, "/os-services/enable", none).await.is(404);
        let host = json!({"host": "here@file"});
        cinder
            .put(ADMIN, "/os-services/freeze", host.clone())
            .await
            .is(200);
        cinder
            .put(ADMIN, "/os-services/freeze", host.clone())
            .await
            .is(400);
        cinder.put(ADMIN, "/os-services/thaw", host).await.is(200);
    }
}

#[tokio::test]
async fn pools_say_what_they_have() {
    for cinder in Cinder::all().await {
        cinder.volume(ALICE, json!({"size": 3})).await;
        let path = "/scheduler-stats/get_pools";
        cinder.get(ALICE, path).await.is(403);
        let brief = cinder.get(ADMIN, path).await.is(200).json();
        assert_eq!(brief["pools"], json!([{"name": "here@file#file"}]));
        let detail = cinder
            .get(ADMIN, &format!("{path}?detail=true"))
            .await
            .is(200)
            .json();
        let told = &detail["pools"][0]["capabilities"];
        assert_eq!(told["storage_protocol"], "file");
        assert_eq!(told["provisioned_capacity_gb"], 3.0);
        assert!(
            told["total_capacity_gb"]
                .as_f64()
                .is_some_and(|gib| gib > 0.0)
        );
        cinder
            .get(ADMIN, &format!("{path}?colour=red"))
            .await
            .is(400);
        let none = cinder
            .get(ADMIN, &format!("{path}?name=x"))
            .await
            .is(200)
            .json();
        assert_eq!(none["pools"], json!([]));
    }
}

#[tokio::test]
async fn clients_learn_what_lists_take() {
    let cinder = Cinder::start().await;
    let one = cinder
        .get(ALICE, "/resource_filters?resource=pool")
        .await
        .is(200)
        .json();
    assert_eq!(
        one["resource_filters"],
        json!([{"resource": "pool", "filters": ["name", "volume_type"]}])
    );
    cinder
        .at(32, ALICE, Method::GET, "/resource_filters", None)
        .await
        .is(404);
    let all = cinder.get(ALICE, "/extensions").await.is(200).json();
    assert!(
        all["extensions"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
}
