//! What back ends are able to do, and clusters and left-over work, of which there are none.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder};

#[tokio::test]
async fn back_ends_say_what_they_are_able_to_do() {
    let cinder = Cinder::start().await;
    let said = cinder
        .get(ADMIN, "/capabilities/here@file")
        .await
        .is(200)
        .json();
    assert_eq!(said["namespace"], "OS::Storage::Capabilities::here@file");
    assert_eq!(
        (&said["storage_protocol"], &said["vendor_name"]),
        (&json!("file"), &json!("Kilonova"))
    );
    assert_eq!(said["properties"]["qos"]["type"], "boolean");
    cinder.get(ADMIN, "/capabilities/there@file").await.is(404);
    cinder.get(ALICE, "/capabilities/here@file").await.is(403);
}

#[tokio::test]
async fn extensions_are_found_by_their_alias() {
    let cinder = Cinder::start().await;
    let all = cinder.get(ALICE, "/extensions").await.is(200).json();
    let first = &all["extensions"][0];
    let alias = first["alias"].as_str().expect("an alias");
    let one = cinder.get(ALICE, &format!("/extensions/{alias}")).await;
    assert_eq!(one.is(200).json()["extension"], *first);
    cinder.get(ALICE, "/extensions/none").await.is(404);
    // What is not built is not offered.
    cinder.get(ALICE, "/extensions/encryption").await.is(404);
    let hosts = cinder.get(ALICE, "/extensions/os-hosts").await.is(200);
    assert_eq!(hosts.json()["extension"]["name"], "Hosts");
}

#[tokio::test]
async fn there_are_no_clusters_and_nothing_is_left_behind() {
    let cinder = Cinder::start().await;
    for path in ["/clusters", "/clusters/detail?is_up=true"] {
        assert_eq!(
            cinder.get(ADMIN, path).await.is(200).json(),
            json!({"clusters": []})
        );
    }
    cinder.get(ALICE, "/clusters").await.is(403);
    cinder.get(ADMIN, "/clusters?colour=red").await.is(400);
    cinder
        .at(25, ADMIN, Method::GET, "/clusters?frozen=true", None)
        .await
        .is(400);
    cinder.get(ADMIN, "/clusters/c").await.is(404);
    for way in ["enable", "disable"] {
        cinder
            .put(ADMIN, &format!("/clusters/{way}"), json!({"name": "c"}))
            .await
            .is(404);
    }
    let cleanup = async |body: Value| cinder.post(ADMIN, "/workers/cleanup", body).await;
    assert_eq!(
        cleanup(json!({})).await.is(202).json(),
        json!({"cleaning": [], "unavailable": []})
    );
    cleanup(json!({"resource_type": "planet"})).await.is(400);
    let volume = cinder.volume(ALICE, json!({})).await;
    let said = cleanup(json!({"resource_id": volume})).await.is(400).says();
    assert!(said.ends_with("pending cleanup."), "{said}");
}

#[tokio::test]
async fn a_volume_does_not_move_to_where_it_is() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let action = format!("/volumes/{volume}/action");
    let to = |host: &str| json!({"os-migrate_volume": {"host": host}});
    let said = cinder
        .post(ADMIN, &action, to("here@file#file"))
        .await
        .is(400)
        .says();
    assert!(
        said.ends_with("must be different than the current one"),
        "{said}"
    );
    let said = cinder
        .post(ADMIN, &action, to("there@file#file"))
        .await
        .is(400)
        .says();
    assert_eq!(
        said,
        "Invalid host: No available service named 'there@file#file'"
    );
    cinder
        .post(ADMIN, &action, json!({"os-migrate_volume": {}}))
        .await
        .is(400);
    cinder
        .post(ALICE, &action, to("here@file#file"))
        .await
        .is(403);
    assert_eq!(cinder.show(ADMIN, &volume).await["status"], "available");
}

#[tokio::test]
async fn hosts_are_listed_with_what_projects_have_on_them() {
    for cinder in Cinder::all().await {
        let names = async |query: &str| {
            let path = format!("/os-hosts{query}");
            let all = cinder.get(ADMIN, &path).await.is(200).json();
            let all = all["hosts"].as_array().expect("a list").clone();
            let name = |one: &Value| {
                let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("service"), text("host_name"))
            };
            all.iter().map(name).collect::<Vec<_>>()
        };
        let all = [
            "cinder-backup here",
            "cinder-scheduler here",
            "cinder-volume here@file",
        ];
        assert_eq!(names("").await, all);
        assert_eq!(names("?zone=nova").await, all);
        assert_eq!(names("?zone=").await, all);
        assert_eq!(names("?zone=moon").await, Vec::<String>::new());
        let list = cinder.get(ADMIN, "/os-hosts").await.is(200).json();
        let one = &list["hosts"][2];
        assert_eq!(
            (&one["zone"], &one["service-status"], &one["service-state"]),
            (&json!("nova"), &json!("available"), &json!("enabled"))
        );
        assert!(one["last-update"].is_string(), "{one}");
        cinder.get(ALICE, "/os-hosts").await.is(403);

        let volume = cinder.volume(ALICE, json!({"size": 2})).await;
        cinder.volume(ALICE, json!({})).await;
        cinder.volume(BOB, json!({})).await;
        cinder.snapshot(ALICE, &volume, json!({})).await;
        let sums = |host: &str, project: &str, sums: [&str; 4]| {
            let [volumes, gigabytes, snapshots, of_snapshots] = sums;
            json!({"resource": {
                "host": host, "project": project,
                "volume_count": volumes, "total_volume_gb": gigabytes,
                "snapshot_count": snapshots, "total_snapshot_gb": of_snapshots,
            }})
        };
        // A host stands for its first back end.
        for host in ["here@file", "here"] {
            let shown = cinder.get(ADMIN, &format!("/os-hosts/{host}")).await;
            let expected = [
                sums(host, "(total)", ["3", "4", "1", "2"]),
                sums(host, "a11ce", ["2", "3", "1", "2"]),
                sums(host, "b0b", ["1", "1", "0", "0"]),
            ];
            assert_eq!(shown.is(200).json()["host"], json!(expected));
        }
        cinder.get(ALICE, "/os-hosts/here@file").await.is(403);
        let missing = cinder.get(ADMIN, "/os-hosts/there").await.is(404).says();
        assert_eq!(
            missing,
            "Service cinder-volume could not be found on host there."
        );
        let which = json!({"host": "here@file", "binary": "cinder-volume"});
        let rest = cinder.put(ADMIN, "/os-services/disable", which).await;
        rest.is(200);
        assert_eq!(names("").await, all[..2]);
        cinder.get(ADMIN, "/os-hosts/here@file").await.is(404);
        let body = json!({"status": "disable"});
        cinder.put(ADMIN, "/os-hosts/here", body).await.is(501);
    }
}

#[tokio::test]
async fn no_back_end_has_copies_that_take_its_place() {
    let cinder = Cinder::start().await;
    let over = async |minor, path: &str, body: Value| {
        let path = format!("/os-services/{path}");
        let answer = cinder.at(minor, ADMIN, Method::PUT, &path, Some(body));
        answer.await.is(400).says()
    };
    let whole = json!({"host": "here@file", "backend_id": "other"});
    let why = "Invalid input received: No service could be changed: replication_status in ['here@file'] must be \
               ['enabled', 'failed-over'] and must be up to failover.";
    assert_eq!(over(71, "failover_host", whole.clone()).await, why);
    assert_eq!(over(26, "failover", whole.clone()).await, why);
    let said = over(71, "failover", json!({"host": "there"})).await;
    assert!(said.ends_with("No service found with host=there"), "{said}");
    let said = over(26, "failover", json!({"cluster": "c"})).await;
    assert!(said.ends_with("No service found with cluster=c"), "{said}");
    let said = over(26, "failover", json!({})).await;
    assert!(said.contains("One and only one"), "{said}");
    let said = over(25, "failover_host", json!({})).await;
    assert!(said.ends_with("Host field is missing."), "{said}");
    let path = "/os-services/failover";
    let early = cinder.at(25, ADMIN, Method::PUT, path, Some(whole.clone()));
    early.await.is(404);
    cinder.put(ALICE, path, whole).await.is(403);
}

#[tokio::test]
async fn what_cinder_itself_has_not_is_not_there() {
    let cinder = Cinder::start().await;
    cinder.get(ADMIN, "/attachments/summary").await.is(404);
    for verb in ["startup", "shutdown", "reboot"] {
        let path = format!("/os-hosts/here/{verb}");
        assert_eq!(cinder.get(ADMIN, &path).await.status.as_u16(), 404);
    }
}
