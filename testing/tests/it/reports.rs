//! What operators and projects are told of servers beside their states: usage, diagnostics, migrations.

use http::Method;
use serde_json::{Value, json};
use testing::{Answer, TestCloud, User};

async fn get(user: &User, version: &str, path: &str) -> Answer {
    user.compute(version, Method::GET, path, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_sees_what_its_servers_used_and_an_operator_sees_all() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let kept = cloud.boot(&demo, "kept").await;
    kept.reaches("ACTIVE").await;
    let gone = cloud.boot(&demo, "gone").await;
    gone.reaches("ACTIVE").await;
    gone.delete().await.vanishes().await;
    let stranger = cloud.stranger("stranger").await;
    let theirs = cloud.boot(&stranger, "theirs").await;
    theirs.reaches("ACTIVE").await;

    let own = format!("/os-simple-tenant-usage/{}", demo.project_id);
    let path = format!("{own}?start=2020-01-01T00:00:00");
    let usage = get(&demo, "latest", &path).await.expect(200)["tenant_usage"].take();
    assert_eq!(usage["tenant_id"], demo.project_id.as_str());
    let servers = usage["server_usages"].as_array().expect("a list").clone();
    let mut seen: Vec<(&str, &str)> = servers
        .iter()
        .filter_map(|server| Some((server["name"].as_str()?, server["state"].as_str()?)))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [("gone", "terminated"), ("kept", "active")]);
    let sum: f64 = servers
        .iter()
        .filter_map(|server| server["hours"].as_f64())
        .sum();
    let total = usage["total_hours"].as_f64().expect("a number");
    assert!((sum - total).abs() < 1e-9 && total > 0.0, "{usage}");
    let vcpus = servers[0]["vcpus"].as_f64().expect("a number");
    let used = usage["total_vcpus_usage"].as_f64().expect("a number");
    assert!((used - vcpus * total).abs() < 1e-9, "{usage}");

    // In pages, by the id of the server.
    let first = get(&demo, "latest", &format!("{path}&limit=1"))
        .await
        .expect(200);
    assert_eq!(
        first["tenant_usage"]["server_usages"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let next = first["tenant_usage_links"][0]["href"]
        .as_str()
        .expect("a link");
    let marker = next.split("marker=").nth(1).expect("a marker");
    let rest = format!("{path}&limit=1&marker={marker}");
    let second = get(&demo, "latest", &rest).await.expect(200);
    assert_ne!(
        first["tenant_usage"]["server_usages"][0]["instance_id"],
        second["tenant_usage"]["server_usages"][0]["instance_id"]
    );
    let foreign = format!("{path}&marker={}", theirs.id);
    get(&demo, "latest", &foreign).await.fault(400);
    // Nothing was there before there was a cloud.
    let before = format!("{own}?start=2020-01-01T00:00:00&end=2020-01-02T00:00:00");
    let nothing = get(&demo, "latest", &before).await.expect(200);
    assert_eq!(nothing["tenant_usage"], json!({}));

    let all = "/os-simple-tenant-usage?start=2020-01-01T00:00:00";
    get(&demo, "latest", all).await.fault(403);
    let other = format!(
        "/os-simple-tenant-usage/{}?start=2020-01-01T00:00:00",
        stranger.project_id
    );
    get(&demo, "latest", &other).await.fault(403);
    let usages = get(&admin, "2.1", all).await.expect(200)["tenant_usages"].take();
    let projects: Vec<&Value> = usages
        .as_array()
        .expect("a list")
        .iter()
        .map(|usage| &usage["tenant_id"])
        .collect();
    assert_eq!(projects.len(), 2, "{usages}");
    assert!(usages[0].get("server_usages").is_none(), "{usages}");
    let detailed = get(&admin, "2.1", &format!("{all}&detailed=1"))
        .await
        .expect(200);
    assert!(detailed["tenant_usages"][0]["server_usages"].is_array());
    let backwards = get(&admin, "2.1", "/os-simple-tenant-usage")
        .await
        .fault(400);
    assert_eq!(
        backwards,
        "Invalid start time. The start time cannot occur after the end time."
    );
    let unreadable = "/os-simple-tenant-usage?start=yesterday";
    assert_eq!(
        get(&admin, "2.1", unreadable).await.fault(400),
        "Invalid datetime string: Datetime is in invalid format"
    );
    kept.delete().await.vanishes().await;
    theirs.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_counters_of_a_running_guest_alone() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let server = cloud.boot(&demo, "watched").await;
    server.reaches("ACTIVE").await;
    let path = format!("/servers/{}/diagnostics", server.id);
    get(&demo, "latest", &path).await.fault(403);
    let found = get(&admin, "latest", &path).await.expect(200);
    assert_eq!(found["state"], "running", "{found}");
    assert_eq!(found["num_cpus"], 1, "{found}");
    assert_eq!(
        found["cpu_details"].as_array().map(Vec::len),
        Some(1),
        "{found}"
    );
    assert!(found["memory_details"]["maximum"].is_u64(), "{found}");
    let old = get(&admin, "2.47", &path).await.expect(200);
    assert!(old["cpu0_time"].is_i64() && old["memory"].is_i64(), "{old}");
    server.stop().await.reaches("SHUTOFF").await;
    assert_eq!(
        get(&admin, "latest", &path).await.fault(409),
        format!(
            "Cannot 'get_diagnostics' instance {} while it is in power state shutdown",
            server.id
        )
    );
    server.delete().await.vanishes().await;
    get(&admin, "latest", &path).await.fault(404);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_migrations_and_queries_for_them_are_checked() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    get(&demo, "latest", "/os-migrations").await.fault(403);
    let none = get(&admin, "2.1", "/os-migrations?host=nowhere")
        .await
        .expect(200);
    assert_eq!(none, json!({"migrations": []}));
    get(&admin, "2.59", "/os-migrations?nonsense=1")
        .await
        .fault(400);
    get(&admin, "2.59", "/os-migrations?changes-since=soon")
        .await
        .fault(400);
    let marker = "/os-migrations?marker=7f3c1a52-0000-4000-8000-00000000dead";
    get(&admin, "2.59", marker).await.fault(400);
    cloud.audit().await;
}
