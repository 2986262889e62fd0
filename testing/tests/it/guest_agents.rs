//! What the cloud asks of the agent in a guest: another password, and file systems that are still.

use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

async fn boot(cloud: &TestCloud, user: &User, properties: Value) -> Server {
    boot_with_key(cloud, user, properties, None).await
}

async fn boot_with_key(
    cloud: &TestCloud,
    user: &User,
    properties: Value,
    key: Option<&str>,
) -> Server {
    let image = user.image_with(&properties).await;
    let flavor = cloud.tiny().await;
    let mut wanted = json!({
        "name": "agent", "flavorRef": flavor, "imageRef": image, "networks": "none", "config_drive": false,
    });
    if let Some(key) = key {
        wanted["key_name"] = json!(key);
    }
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

/// What the owner of a server reads of its password.
async fn told(server: &Server) -> String {
    let path = format!("/servers/{}/os-server-password", server.id);
    let answer = server.user.compute("2.1", Method::GET, &path, None).await;
    let answer = answer.expect(200);
    answer["password"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_kept_for_the_owner_of_a_key_that_can_encrypt() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUgh7W6KgMJWcEhOrZ+IMiKPo09/GUIuM5UGTpFwzLc x";
    for key in [
        json!({"name": "rsa"}),
        json!({"name": "other", "public_key": line}),
    ] {
        let body = json!({"keypair": key});
        let made = demo.compute("2.1", Method::POST, "/os-keypairs", Some(&body));
        made.await.expect(200);
    }
    let able = json!({"hw_qemu_guest_agent": "yes"});
    let server = boot_with_key(&cloud, &demo, able.clone(), Some("rsa")).await;
    assert_eq!(told(&server).await, "");
    server.action(password("first")).await.expect(202);
    idle(&server).await;
    let first = told(&server).await;
    // 2048 bits in base64.
    assert_eq!(first.len(), 344, "{first}");
    assert!(!first.contains("first"));
    // One that the guest does not take changes nothing.
    cloud.fail_next(Verb::SetPassword);
    server.action(password("refused")).await.expect(202);
    idle(&server).await;
    assert_eq!(told(&server).await, first);
    server.action(password("second")).await.expect(202);
    idle(&server).await;
    let second = told(&server).await;
    assert!(second.len() == 344 && second != first, "{second}");
    // One that the key cannot encrypt is not kept, and neither is the one of before.
    let long = "x".repeat(250);
    server.action(password(&long)).await.expect(202);
    idle(&server).await;
    assert_eq!(cloud.host(0).password(&server.id, "root"), Some(long));
    assert_eq!(told(&server).await, "");
    server.delete().await.vanishes().await;

    let other = boot_with_key(&cloud, &demo, able, Some("other")).await;
    other.action(password("first")).await.expect(202);
    idle(&other).await;
    assert_eq!(told(&other).await, "");
    other.delete().await.vanishes().await;
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
