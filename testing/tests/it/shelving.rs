//! Servers that are put aside, and come back.

use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

async fn shelve(server: &Server) -> &Server {
    server.action(json!({"shelve": null})).await.expect(202);
    server
}

async fn unshelve(server: &Server) -> &Server {
    server.action(json!({"unshelve": null})).await.expect(202);
    server
}

/// Images made of a server's disk.
async fn images(user: &User, server: &Server) -> Vec<Value> {
    let path = format!("/image/v2/images?instance_uuid={}", server.id);
    let mut found = user.get(&path).await.expect(200);
    serde_json::from_value(found["images"].take()).expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelved_server_leaves_its_host_and_comes_back_with_all_that_is_its() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let network = demo.network("private", "10.0.0.0/24").await;
    let wanted = json!({
        "name": "winter", "flavorRef": cloud.tiny().await, "imageRef": cloud.image(&demo).await,
        "networks": [{"uuid": network}],
    });
    let server = cloud.boot_with(&demo, wanted).await;
    let before = server.reaches("ACTIVE").await;
    let volume = demo.volume(json!({"size": 1})).await;
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    demo.compute("2.100", Method::POST, &path, Some(&body))
        .await
        .expect(200);
    demo.volume_is(&volume, "in-use").await;

    shelve(&server).await;
    let shown = server.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(shown["OS-EXT-STS:power_state"], 0);
    assert_eq!(shown["hostId"], "");
    assert_eq!(shown["addresses"], before["addresses"]);
    assert_eq!(cloud.guest(&server).await, None);
    assert_eq!(cloud.vcpus_used().await, 0);
    demo.volume_is(&volume, "reserved").await;
    let ports = server.ports().await;
    assert_eq!(ports.len(), 1);
    let image = images(&demo, &server).await.remove(0);
    assert_eq!(
        (&image["name"], &image["status"]),
        (&json!("winter-shelved"), &json!("active"))
    );
    assert_eq!(image["base_image_ref"], before["image"]["id"]);
    let action = server.last_action(&admin).await;
    assert_eq!(action["action"], "shelve");
    let event = &action["events"][0];
    assert_eq!(
        (&event["event"], &event["result"]),
        (&json!("compute_shelve_instance"), &json!("Success"))
    );
    // Nothing but to come back or to go.
    let id = &server.id;
    for (body, word) in [
        (json!({"os-start": null}), "start"),
        (json!({"shelve": null}), "shelve"),
        (json!({"reboot": {"type": "HARD"}}), "reboot"),
    ] {
        let said =
            format!("Cannot '{word}' instance {id} while it is in vm_state shelved_offloaded");
        assert_eq!(server.action(body).await.fault(409), said);
    }

    unshelve(&server).await;
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["addresses"], before["addresses"]);
    assert_eq!(
        shown["image"], before["image"],
        "it is said to be of the image that it was made of"
    );
    assert_eq!(cloud.vcpus_used().await, 1);
    let spec = cloud.kept(&server).await;
    let root = spec
        .root_disk
        .and_then(|root| root.image)
        .expect("an image");
    assert_eq!(
        json!(root.id),
        image["id"],
        "its disk is the one that was kept"
    );
    assert_eq!(
        spec.volumes
            .iter()
            .map(|one| one.id.as_str())
            .collect::<Vec<_>>(),
        [volume.as_str()]
    );
    demo.volume_is(&volume, "in-use").await;
    until("the image is gone", async || {
        images(&demo, &server).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(server.last_action(&admin).await["action"], "unshelve");

    // What was there before it stays when it goes.
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    server.delete().await.vanishes().await;
    assert_eq!(
        images(&demo, &server).await,
        Vec::<Value>::new(),
        "its image goes with it"
    );
    demo.volume_is(&volume, "available").await;
    assert_eq!(server.ports().await, Vec::<Value>::new());
    demo.delete(&format!("{}/{volume}", demo.volumes()))
        .await
        .expect(202);
    until("the volume is gone", async || {
        demo.all_volumes().await.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_stay_on_its_host_while_it_is_shelved() {
    let cloud = TestCloud::with("[DEFAULT]\nshelved_offload_time = -1\n").await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "autumn").await;
    server.reaches("ACTIVE").await;
    for lead in ["ACTIVE", "PAUSED", "SHUTOFF"] {
        match lead {
            "PAUSED" => drop(server.action(json!({"pause": null})).await.expect(202)),
            "SHUTOFF" => drop(server.stop().await),
            _ => {}
        }
        server.reaches(lead).await;
        shelve(&server).await;
        let shown = server.reaches("SHELVED").await;
        assert_eq!(shown["OS-EXT-STS:power_state"], 4);
        assert!(cloud.guest(&server).await.is_some());
        assert_eq!(cloud.vcpus_used().await, 1, "its place is kept");
        assert_eq!(images(&demo, &server).await.len(), 1);
        unshelve(&server).await.reaches("ACTIVE").await;
        until("the image is gone", async || {
            images(&demo, &server).await.is_empty().then_some(())
        })
        .await;
    }
    shelve(&server).await.reaches("SHELVED").await;
    for wanted in [
        json!({"availability_zone": null}),
        json!({"host": "nowhere"}),
    ] {
        let said = server.action(json!({"unshelve": wanted})).await.fault(409);
        assert!(
            said.ends_with("The server status must be SHELVED_OFFLOADED."),
            "{said}"
        );
    }
    let refused = server.action(json!({"shelveOffload": null})).await;
    assert_eq!(
        refused.status, 403,
        "operators decide that: {}",
        refused.text
    );
    let operators = server.seen_by(&admin);
    operators
        .action(json!({"shelveOffload": null}))
        .await
        .expect(202);
    server.reaches("SHELVED_OFFLOADED").await;
    let again = operators.action(json!({"shelveOffload": null})).await;
    assert_eq!(again.status, 409, "{}", again.text);
    unshelve(&server).await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelved_server_leaves_its_host_after_a_while() {
    let cloud = TestCloud::with("[DEFAULT]\nshelved_offload_time = 1\n").await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "autumn").await;
    server.reaches("ACTIVE").await;
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(
        server.last_action(&cloud.admin().await).await["action"],
        "shelveOffload"
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_must_be_there_and_without_a_host_it_stays_shelved() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "winter").await;
    let host = server.reaches("ACTIVE").await["OS-EXT-SRV-ATTR:host"].clone();
    assert!(host.is_null(), "owners do not see it");
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    let operators = server.seen_by(&admin);
    let to = |wanted: Value| json!({"unshelve": wanted});
    for (who, version, wanted, code, said) in [
        (
            &server,
            "2.77",
            json!({"availability_zone": "nowhere"}),
            400,
            "The requested availability zone is not available",
        ),
        (
            &operators,
            "latest",
            json!({"host": "nowhere"}),
            400,
            "Compute host nowhere could not be found.",
        ),
    ] {
        assert_eq!(who.action_at(version, &to(wanted)).await.fault(code), said);
    }
    let refused = server
        .action_at("latest", &to(json!({"host": "nowhere"})))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    let service = admin
        .compute(
            "2.53",
            Method::GET,
            "/os-services?binary=nova-compute",
            None,
        )
        .await
        .expect(200);
    let (service, host) = (
        &service["services"][0]["id"],
        service["services"][0]["host"].clone(),
    );
    let path = format!("/os-services/{}", service.as_str().expect("an id"));
    let set = async |status: &str| {
        let body = json!({"status": status});
        admin
            .compute("2.53", Method::PUT, &path, Some(&body))
            .await
            .expect(200);
    };
    set("disabled").await;
    unshelve(&server).await;
    until("nobody takes it", async || {
        let action = server.last_action(&admin).await;
        (action["message"] == "Error").then_some(())
    })
    .await;
    let shown = server.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(shown["hostId"], "");
    assert_eq!(
        images(&demo, &server).await.len(),
        1,
        "what it comes back from stays"
    );
    set("enabled").await;
    operators
        .action_at(
            "latest",
            &to(json!({"host": host, "availability_zone": "nova"})),
        )
        .await
        .expect(202);
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["pinned_availability_zone"], "nova");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelving_that_fails_leaves_the_server_as_it_was() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "spring").await;
    server.reaches("ACTIVE").await;
    for verb in [Verb::EnsureStopped, Verb::Snapshot] {
        cloud.fail_next(verb);
        shelve(&server).await;
        until("it is told", async || {
            let action = server.last_action(&cloud.admin().await).await;
            (action["action"] == "shelve" && action["message"] == "Error").then_some(())
        })
        .await;
        let shown = server.reaches("ACTIVE").await;
        assert_eq!(shown["OS-EXT-STS:power_state"], 1, "it runs again");
        assert_eq!(images(&demo, &server).await, Vec::<Value>::new());
    }
    // What was in the memory of a paused guest is gone with the power.
    server.action(json!({"pause": null})).await.expect(202);
    server.reaches("PAUSED").await;
    cloud.fail_next(Verb::Snapshot);
    shelve(&server).await.reaches("SHUTOFF").await;
    // A host that cannot build it lets it stay shelved.
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    cloud.fail_next(Verb::EnsureRunning);
    unshelve(&server).await;
    until("it is told", async || {
        let action = server.last_action(&cloud.admin().await).await;
        (action["action"] == "unshelve" && action["message"] == "Error").then_some(())
    })
    .await;
    server.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(cloud.vcpus_used().await, 0);
    unshelve(&server).await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    // A delete at any moment.
    for round in 0..6 {
        let server = cloud.boot(&demo, "hasty").await;
        server.reaches("ACTIVE").await;
        shelve(&server).await;
        for _ in 0..round {
            server.show().await;
        }
        server.delete().await.vanishes().await;
        assert_eq!(
            images(&demo, &server).await,
            Vec::<Value>::new(),
            "round {round}"
        );
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_a_volume_is_shelved_without_an_image() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = cloud.image(&demo).await;
    let wanted = json!({
        "name": "winter", "flavorRef": cloud.tiny().await, "networks": "none",
        "block_device_mapping_v2": [{
            "source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1, "boot_index": 0,
            "delete_on_termination": true,
        }],
    });
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    let volume = demo.all_volumes().await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(images(&demo, &server).await, Vec::<Value>::new());
    demo.volume_is(&volume, "reserved").await;
    unshelve(&server).await.reaches("ACTIVE").await;
    demo.volume_is(&volume, "in-use").await;
    let spec = cloud.kept(&server).await;
    assert!(spec.volumes[0].boot && spec.volumes[0].id == volume);
    server.delete().await.vanishes().await;
    until("its volume goes with it", async || {
        demo.all_volumes().await.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}
