//! What a fault, a log or an answer tells to the wrong person: OSSA-2014-036, 2016-002, 2017-001, 2017-002, 2019-003.

use http::Method;
use serde_json::json;
use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_failed_server_reads_nothing_of_hosts_paths_and_traces() {
    let cloud = TestCloud::with("[fake]\nhosts = 2\nfail_start_of = doomed\n").await;
    cloud.knows_hosts(2).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "doomed").await;
    server.fails().await;
    let shown = server.show().await;
    let text = shown.to_string();
    let state_path = cloud.state_path().display().to_string();
    assert!(!text.contains(&state_path), "{text}");
    for hosted in &cloud.cloud().hosts {
        assert!(
            !text.contains(&format!("{:?}", hosted.host)),
            "{}: {text}",
            hosted.host
        );
    }
    assert_eq!(shown["fault"].get("details"), None);
    let path = format!("/servers/{}/os-instance-actions", server.id);
    let actions = demo
        .compute("latest", Method::GET, &path, None)
        .await
        .expect(200);
    let request = actions["instanceActions"][0]["request_id"]
        .as_str()
        .expect("a request");
    let events = demo
        .compute("latest", Method::GET, &format!("{path}/{request}"), None)
        .await;
    let events = events.expect(200)["instanceAction"]["events"].take();
    assert!(!events.to_string().contains(&state_path), "{events}");
    for event in events.as_array().expect("a list") {
        assert!(
            event
                .get("traceback")
                .is_none_or(serde_json::Value::is_null),
            "{event}"
        );
        assert!(
            event.get("host").is_none_or(serde_json::Value::is_null),
            "{event}"
        );
    }
    // Operators do read why.
    let operators = server.seen_by(&cloud.admin().await);
    assert!(operators.show().await["fault"]["details"].is_string());
    server.delete().await.vanishes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_login_does_not_tell_whether_the_user_exists() {
    let cloud = TestCloud::start().await;
    let url = cloud.cloud().url.clone();
    let mut texts = Vec::new();
    for user in ["demo", "no-such-user"] {
        let refused = testing::User::try_log_in(&url, user, "not it", "demo").await;
        let answer = refused.err().expect("a refusal");
        assert_eq!(answer.status, 401);
        texts.push(answer.body.to_string());
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_password_of_a_server_is_shown_once_and_never_again() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none", "adminPass": "canary-7Rk2",
    }});
    let made = demo.asks_for_server(&body).await.expect(202);
    assert_eq!(made["server"]["adminPass"], "canary-7Rk2");
    let server = demo.made(&made);
    let shown = server.reaches("ACTIVE").await;
    assert!(!shown.to_string().contains("canary-7Rk2"), "{shown}");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
