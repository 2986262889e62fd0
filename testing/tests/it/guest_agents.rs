//! What the cloud asks of the agent in a guest: another password, and file systems that are still.

use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

async fn boot(cloud: &TestCloud, user: &User, properties: Value) -> Server {
    let image = user.image_with(&properties).await;
    let flavor = cloud.tiny().await;
    let wanted = json!({
        "name": "agent", "flavorRef": flavor, "imageRef": image, "networks": "none", "config_drive": false,
    });
    let server = cloud.boot_with(user, wanted).await;
    server.reaches("ACTIVE").await;
    server
}

async fn idle(server: &Server) -> Value {
    until("nothing is under way", || async {
        let shown = server.show().await;
        shown["OS-EXT-STS:task_state"].is_null().then_some(shown)
    })
    .await
}

fn password(text: &str) -> Value {
    json!({"changePassword": {"adminPass": text}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_of_a_guest_gets_another_password() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    for (properties, user) in [
        (json!({"hw_qemu_guest_agent": "yes"}), "root"),
        (
            json!({"hw_qemu_guest_agent": "yes", "os_admin_user": "eve"}),
            "eve",
        ),
        (
            json!({"hw_qemu_guest_agent": "yes", "os_type": "windows"}),
            "Administrator",
        ),
    ] {
        let server = boot(&cloud, &demo, properties).await;
        assert!(cloud.kept(&server).await.hardware.guest_agent);
        server.action(password("correct horse")).await.expect(202);
        let shown = idle(&server).await;
        assert_eq!(shown["status"], "ACTIVE");
        let set = cloud.host(0).password(&server.id, user);
        assert_eq!(set.as_deref(), Some("correct horse"));
        let action = server.last_action(&admin).await;
        assert_eq!(
            (&action["action"], &action["message"]),
            (&json!("changePassword"), &Value::Null)
        );
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agent_or_a_guest_that_runs_no_password_is_changed() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let without = boot(&cloud, &demo, json!({})).await;
    let said = without.action(password("x")).await.fault(409);
    assert_eq!(said, "QEMU guest agent is not enabled");

    let server = boot(&cloud, &demo, json!({"hw_qemu_guest_agent": "yes"})).await;
    // An agent that does not answer: the server stays what it was, and its owner reads why.
    cloud.fail_next(Verb::SetPassword);
    server.action(password("x")).await.expect(202);
    let shown = idle(&server).await;
    assert_eq!(shown["status"], "ACTIVE");
    assert_eq!(cloud.host(0).password(&server.id, "root"), None);
    let action = server.last_action(&admin).await;
    assert_eq!(action["action"], "changePassword");
    let events = action["events"].to_string();
    assert!(
        events.contains("The agent in its guest did not answer, or refused."),
        "{action}"
    );

    server.stop().await.reaches("SHUTOFF").await;
    let said = server.action(password("x")).await.fault(409);
    let wanted = format!(
        "Cannot 'changePassword' instance {} while it is in vm_state stopped",
        server.id
    );
    assert_eq!(said, wanted);
    server
        .action(json!({"changePassword": {}}))
        .await
        .fault(400);
    for server in [&server, &without] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_made_of_file_systems_that_an_agent_holds_still() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let copy = |name: &str| json!({"createImage": {"name": name}});
    let images = async |name: &str| {
        let shown = demo.get(&format!("/image/v2/images?name={name}")).await;
        shown.expect(200)["images"]
            .as_array()
            .expect("a list")
            .len()
    };
    let may = boot(&cloud, &demo, json!({"hw_qemu_guest_agent": "yes"})).await;
    let must = json!({"hw_qemu_guest_agent": "yes", "os_require_quiesce": "yes"});
    let must = boot(&cloud, &demo, must).await;
    for server in [&may, &must] {
        server.action(copy("still")).await.expect(202);
        idle(server).await;
        assert_eq!(cloud.host(0).quiesced(&server.id), 1);
    }
    assert_eq!(images("still").await, 2);
    // An agent that does not answer is in the way only where the image says so.
    for (server, made) in [(&may, 1), (&must, 0)] {
        cloud.fail_next(Verb::Quiesce);
        let name = format!("moving-{made}");
        server.action(copy(&name)).await.expect(202);
        assert_eq!(idle(server).await["status"], "ACTIVE");
        until("the image is there, or gone", || async {
            (images(&name).await == made).then_some(())
        })
        .await;
        assert_eq!(cloud.host(0).quiesced(&server.id), 1);
    }
    // What does not run is still.
    must.stop().await.reaches("SHUTOFF").await;
    must.action(copy("stopped")).await.expect(202);
    idle(&must).await;
    assert_eq!(images("stopped").await, 1);
    assert_eq!(cloud.host(0).quiesced(&must.id), 1);
    for server in [&may, &must] {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}
