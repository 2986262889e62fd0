//! Image quotas of a whole cloud: the identity service keeps the limits, the image service asks it.

use serde_json::{Value, json};
use testing::{TestCloud, User};

async fn service_id(admin: &User) -> String {
    let services = admin.get("/identity/v3/services?type=image").await;
    let services = services.expect(200);
    services["services"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

async fn make(user: &User) -> u16 {
    let body = json!({"name": "x", "disk_format": "raw", "container_format": "bare"});
    user.post("/image/v2/images", &body).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_identity_service_holds_at_once_for_the_project_it_names() {
    let mut cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let service = service_id(&admin).await;
    let registered = json!({"registered_limits": [{
        "service_id": service, "region_id": "RegionOne",
        "resource_name": "image_count_total", "default_limit": 1,
    }]});
    let path = "/identity/v3/registered_limits";
    admin.post(path, &registered).await.expect(201);
    assert_eq!((make(&demo).await, make(&demo).await), (201, 413));
    let own = json!({"limits": [{
        "service_id": service, "region_id": "RegionOne", "project_id": demo.project_id,
        "resource_name": "image_count_total", "resource_limit": 2,
    }]});
    admin.post("/identity/v3/limits", &own).await.expect(201);
    assert_eq!((make(&demo).await, make(&demo).await), (201, 413));
    let usage = demo.get("/image/v2/info/usage").await.expect(200);
    let count: &Value = &usage["usage"]["image_count_total"];
    assert_eq!(count, &json!({"limit": 2, "usage": 2}));
    cloud.stop().await;
}
