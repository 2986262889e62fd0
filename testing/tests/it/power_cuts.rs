//! A host loses its power and comes back: its servers run again, or are shown as they are.

use hypervisor::PowerState;
use hypervisor_fake::Faults;
use serde_json::json;
use testing::{Server, TestCloud, until};

const RESUME: &str = "[DEFAULT]\nresume_guests_state_on_host_boot = true\n";

async fn runs(cloud: &TestCloud, server: &Server) -> bool {
    let facts = hypervisor::Driver::inspect(cloud.host(0), &server.id).await;
    let facts = facts.expect("the host answers").expect("it is here");
    facts.power_state == PowerState::Running
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_ran_run_again_with_their_volumes_and_the_others_stay_as_they_were() {
    let mut cloud = TestCloud::with(RESUME).await;
    let demo = cloud.demo().await;
    let mut servers = Vec::new();
    // More than are started at once.
    for number in 0..6 {
        servers.push(cloud.boot(&demo, &format!("ran-{number}")).await);
    }
    let stopped = cloud.boot(&demo, "stopped").await;
    let paused = cloud.boot(&demo, "paused").await;
    for server in servers.iter().chain([&stopped, &paused]) {
        server.reaches("ACTIVE").await;
    }
    let volume = demo.volume(json!({"size": 1})).await;
    let path = format!("/servers/{}/os-volume_attachments", servers[0].id);
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    let made = demo.compute("latest", http::Method::POST, &path, Some(&body));
    made.await.expect(202);
    demo.volume_is(&volume, "in-use").await;
    servers[1].action(json!({"rescue": null})).await.expect(200);
    servers[1].reaches("RESCUE").await;
    stopped.stop().await.reaches("SHUTOFF").await;
    paused.action(json!({"pause": null})).await.expect(202);
    paused.reaches("PAUSED").await;
    let before = cloud.kept(&servers[0]).await;
    let log_in_again = demo.user_id.clone();

    cloud.host(0).cut_power().await.expect("power");
    cloud.restart().await;
    let demo = cloud.demo().await;
    assert_eq!(demo.user_id, log_in_again);
    let again = |server: &Server| server.seen_by(&demo);
    let servers: Vec<_> = servers.iter().map(again).collect();
    for server in &servers {
        until("it runs again", || async {
            runs(&cloud, server).await.then_some(())
        })
        .await;
    }
    for (number, server) in servers.iter().enumerate() {
        let status = if number == 1 { "RESCUE" } else { "ACTIVE" };
        let shown = server.reaches(status).await;
        until("nothing is under way", || async {
            let shown = server.show().await;
            shown["OS-EXT-STS:task_state"].is_null().then_some(())
        })
        .await;
        assert!(shown.get("fault").is_none(), "{shown}");
    }
    let after = cloud.kept(&servers[0]).await;
    assert_eq!(after.volumes, before.volumes);
    assert_eq!(after.nics, before.nics);
    assert!(cloud.kept(&servers[1]).await.rescue.is_some());
    let action = servers[0].last_action(&cloud.admin().await).await;
    assert_eq!(action["action"], "start");
    assert!(action["user_id"].is_null(), "nobody asked for it");
    // What did not run does not run now.
    let (stopped, paused) = (again(&stopped), again(&paused));
    stopped.reaches("SHUTOFF").await;
    paused.reaches("SHUTOFF").await;
    assert!(!runs(&cloud, &stopped).await && !runs(&cloud, &paused).await);
    for server in servers.iter().chain([&stopped, &paused]) {
        server.delete().await.vanishes().await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_option_they_are_shown_shutoff_and_start_when_their_owner_says_so() {
    let mut cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "ran").await;
    server.reaches("ACTIVE").await;
    cloud.host(0).cut_power().await.expect("power");
    cloud.restart().await;
    let server = server.seen_by(&cloud.demo().await);
    server.reaches("SHUTOFF").await;
    assert!(!runs(&cloud, &server).await);
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_at_first_is_asked_again_and_one_that_never_can_leaves_an_error() {
    let mut cloud = TestCloud::with(RESUME).await;
    let demo = cloud.demo().await;
    let (once, never) = (
        cloud.boot(&demo, "once").await,
        cloud.boot(&demo, "never").await,
    );
    once.reaches("ACTIVE").await;
    never.reaches("ACTIVE").await;
    let host = cloud.host(0);
    host.cut_power().await.expect("power");
    let faults = Faults {
        fail_start_of: Some("never".to_owned()),
        ..Faults::default()
    };
    host.set_faults(&faults).expect("faults");
    cloud.restart().await;
    cloud.set_faults(&faults);
    let demo = cloud.demo().await;
    let again = |server: Server| server.seen_by(&demo);
    let (once, never) = (again(once), again(never));
    until("it runs again", || async {
        runs(&cloud, &once).await.then_some(())
    })
    .await;
    once.reaches("ACTIVE").await;
    let why = until("the other is given up", || async {
        let shown = never.show().await;
        (shown["status"] == "ERROR").then(|| shown["fault"]["message"].clone())
    })
    .await;
    assert!(
        why.as_str().is_some_and(|why| why.contains("start again")),
        "{why}"
    );
    cloud.set_faults(&Faults::default());
    never
        .action(json!({"reboot": {"type": "HARD"}}))
        .await
        .expect(202);
    never.reaches("ACTIVE").await;
    once.delete().await.vanishes().await;
    never.delete().await.vanishes().await;
    cloud.audit().await;
}
