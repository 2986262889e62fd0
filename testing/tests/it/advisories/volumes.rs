//! A device that outlives its attachment: OSSA-2013-001, 2018-001, 2020-006, 2023-003.
//!
//! There are no volumes yet. What must hold until then: nothing takes one and forgets it.

use http::Method;
use serde_json::json;
use testing::TestCloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_refused_everywhere_instead_of_being_ignored() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let volume = "7d0c1a5e-0000-4000-8000-000000000000";
    let mapping = json!([{"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": 0}]);
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "networks": "none", "block_device_mapping_v2": mapping,
    }});
    let asked = demo
        .compute("latest", Method::POST, "/servers", Some(&body))
        .await;
    assert!(matches!(asked.status.as_u16(), 400 | 501), "{}", asked.text);

    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let attach = json!({"volumeAttachment": {"volumeId": volume}});
    let asked = demo
        .compute("latest", Method::POST, &path, Some(&attach))
        .await;
    assert_eq!(asked.status, 501, "{}", asked.text);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
