//! Volumes that become larger while servers have them.

use super::*;

/// Has a volume of a running server grow to 2 GiB.
async fn extend(server: &Server, volume: &str) {
    let path = format!("{}/{volume}/action", server.user.volumes());
    let body = json!({"os-extend": {"new_size": 2}});
    let headers = [
        ("openstack-api-version", "volume 3.42"),
        ("content-type", "application/json"),
    ];
    let answer = server
        .user
        .send(Method::POST, &path, &headers, Some(&body))
        .await;
    answer.expect(202);
}

/// The action of a volume that grew, once its one event ended.
async fn ended(cloud: &TestCloud, server: &Server) -> Value {
    until("extend_volume ends", || async {
        let last = last_action(cloud, server).await;
        let over = !last["events"][0]["finish_time"].is_null();
        (last["action"] == "extend_volume" && over).then_some(last)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_grows_is_seen_by_its_guest_and_is_an_action_of_its_server() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    extend(&server, &id).await;
    let action = ended(&cloud, &server).await;
    let events = action["events"].as_array().expect("a list");
    assert_eq!(events.len(), 1, "{action}");
    assert_eq!(events[0]["event"], "compute_extend_volume");
    assert_eq!(events[0]["result"], "Success");
    assert_eq!(action["message"], Value::Null);
    assert_eq!(cloud.host(0).volume_size(&id), Some(2 << 30));
    demo.volume_is(&id, "in-use").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_show_a_larger_volume_says_so_in_the_action() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    cloud.fail_next(Verb::ResizeVolume);
    extend(&server, &id).await;
    let action = ended(&cloud, &server).await;
    let event = &action["events"][0];
    assert_eq!(event["event"], "compute_extend_volume");
    assert_eq!(event["result"], "Error");
    let details = event["details"].as_str().expect("details");
    let begins = format!("Failed to extend volume of {}", server.id);
    assert!(details.starts_with(&begins), "{details}");
    assert_eq!(action["message"], "Error");
    assert_eq!(cloud.host(0).volume_size(&id), None);
    // The volume has its size all the same, and nothing happened to the server.
    assert_eq!(demo.volume_is(&id, "in-use").await["size"], 2);
    server.reaches("ACTIVE").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_the_server_does_not_have_is_an_action_too() {
    let (cloud, server) = running().await;
    let event = json!({"name": "volume-extended", "server_uuid": server.id, "tag": NOTHING});
    let body = json!({"events": [event]});
    let path = "/os-server-external-events";
    let admin = cloud.admin().await;
    let told = admin.compute("2.51", Method::POST, path, Some(&body)).await;
    assert_eq!(told.expect(200)["events"][0]["code"], 200);
    let action = ended(&cloud, &server).await;
    assert_eq!(action["events"][0]["result"], "Success");
    assert_eq!(cloud.host(0).volume_size(NOTHING), None);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_host_looks_at_a_larger_volume_a_server_goes_all_the_same() {
    let (cloud, server) = slow().await;
    let demo = &server.user;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    extend(&server, &id).await;
    until("the action begins", || async {
        let last = last_action(&cloud, &server).await;
        (last["action"] == "extend_volume").then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    demo.volume_is(&id, "available").await;
    cloud.audit().await;
}
