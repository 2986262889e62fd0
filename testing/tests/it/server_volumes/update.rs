//! What can be changed of an attachment, and who may put another volume in its place.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_volume_goes_with_its_server_can_be_changed() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    let path = format!("/servers/{}/os-volume_attachments/{id}", server.id);
    let put = async |version: &str, body: Value| {
        let body = json!({"volumeAttachment": body});
        demo.compute(version, Method::PUT, &path, Some(&body)).await
    };
    put(
        "2.85",
        json!({"volumeId": id, "delete_on_termination": true}),
    )
    .await
    .expect(202);
    assert_eq!(
        listed(&server, "latest").await[0]["delete_on_termination"],
        true
    );
    for wrong in [
        json!({"volumeId": id, "device": "/dev/vdq"}),
        json!({"volumeId": id, "tag": "other"}),
        json!({"volumeId": id, "serverId": NOTHING}),
        json!({"volumeId": id, "id": NOTHING}),
        json!({"volumeId": id, "device": null}),
        json!({"volumeId": id, "tag": null}),
        json!({"volumeId": id, "odd": 1}),
        json!({"delete_on_termination": true}),
    ] {
        put("2.85", wrong).await.fault(400);
    }
    // What is said and so is fine: what Nova calls the id of an attachment is that of its volume.
    let device = listed(&server, "latest").await[0]["device"].take();
    put(
        "2.85",
        json!({"volumeId": id, "id": id, "serverId": server.id, "device": device, "delete_on_termination": true}),
    )
    .await
    .expect(202);
    // Another volume in its place.
    put("2.85", json!({"volumeId": NOTHING})).await.fault(403);
    put("2.84", json!({"volumeId": id})).await.fault(403);
    put(
        "2.84",
        json!({"volumeId": id, "delete_on_termination": true}),
    )
    .await
    .fault(400);
    let gone = format!("/servers/{}/os-volume_attachments/{NOTHING}", server.id);
    let body = json!({"volumeAttachment": {"volumeId": NOTHING}});
    let answer = demo.compute("2.85", Method::PUT, &gone, Some(&body)).await;
    answer.fault(404);
    put(
        "2.85",
        json!({"volumeId": id, "delete_on_termination": false}),
    )
    .await
    .expect(202);
    server.delete().await.vanishes().await;
    demo.volume_is(&id, "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_replaced_only_while_it_moves_to_another_back_end() {
    let (cloud, server) = running().await;
    let admin = cloud.admin().await;
    let (old, new) = (volume(&server.user).await, volume(&server.user).await);
    attach(&server, &old).await;
    server.user.volume_is(&old, "in-use").await;
    let body = json!({"volumeAttachment": {"volumeId": new}});
    let put = async |version: &str, id: &str| {
        let path = format!("/servers/{}/os-volume_attachments/{id}", server.id);
        admin
            .compute(version, Method::PUT, &path, Some(&body))
            .await
    };
    for version in ["2.1", "2.85", "latest"] {
        assert_eq!(
            put(version, &old).await.fault(409),
            format!("volume {old} is not migrating; this API should only be called by Cinder")
        );
    }
    put("2.1", NOTHING).await.fault(404);
    assert_eq!(of_guest(&cloud, &server).await, [old.as_str()]);
    server.user.volume_is(&new, "available").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
