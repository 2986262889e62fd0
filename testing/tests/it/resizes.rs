//! Servers that get another size, and keep it or not.

use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{TestCloud, User};

/// A flavor of so many processors, MiB and GiB.
async fn flavor(cloud: &TestCloud, id: &str, (vcpus, ram, disk): (u32, u32, u32)) -> String {
    let admin = cloud.admin().await;
    let body = json!({"flavor": {"id": id, "name": id, "vcpus": vcpus, "ram": ram, "disk": disk}});
    let made = admin
        .compute("latest", Method::POST, "/flavors", Some(&body))
        .await;
    made.expect(200);
    id.to_owned()
}

fn to(flavor: &str) -> Value {
    json!({"resize": {"flavorRef": flavor}})
}

async fn migrations(user: &User, version: &str, query: &str) -> Vec<Value> {
    let path = format!("/os-migrations{query}");
    let mut found = user
        .compute(version, Method::GET, &path, None)
        .await
        .expect(200);
    serde_json::from_value(found["migrations"].take()).expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_its_new_size_when_its_owner_confirms_it() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "grows").await;
    server.reaches("ACTIVE").await;
    let before = cloud.kept(&server).await;
    assert_eq!(cloud.vcpus_used().await, 1);
    let large = flavor(&cloud, "large", (4, 256, 3)).await;
    server.action(to(&large)).await.expect(202);
    let shown = server.reaches("VERIFY_RESIZE").await;
    assert_eq!(shown["flavor"]["original_name"], "large");
    assert_eq!(shown["OS-EXT-STS:vm_state"], "resized");
    assert_eq!(cloud.vcpus_used().await, 5, "it holds both sizes");
    let resized = cloud.kept(&server).await;
    assert_eq!((resized.vcpus, resized.memory_mb), (4, 256));
    assert_eq!(resized.root_disk.as_ref().map(|disk| disk.size_gb), Some(3));
    assert_eq!(resized.nics, before.nics);

    let found = migrations(&admin, "latest", "").await;
    assert_eq!(found.len(), 1);
    for (field, value) in [
        ("status", json!("finished")),
        ("migration_type", json!("resize")),
        ("instance_uuid", json!(server.id)),
        ("source_compute", shown["OS-EXT-SRV-ATTR:host"].clone()),
        ("user_id", json!(demo.user_id)),
        ("project_id", json!(demo.project_id)),
    ] {
        if !value.is_null() {
            assert_eq!(found[0][field], value, "{field}: {found:?}");
        }
    }
    assert_ne!(
        found[0]["old_instance_type_id"],
        found[0]["new_instance_type_id"]
    );
    // Those of a server are of living guests alone, and none migrates.
    let of_server = format!("/servers/{}/migrations", server.id);
    let living = admin.compute("latest", Method::GET, &of_server, None).await;
    assert_eq!(living.expect(200), json!({"migrations": []}));
    let number = found[0]["id"].as_i64().expect("a number");
    let path = format!("{of_server}/{number}");
    let none = admin.compute("latest", Method::GET, &path, None).await;
    let said = format!(
        "In-progress live migration {number} is not found for server {}.",
        server.id
    );
    assert_eq!(none.fault(404), said);
    let topology = format!("/servers/{}/topology", server.id);
    let topology = demo.compute("latest", Method::GET, &topology, None).await;
    assert_eq!(
        topology.expect(200),
        json!({"nodes": [], "pagesize_kb": null})
    );
    let old = migrations(&admin, "2.1", "").await;
    for absent in ["uuid", "migration_type", "user_id"] {
        assert_eq!(old[0].get(absent), None, "{old:?}");
    }

    server
        .action(json!({"confirmResize": null}))
        .await
        .expect(204);
    server.reaches("ACTIVE").await;
    assert_eq!(cloud.vcpus_used().await, 4);
    let found = migrations(&admin, "latest", "?status=confirmed").await;
    assert_eq!(found.len(), 1);
    assert_eq!(server.last_action(&admin).await["action"], "confirmResize");
    let again = server.action(json!({"confirmResize": null})).await;
    let id = &server.id;
    assert_eq!(
        again.fault(409),
        format!("Cannot 'confirmResize' instance {id} while it is in vm_state active")
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_its_old_size_back_and_a_stopped_one_stays_stopped() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let large = flavor(&cloud, "large", (2, 128, 2)).await;
    let server = cloud.boot(&demo, "shrinks back").await;
    server.reaches("ACTIVE").await;
    let before = cloud.kept(&server).await;
    for status in ["ACTIVE", "SHUTOFF"] {
        if status == "SHUTOFF" {
            server.stop().await.reaches(status).await;
        }
        server.action(to(&large)).await.expect(202);
        server.reaches("VERIFY_RESIZE").await;
        server
            .action(json!({"revertResize": null}))
            .await
            .expect(202);
        let shown = server.reaches(status).await;
        assert_eq!(shown["flavor"]["original_name"], "tiny");
        assert_eq!(cloud.vcpus_used().await, 1);
        let after = cloud.kept(&server).await;
        assert_eq!(
            (after.vcpus, after.memory_mb),
            (before.vcpus, before.memory_mb)
        );
        assert_eq!(after.root_disk, before.root_disk);
    }
    let found = migrations(&admin, "latest", &format!("?instance_uuid={}", server.id)).await;
    let statuses: Vec<&str> = found
        .iter()
        .filter_map(|one| one["status"].as_str())
        .collect();
    assert_eq!(statuses, ["reverted", "reverted"]);
    // In pages, newest first.
    let first = migrations(&admin, "latest", "?limit=1").await;
    let marker = first[0]["uuid"].as_str().expect("an id").to_owned();
    let second = migrations(&admin, "latest", &format!("?limit=1&marker={marker}")).await;
    assert_eq!([&first[0], &second[0]], [&found[0], &found[1]]);
    for nobody in [
        "?host=elsewhere",
        "?migration_type=evacuation",
        "?hidden=true",
        "?source_compute=x",
    ] {
        assert_eq!(
            migrations(&admin, "latest", nobody).await,
            Vec::<Value>::new(),
            "{nobody}"
        );
    }
    let wrong = admin
        .compute("latest", Method::GET, "/os-migrations?marker=nobody", None)
        .await;
    assert_eq!(wrong.fault(400), "Marker nobody could not be found.");
    // A stopped server is confirmed stopped.
    server.action(to(&large)).await.expect(202);
    server.reaches("VERIFY_RESIZE").await;
    server
        .action(json!({"confirmResize": null}))
        .await
        .expect(204);
    server.reaches("SHUTOFF").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_cannot_be_is_refused_and_changes_nothing() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "stays").await;
    server.reaches("ACTIVE").await;
    let many = flavor(&cloud, "many", (64, 64, 1)).await;
    let none = flavor(&cloud, "none", (1, 64, 0)).await;
    let off = flavor(&cloud, "off", (2, 64, 1)).await;
    let disabled = json!({"flavor": {"OS-FLV-DISABLED:disabled": true, "id": "gone", "name": "gone", "vcpus": 2, "ram": 64,
        "disk": 1}});
    admin
        .compute("2.1", Method::POST, "/flavors", Some(&disabled))
        .await;
    let quota = json!({"quota_set": {"cores": 20}});
    let path = format!("/os-quota-sets/{}", demo.project_id);
    let set = admin.compute("2.1", Method::PUT, &path, Some(&quota)).await;
    set.expect(200);
    let cannot = "Server disk was unable to be resized because:";
    for (flavor, code, said) in [
        (
            "nobody",
            400,
            "Flavor nobody could not be found.".to_owned(),
        ),
        (
            "tiny",
            400,
            "When resizing, instances must change flavor!".to_owned(),
        ),
        (
            none.as_str(),
            400,
            format!("{cannot} Resize to zero disk flavor is not allowed."),
        ),
        (
            many.as_str(),
            403,
            "Quota exceeded for cores: Requested 63, but already used 1 of 20 cores".to_owned(),
        ),
    ] {
        assert_eq!(server.action(to(flavor)).await.fault(code), said);
    }
    let id = &server.id;
    for (body, word) in [
        (json!({"confirmResize": null}), "confirmResize"),
        (json!({"revertResize": null}), "revertResize"),
    ] {
        let said = format!("Cannot '{word}' instance {id} while it is in vm_state active");
        assert_eq!(server.action(body).await.fault(409), said);
    }
    assert_eq!(server.show().await["flavor"]["original_name"], "tiny");

    // The host has too little room: it stays what it was, and says so.
    let unlimited = json!({"quota_set": {"cores": -1, "ram": -1}});
    let set = admin
        .compute("2.1", Method::PUT, &path, Some(&unlimited))
        .await;
    set.expect(200);
    let huge = flavor(&cloud, "huge", (1, 100_000_000, 1)).await;
    server.action(to(&huge)).await.expect(202);
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["flavor"]["original_name"], "tiny");
    let action = server.last_action(&admin).await;
    assert_eq!(
        (&action["action"], &action["message"]),
        (&json!("resize"), &json!("Error"))
    );
    assert_eq!(
        action["events"][0]["details"],
        "No valid host was found. There are not enough hosts available: too little room."
    );
    assert_eq!(cloud.vcpus_used().await, 1);

    // What else the host lacks is looked at too.
    let gold = flavor(&cloud, "gold", (1, 64, 2)).await;
    let specs = json!({"extra_specs": {"trait:CUSTOM_GOLD": "required"}});
    let of_gold = format!("/flavors/{gold}/os-extra_specs");
    let set = admin
        .compute("2.1", Method::POST, &of_gold, Some(&specs))
        .await;
    set.expect(200);
    server.action(to(&gold)).await.expect(202);
    server.reaches("ACTIVE").await;
    let action = server.last_action(&admin).await;
    assert_eq!(
        action["events"][0]["details"],
        "No valid host was found. There are not enough hosts available: not for such a flavor or image."
    );
    let failed = migrations(&admin, "latest", "?status=error").await;
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(cloud.vcpus_used().await, 1);

    // Of two at once, one wins.
    let off = to(&off);
    let (one, two) = tokio::join!(server.action(off), server.action(json!({"os-stop": null})));
    let mut codes = [one.status.as_u16(), two.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [202, 409]);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_fails_leaves_the_old_size_and_a_delete_leaves_nothing() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let large = flavor(&cloud, "large", (2, 128, 2)).await;
    let server = cloud.boot(&demo, "unlucky").await;
    server.reaches("ACTIVE").await;
    cloud.fail_next(Verb::Resize);
    server.action(to(&large)).await.expect(202);
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["flavor"]["original_name"], "tiny");
    assert_eq!(
        (cloud.vcpus_used().await, cloud.kept(&server).await.vcpus),
        (json!(1), 1)
    );
    let failed = migrations(&admin, "latest", "").await;
    assert_eq!(failed[0]["status"], "error");

    server.action(to(&large)).await.expect(202);
    server.reaches("VERIFY_RESIZE").await;
    // A host that cannot confirm: it can be said again.
    cloud.fail_next(Verb::ConfirmResize);
    server
        .action(json!({"confirmResize": null}))
        .await
        .expect(204);
    testing::until("the failure is told", || async {
        let action = server.last_action(&admin).await;
        (action["message"] == "Error").then_some(())
    })
    .await;
    server.reaches("VERIFY_RESIZE").await;
    // One that cannot go back is in error, and goes like any other.
    cloud.fail_next(Verb::Resize);
    server
        .action(json!({"revertResize": null}))
        .await
        .expect(202);
    assert_eq!(
        server.fails().await,
        "Failed to revert the resize of instance: The hypervisor did not do what it was told."
    );
    server.delete().await.vanishes().await;
    assert_eq!(cloud.vcpus_used().await, 0);
    cloud.audit().await;

    // A delete at any moment.
    for round in 0..6 {
        let server = cloud.boot(&demo, "hasty").await;
        server.reaches("ACTIVE").await;
        server.action(to(&large)).await.expect(202);
        for _ in 0..round {
            server.show().await;
        }
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_nobody_confirms_counts_as_confirmed_after_a_while() {
    let cloud = TestCloud::with("[DEFAULT]\nresize_confirm_window = 0.2\n").await;
    let demo = cloud.demo().await;
    let large = flavor(&cloud, "large", (2, 128, 2)).await;
    let server = cloud.boot(&demo, "forgotten").await;
    server.reaches("ACTIVE").await;
    server.action(to(&large)).await.expect(202);
    testing::until("it is confirmed", || async {
        let shown = server.show().await;
        let idle = shown["OS-EXT-STS:task_state"].is_null();
        let new = shown["flavor"]["original_name"] == "large";
        (shown["status"] == "ACTIVE" && idle && new).then_some(())
    })
    .await;
    assert_eq!(cloud.vcpus_used().await, 2);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_forbid_it() {
    let cloud = TestCloud::with("[DEFAULT]\nallow_resize_to_same_host = false\n").await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let large = flavor(&cloud, "large", (2, 128, 2)).await;
    let server = cloud.boot(&demo, "stays").await;
    server.reaches("ACTIVE").await;
    server.action(to(&large)).await.expect(202);
    server.reaches("ACTIVE").await;
    let action = server.last_action(&admin).await;
    assert_eq!(
        action["events"][0]["details"],
        "No valid host was found. There are not enough hosts available."
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
