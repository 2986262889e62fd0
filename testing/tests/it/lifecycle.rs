//! A server's life, from POST to the empty audit.

use http::Method;
use serde_json::{Value, json};
use testing::{Server, TestCloud};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_boots_stops_starts_and_goes() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_come_from_one_request_and_as_many_as_the_quota_allows() {
    let cloud = TestCloud::with("[quota]\ninstances = 5\n").await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let wanted = json!({
        "name": "many", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "min_count": 2, "max_count": 8,
    });
    cloud.boot_with(&demo, wanted.clone()).await;
    let path = "/servers/detail?sort_key=display_name&sort_dir=asc";
    let mut listed = demo
        .compute("latest", Method::GET, path, None)
        .await
        .expect(200);
    let listed: Vec<Value> = serde_json::from_value(listed["servers"].take()).expect("a list");
    let names: Vec<&str> = listed
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["many-1", "many-2", "many-3", "many-4", "many-5"]);
    for one in &listed {
        assert_eq!(
            one["OS-EXT-SRV-ATTR:reservation_id"],
            listed[0]["OS-EXT-SRV-ATTR:reservation_id"]
        );
        let server = Server {
            user: demo.clone(),
            id: one["id"].as_str().expect("an id").to_owned(),
        };
        server.reaches("ACTIVE").await;
    }
    // Not even the smaller number fits now, and nothing of the request remains.
    let body = json!({"server": wanted});
    let refused = demo.asks_for_server(&body).await;
    let said = refused.fault(403);
    assert!(
        said.starts_with("Quota exceeded for instances: Requested 2, but already used 5 of 5"),
        "{said}"
    );
    for one in listed {
        let id = one["id"].as_str().expect("an id").to_owned();
        Server {
            user: demo.clone(),
            id,
        }
        .delete()
        .await
        .vanishes()
        .await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_tags_and_name_of_a_running_server_change() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let server = cloud
        .boot_with(
            &demo,
            json!({
                "name": "small things", "flavorRef": flavor, "imageRef": image, "networks": "none",
                "metadata": {"colour": "red"}, "tags": ["first"], "description": "for a test",
            }),
        )
        .await;
    server.reaches("ACTIVE").await;
    let path = |rest: &str| format!("/servers/{}{rest}", server.id);
    let ask = |method: Method, rest: &'static str, body: Option<Value>| {
        let (demo, path) = (demo.clone(), path(rest));
        async move { demo.compute("latest", method, &path, body.as_ref()).await }
    };
    ask(
        Method::POST,
        "/metadata",
        Some(json!({"metadata": {"size": "small"}})),
    )
    .await
    .expect(200);
    ask(
        Method::PUT,
        "/metadata/colour",
        Some(json!({"meta": {"colour": "blue"}})),
    )
    .await
    .expect(200);
    ask(Method::PUT, "/tags/second", None).await.expect(201);
    ask(Method::DELETE, "/tags/first", None).await.expect(204);
    ask(
        Method::PUT,
        "",
        Some(json!({"server": {"name": "renamed", "description": null}})),
    )
    .await
    .expect(200);
    let shown = server.show().await;
    assert_eq!(
        shown["metadata"],
        json!({"colour": "blue", "size": "small"})
    );
    assert_eq!(shown["tags"], json!(["second"]));
    assert_eq!(
        (&shown["name"], &shown["description"]),
        (&json!("renamed"), &Value::Null)
    );
    ask(Method::DELETE, "/metadata/size", None)
        .await
        .expect(204);
    assert_eq!(server.show().await["metadata"], json!({"colour": "blue"}));
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_log_tells_of_the_boot() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "talker").await;
    server.reaches("ACTIVE").await;
    let log = server
        .action(json!({"os-getConsoleOutput": {}}))
        .await
        .expect(200);
    assert!(
        log["output"]
            .as_str()
            .is_some_and(|log| log.contains("fake guest ready")),
        "{log}"
    );
    let tail = server
        .action(json!({"os-getConsoleOutput": {"length": 1}}))
        .await
        .expect(200);
    assert_eq!(tail["output"], "talker login: ");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_outlive_the_process_that_made_them() {
    let mut cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "survivor").await;
    server.reaches("ACTIVE").await;
    cloud.restart().await;
    // Ports are free ones, so the address is another.
    let server = server.seen_by(&cloud.demo().await);
    server.reaches("ACTIVE").await;
    server.stop().await.reaches("SHUTOFF").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
