//! A right that was not asked for: OSSA-2012-001, 2013-019, 2013-024, 2014-011, 2026-001.

use http::Method;
use serde_json::json;
use testing::{TestCloud, User};

/// Identity headers as OpenStack's middleware sets them behind its own check.
const FORGED: [(&str, &str); 8] = [
    ("x-identity-status", "Confirmed"),
    ("x-roles", "admin"),
    ("x-user-id", "admin"),
    ("x-project-id", "admin"),
    ("x-is-admin-project", "True"),
    ("x-service-roles", "service"),
    ("x-service-identity-status", "Confirmed"),
    ("openstack-system-scope", "all"),
];

#[tokio::test(flavor = "multi_thread")]
async fn forged_identity_headers_are_believed_by_no_service() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let nobody = demo.with_token("");
    for path in [
        "/compute/v2.1/servers",
        "/identity/v3/users",
        "/image/v2/images",
        "/network/v2.0/networks",
    ] {
        let answer = nobody.send(Method::GET, path, &FORGED, None).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text);
    }
    for path in [
        "/compute/v2.1/os-hypervisors",
        "/compute/v2.1/os-services",
        "/identity/v3/users",
    ] {
        let answer = demo.send(Method::GET, path, &FORGED, None).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
}

async fn flavor_is_hidden_from(user: &User, flavor: &str, image: &str) {
    let path = format!("/flavors/{flavor}");
    assert_eq!(
        user.compute("latest", Method::GET, &path, None)
            .await
            .status,
        404
    );
    let specs = format!("/flavors/{flavor}/os-extra_specs");
    let asked = user.compute("latest", Method::GET, &specs, None).await;
    assert_eq!(asked.status, 404, "{}", asked.text);
    let access = format!("/flavors/{flavor}/os-flavor-access");
    let asked = user.compute("latest", Method::GET, &access, None).await;
    assert!(matches!(asked.status.as_u16(), 403 | 404), "{}", asked.text);
    let body = json!({"server": {"name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none"}});
    user.asks_for_server(&body).await.fault(400);
    let body = json!({"addTenantAccess": {"tenant": user.project_id}});
    let asked = user
        .compute(
            "latest",
            Method::POST,
            &format!("{path}/action"),
            Some(&body),
        )
        .await;
    assert!(matches!(asked.status.as_u16(), 403 | 404), "{}", asked.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_flavor_cannot_be_read_booted_or_opened_by_who_knows_its_id() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let body = json!({"flavor": {
        "id": "secret", "name": "secret", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": false,
    }});
    admin.post("/compute/v2.1/flavors", &body).await.expect(200);
    let image = cloud.image(&demo).await;
    flavor_is_hidden_from(&demo, "secret", &image).await;
    let body = json!({"addTenantAccess": {"tenant": demo.project_id}});
    let path = "/flavors/secret/action";
    admin
        .compute("latest", Method::POST, path, Some(&body))
        .await
        .expect(200);
    let stranger = cloud.stranger("stranger").await;
    let theirs = cloud.image(&stranger).await;
    flavor_is_hidden_from(&stranger, "secret", &theirs).await;
    let wanted = json!({"name": "s", "flavorRef": "secret", "imageRef": image, "networks": "none"});
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_cannot_do_an_administrators_calls() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    for action in [
        json!({"os-resetState": {"state": "error"}}),
        json!({"resetNetwork": null}),
        json!({"os-migrateLive": {"host": null, "block_migration": "auto"}}),
        json!({"injectNetworkInfo": null}),
    ] {
        let answer = server.action(action.clone()).await;
        assert!(
            matches!(answer.status.as_u16(), 403 | 404 | 410 | 501 | 400),
            "{action}: {}",
            answer.text
        );
        server.reaches("ACTIVE").await;
    }
    for (method, path, body) in [
        (Method::GET, "/compute/v2.1/servers?all_tenants=1", None),
        (
            Method::POST,
            "/compute/v2.1/flavors",
            Some(json!({"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}})),
        ),
        (
            Method::POST,
            "/compute/v2.1/os-aggregates",
            Some(json!({"aggregate": {"name": "a"}})),
        ),
        (
            Method::POST,
            "/identity/v3/users",
            Some(json!({"user": {"name": "u"}})),
        ),
        (
            Method::POST,
            "/identity/v3/projects",
            Some(json!({"project": {"name": "p"}})),
        ),
    ] {
        let answer = demo.send(method, path, &[], body.as_ref()).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
