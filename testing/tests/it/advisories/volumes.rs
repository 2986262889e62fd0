//! A device that outlives its attachment: OSSA-2013-001, 2018-001, 2020-006, 2023-003 (CVE-2023-2088).
//!
//! Nobody but compute takes a volume from under a server: the host would keep a device that is another project's volume
//! soon. And what compute gave back, the guest has no more.

use http::Method;
use serde_json::{Value, json};
use testing::{TestCloud, User, until};

async fn status(user: &User, path: &str) -> Value {
    user.get(path).await.expect(200)["volume"]["status"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_not_taken_from_under_its_server_by_the_volume_service() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let id = demo.volume(json!({"size": 1})).await;
    let volume = format!("{}/{id}", demo.volumes());
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let attach = json!({"volumeAttachment": {"volumeId": id}});
    let attached = demo
        .compute("2.100", Method::POST, &path, Some(&attach))
        .await;
    attached.expect(200);
    let shown = demo.volume_is(&id, "in-use").await;
    let attachment = shown["attachments"][0]["attachment_id"].clone();
    let attachment = attachment.as_str().expect("an id");

    // Each of these would leave the guest with a device that others may get.
    let connector = json!({"host": "elsewhere"});
    for action in [
        json!({"os-detach": {"attachment_id": attachment}}),
        json!({"os-detach": {}}),
        json!({"os-force_detach": {"attachment_id": attachment, "connector": connector}}),
        json!({"os-terminate_connection": {"connector": connector}}),
        json!({"os-reset_status": {"status": "available", "attach_status": "detached"}}),
        json!({"os-force_delete": null}),
        json!({"os-unmanage": null}),
    ] {
        let answer = demo.post(&format!("{volume}/action"), &action).await;
        let code = answer.status.as_u16();
        assert!(
            (400..500).contains(&code),
            "{action}: {code} {}",
            answer.text
        );
    }
    let newest = [("openstack-api-version", "volume 3.67")];
    let of_attachment = format!("/volume/v3/{}/attachments/{attachment}", demo.project_id);
    let answer = demo
        .send(Method::DELETE, &of_attachment, &newest, None)
        .await;
    answer.fault(409);
    demo.delete(&volume).await.fault(400);
    // Nor does another project reach it, by its id or by that of the attachment.
    let stranger = cloud.stranger("eve").await;
    for path in [
        format!("/volume/v3/{}/volumes/{id}", stranger.project_id),
        format!(
            "/volume/v3/{}/attachments/{attachment}",
            stranger.project_id
        ),
    ] {
        for method in [Method::GET, Method::DELETE] {
            let answer = stranger.send(method, &path, &newest, None).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        }
    }
    assert_eq!(status(&demo, &volume).await, "in-use");
    let guest = cloud.kept(&server).await;
    assert_eq!(guest.volumes.len(), 1);
    cloud.audit().await;

    // Given back by compute, it is out of the guest before anybody else can have it.
    let path = format!("{path}/{id}");
    let detached = demo.compute("latest", Method::DELETE, &path, None).await;
    detached.expect(202);
    until("the volume is free", || async {
        let free = status(&demo, &volume).await == "available";
        let guest = cloud.kept(&server).await;
        let held = guest.volumes.len();
        assert!(!free || held == 0, "it is free while the guest has it");
        free.then_some(())
    })
    .await;
    cloud.audit().await;
}
