//! One request that costs too much: OSSA-2012-003, 2012-005, 2012-009, 2013-004, 2013-008, 2014-038.

use http::Method;
use serde_json::json;
use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn every_field_and_list_of_a_server_has_a_limit() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let good = json!({"name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none"});
    let many: serde_json::Map<_, _> = (0..1000).map(|n| (format!("k{n}"), json!("v"))).collect();
    let cases = [
        ("name", json!("n".repeat(1 << 16))),
        ("metadata", json!(many)),
        ("metadata", json!({"k".repeat(256): "v"})),
        ("metadata", json!({"k": "v".repeat(256)})),
        ("user_data", json!("A".repeat(1 << 17))),
        ("description", json!("d".repeat(1 << 16))),
        (
            "tags",
            json!((0..100).map(|n| format!("t{n}")).collect::<Vec<_>>()),
        ),
        ("key_name", json!("k".repeat(1 << 16))),
        ("max_count", json!(1_000_000_000)),
    ];
    for (field, value) in cases {
        let mut server = good.clone();
        server[field] = value;
        let body = json!({"server": server});
        let answer = demo.asks_for_server(&body).await;
        // A count is lowered by quotas; this cloud has none, so the body's own limit must refuse.
        assert!(
            matches!(answer.status.as_u16(), 400 | 403 | 413),
            "{field}: {} {}",
            answer.status,
            answer.text
        );
    }
    let hints: serde_json::Map<_, _> = (0..10_000)
        .map(|n| (format!("h{n}"), json!("x".repeat(100))))
        .collect();
    let body = json!({"server": good, "os:scheduler_hints": hints});
    let answer = demo.asks_for_server(&body).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_large_bodies_are_refused_by_every_service() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(8 << 20));
    for path in [
        "/compute/v2.1/servers",
        "/identity/v3/auth/tokens",
        "/image/v2/images",
        "/network/v2.0/networks",
    ] {
        for (what, text) in [("deep", &deep), ("large", &large)] {
            let answer = demo.post_text(path, text).await;
            assert!(
                answer.status.is_client_error(),
                "{what} {path}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
    demo.get("/compute/v2.1/servers").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_with_a_regular_expression_costs_no_more_than_its_list() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let name = "a".repeat(200);
    let server = cloud.boot(&demo, &name).await;
    server.reaches("ACTIVE").await;
    let began = std::time::Instant::now();
    for pattern in [
        "(a%2B)%2B%24b",
        "(a%7Ca)*b",
        "(.*a)%7B20%7Db",
        &"(".repeat(5000),
        &"a".repeat(10_000),
    ] {
        for field in ["name", "ip"] {
            let path = format!("/servers/detail?{field}={pattern}");
            let answer = demo.compute("latest", Method::GET, &path, None).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 400 | 414 | 431),
                "{path}: {}",
                answer.status
            );
        }
    }
    // Backtracking over 200 letters would outlast the universe; a loaded machine needs seconds.
    assert!(began.elapsed() < testing::TIMEOUT, "{:?}", began.elapsed());
    server.delete().await.vanishes().await;
}
