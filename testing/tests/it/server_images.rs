//! Images and backups made of servers' disks.

use http::Method;
use hypervisor_fake::{FailCall, Faults, Verb};
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

async fn running(cloud: &TestCloud) -> (User, Server) {
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "model").await;
    server.reaches("ACTIVE").await;
    (demo, server)
}

fn plain(name: &str) -> Value {
    json!({"createImage": {"name": name, "metadata": {"purpose": "test"}}})
}

fn id(made: &Value) -> String {
    made["image_id"].as_str().expect("an id").to_owned()
}

async fn image(user: &User, id: &str) -> Option<Value> {
    let answer = user.get(&format!("/image/v2/images/{id}")).await;
    (answer.status == 200).then(|| answer.expect(200))
}

async fn active(user: &User, id: &str) -> Value {
    until("the image is whole", async || {
        image(user, id)
            .await
            .filter(|image| image["status"] == "active")
    })
    .await
}

/// Waits until nothing is under way with a server.
async fn is_free(server: &Server) {
    until("the server is free", async || {
        let shown = server.show().await;
        assert_eq!(shown["status"], "ACTIVE", "{shown}");
        shown["OS-EXT-STS:task_state"].is_null().then_some(())
    })
    .await;
}

/// The result of the newest action, with its event's name.
async fn last_event(server: &Server) -> (String, String) {
    let path = format!("/servers/{}/os-instance-actions", server.id);
    let user = &server.user;
    let ask = async |path: String| {
        user.compute("latest", Method::GET, &path, None)
            .await
            .expect(200)
    };
    let found = ask(path.clone()).await;
    let request = found["instanceActions"][0]["request_id"]
        .as_str()
        .expect("an id");
    let found = ask(format!("{path}/{request}")).await;
    let event = &found["instanceAction"]["events"][0];
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    (text("event"), text("result"))
}

fn copies(cloud: &TestCloud) -> usize {
    let mut found = 0;
    let mut folders = vec![cloud.state_path().join("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => found += 1,
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_server_says_what_it_was_made_from_and_boots() {
    let cloud = TestCloud::start().await;
    let (demo, server) = running(&cloud).await;
    let made = server.action_at("latest", &plain("copy")).await.expect(202);
    let copy = active(&demo, &id(&made)).await;
    is_free(&server).await;
    let shown = server.show().await;
    for (name, value) in [
        ("name", json!("copy")),
        ("visibility", json!("private")),
        ("owner", json!(demo.project_id)),
        ("disk_format", json!("qcow2")),
        ("image_type", json!("snapshot")),
        ("instance_uuid", json!(server.id)),
        ("base_image_ref", shown["image"]["id"].clone()),
        ("min_disk", json!(1)),
        ("purpose", json!("test")),
    ] {
        assert_eq!(copy[name], value, "{name}: {copy}");
    }
    assert_eq!(copies(&cloud), 0);
    assert_eq!(
        last_event(&server).await,
        ("compute_snapshot_instance".to_owned(), "Success".to_owned())
    );

    let wanted = json!({
        "name": "again", "flavorRef": cloud.tiny().await, "imageRef": id(&made), "networks": "none",
    });
    cloud.boot_with(&demo, wanted).await.reaches("ACTIVE").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_2_45_the_image_is_named_in_a_header_and_a_request_may_say_its_type() {
    let cloud = TestCloud::start().await;
    let (demo, server) = running(&cloud).await;
    let mut wanted = plain("old");
    wanted["createImage"]["metadata"]["image_type"] = json!("mine");
    let answer = server.action_at("2.44", &wanted).await;
    let location = answer.headers["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(answer.expect(202), Value::Null);
    let (_, id) = location
        .rsplit_once("/images/")
        .expect("an image's address");
    assert_eq!(active(&demo, id).await["image_type"], "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_made_of_a_server_in_rest_locked_or_not_and_of_none_that_is_busy() {
    let cloud = TestCloud::with("[fake]\nstop_ms = 3000\n").await;
    let (demo, server) = running(&cloud).await;
    server.action(json!({"os-stop": null})).await.expect(202);
    let said = server.action_at("latest", &plain("early")).await.fault(409);
    assert_eq!(
        said,
        format!(
            "Cannot 'createImage' instance {} while it is in task_state powering-off",
            server.id
        )
    );
    server.reaches("SHUTOFF").await;
    server.action(json!({"lock": null})).await.expect(202);
    let made = server
        .action_at("latest", &plain("stopped"))
        .await
        .expect(202);
    active(&demo, &id(&made)).await;
    until("the server is free", async || {
        server.show().await["OS-EXT-STS:task_state"]
            .is_null()
            .then_some(())
    })
    .await;
    let odd = json!({"createImage": {"name": "odd", "metadata": {"visibility": "public"}}});
    let said = server.action_at("latest", &odd).await.fault(400);
    assert!(said.contains("visibility"), "{said}");
    let still = json!({"os_require_quiesce": "yes"});
    let image = demo.image_with(&still).await;
    let wanted = json!({
        "name": "still", "flavorRef": cloud.tiny().await, "imageRef": image, "networks": "none",
    });
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    let said = server
        .action_at("latest", &plain("moving"))
        .await
        .fault(409);
    assert_eq!(said, "QEMU guest agent is not enabled");
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_backups_of_a_type_stay_and_others_are_left_alone() {
    let cloud = TestCloud::start().await;
    let (demo, server) = running(&cloud).await;
    let plain = id(&server
        .action_at("latest", &plain("plain"))
        .await
        .expect(202));
    active(&demo, &plain).await;
    let mut made = Vec::new();
    for (backup_type, rotation) in [("daily", 2), ("weekly", 2), ("daily", 2), ("daily", 2)] {
        is_free(&server).await;
        let body = json!({"createBackup": {
            "name": "backup", "backup_type": backup_type, "rotation": rotation,
        }});
        let backup = id(&server.action_at("latest", &body).await.expect(202));
        let shown = active(&demo, &backup).await;
        assert_eq!(shown["image_type"], "backup");
        assert_eq!(shown["backup_type"], backup_type);
        made.push(backup);
    }
    is_free(&server).await;
    let mut stay = Vec::new();
    for id in &made {
        stay.push(image(&demo, id).await.is_some());
    }
    assert_eq!(stay, [false, true, true, true]);
    let body = json!({"createBackup": {"name": "none", "backup_type": "daily", "rotation": 0}});
    let none = id(&server.action_at("latest", &body).await.expect(202));
    is_free(&server).await;
    assert!(image(&demo, &none).await.is_none());
    assert!(image(&demo, &made[3]).await.is_none());
    assert!(image(&demo, &made[1]).await.is_some());
    assert!(image(&demo, &plain).await.is_some());
    assert_eq!(
        last_event(&server).await,
        ("compute_backup_instance".to_owned(), "Success".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_fails_leaves_nothing_and_the_server_as_it_was() {
    let cloud = TestCloud::start().await;
    let (demo, server) = running(&cloud).await;
    let faults = Faults {
        fail_calls: vec![FailCall {
            verb: Verb::Snapshot,
            nth: 1,
        }],
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    let made = server.action_at("latest", &plain("lost")).await.expect(202);
    is_free(&server).await;
    assert_eq!(image(&demo, &id(&made)).await, None);
    assert_eq!(copies(&cloud), 0);
    assert_eq!(
        last_event(&server).await,
        ("compute_snapshot_instance".to_owned(), "Error".to_owned())
    );
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_in_the_middle_leaves_no_image() {
    let cloud = TestCloud::with("[fake]\nsnapshot_ms = 1500\n").await;
    let (demo, server) = running(&cloud).await;
    let made = server.action_at("latest", &plain("late")).await.expect(202);
    until("the copy is being made", async || {
        let shown = server.show().await;
        (shown["OS-EXT-STS:task_state"] == "image_snapshot").then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    until("the image is gone", async || {
        image(&demo, &id(&made)).await.is_none().then_some(())
    })
    .await;
    until("the copy is gone", async || {
        (copies(&cloud) == 0).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_may_have_no_more_images_is_told_so_and_its_server_is_free() {
    let cloud = TestCloud::start().await;
    let (_, server) = running(&cloud).await;
    let admin = cloud.admin().await;
    let services = admin
        .get("/identity/v3/services?type=image")
        .await
        .expect(200);
    let limit = json!({"registered_limits": [{
        "service_id": services["services"][0]["id"], "region_id": "RegionOne",
        "resource_name": "image_count_total", "default_limit": 1,
    }]});
    admin
        .post("/identity/v3/registered_limits", &limit)
        .await
        .expect(201);
    let said = server
        .action_at("latest", &plain("one too many"))
        .await
        .fault(403);
    assert!(!said.is_empty());
    is_free(&server).await;
    cloud.audit().await;
}
