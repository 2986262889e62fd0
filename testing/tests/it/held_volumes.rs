//! Volumes that exist and that new servers are to have: reserved before the request is accepted, and given back by
//! whatever becomes of it.

use chrono::{TimeDelta, Utc};
use clients::volume as cinder;
use compute_rpc::workflows::{
    Asked, HOLD_VOLUMES, HOLD_VOLUMES_VERSION, HoldVolumes, REQUEST_FAILED,
};
use http::Method;
use serde_json::{Value, json};
use testing::{Answer, TestCloud, User, until};
use workflow::{Status, WorkflowId};

/// A volume to boot from.
async fn bootable(cloud: &TestCloud, user: &User) -> String {
    let image = cloud.image(user).await;
    user.volume(json!({"size": 1, "imageRef": image})).await
}

/// A server that boots from a volume, as asked for.
async fn wanted(cloud: &TestCloud, volume: &str) -> Value {
    let root = json!({
        "boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": volume,
    });
    json!({
        "name": "booted", "flavorRef": cloud.tiny().await, "networks": "none", "block_device_mapping_v2": [root],
    })
}

async fn ask(user: &User, server: &Value) -> Answer {
    let body = json!({ "server": server });
    user.asks_for_server(&body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_ask_for_one_volume_at_once_one_gets_it_and_the_others_are_refused() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = bootable(&cloud, &demo).await;
    let server = wanted(&cloud, &volume).await;
    for _ in 0..3 {
        let asked = futures::future::join_all((0..4).map(|_| ask(&demo, &server))).await;
        let (made, refused): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|answer| answer.status == 202);
        assert_eq!(made.len(), 1, "{refused:?}");
        for answer in refused {
            let said = answer.fault(400);
            assert!(said.starts_with("Invalid volume: "), "{said}");
        }
        let made = made.into_iter().next().expect("one").expect(202);
        let server = demo.made(&made);
        server.reaches("ACTIVE").await;
        server.delete().await.vanishes().await;
        demo.volume_is(&volume, "available").await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_has_its_volume() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = bootable(&cloud, &demo).await;
    let wanted = wanted(&cloud, &volume).await;
    let server = cloud.boot_with(&demo, wanted).await;
    let path = format!("{}/{volume}", demo.volumes());
    let shown = demo.get(&path).await.expect(200);
    assert_ne!(shown["volume"]["status"], "available");
    server.reaches("ACTIVE").await;
    // By the attachment of the request, and no other.
    let all = attachments(&cloud, &volume).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].instance.as_ref(), Some(&server.id));
    server.delete().await.vanishes().await;
    demo.volume_is(&volume, "available").await;
    cloud.audit().await;
}

async fn attachments(cloud: &TestCloud, volume: &str) -> Vec<cinder::Attachment> {
    let running = cloud.cloud();
    let found = running.session.with(|token| async move {
        cinder::attachments(&running.volume, &token, None, Some(volume)).await
    });
    found.await.expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_after_all_gives_its_volume_back() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let volume = bootable(&cloud, &demo).await;
    let server = wanted(&cloud, &volume).await;
    let path = format!("/os-quota-sets/{}", demo.project_id);
    let none = json!({"quota_set": {"instances": 0}});
    admin
        .compute("latest", Method::PUT, &path, Some(&none))
        .await
        .expect(200);
    let said = ask(&demo, &server).await.fault(403);
    assert!(said.contains("Quota exceeded for instances"), "{said}");
    demo.volume_is(&volume, "available").await;
    assert!(attachments(&cloud, &volume).await.is_empty());
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_finds_no_host_keeps_no_volume() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let volume = bootable(&cloud, &demo).await;
    let path = format!("/os-quota-sets/{}", demo.project_id);
    let any = json!({"quota_set": {"ram": -1}});
    admin
        .compute("latest", Method::PUT, &path, Some(&any))
        .await
        .expect(200);
    let flavor =
        json!({"flavor": {"id": "huge", "name": "huge", "ram": 1 << 30, "vcpus": 1, "disk": 1}});
    admin
        .compute("latest", Method::POST, "/flavors", Some(&flavor))
        .await
        .expect(200);
    let mut server = wanted(&cloud, &volume).await;
    server["flavorRef"] = json!("huge");
    let server = cloud.boot_with(&demo, server).await;
    server.fails().await;
    demo.volume_is(&volume, "available").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_before_it_is_built_a_server_gives_its_volume_back() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = bootable(&cloud, &demo).await;
    let wanted = wanted(&cloud, &volume).await;
    for _ in 0..5 {
        let server = cloud.boot_with(&demo, wanted.clone()).await;
        server.delete().await.vanishes().await;
        demo.volume_is(&volume, "available").await;
    }
    cloud.audit().await;
}

/// What the process of a request wrote into the journal that died before the server was written.
async fn held(cloud: &TestCloud, server_id: &str, left: TimeDelta) -> WorkflowId {
    let state = HoldVolumes {
        server_id: server_id.to_owned(),
        asked: Asked::default(),
        until: Utc::now() + left,
    };
    let kind = (HOLD_VOLUMES, HOLD_VOLUMES_VERSION);
    let journal = cloud.cloud().db.write();
    let begun = workflow::insert(journal, kind, server_id, &state).await;
    begun.expect("a row")
}

/// As when the commit that wrote the server was not answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_counts_as_failed_takes_no_volume_from_a_server_that_is_there() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = bootable(&cloud, &demo).await;
    let wanted = wanted(&cloud, &volume).await;
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    let hold = held(&cloud, &server.id, TimeDelta::seconds(-1)).await;
    let journal = &cloud.cloud().db;
    until("the hold ends", async || {
        let record = workflow::get(journal.read(), hold).await;
        let record = record.expect("a journal").expect("a row");
        (record.status == Status::Done).then_some(())
    })
    .await;
    demo.volume_is(&volume, "in-use").await;
    assert_eq!(attachments(&cloud, &volume).await.len(), 1);
    server.delete().await.vanishes().await;
    demo.volume_is(&volume, "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_reserved_that_died_or_failed_is_given_back_and_not_before() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = demo.volume(json!({"size": 1})).await;
    let reserve = async || {
        let server = uuid::Uuid::new_v4().to_string();
        let volumes = &cloud.cloud().volume;
        let reserved = cinder::reserve(volumes, &demo.token, &volume, &server).await;
        reserved.expect("reserved");
        demo.volume_is(&volume, "reserved").await;
        server
    };
    let server = reserve().await;
    held(&cloud, &server, TimeDelta::seconds(-1)).await;
    demo.volume_is(&volume, "available").await;

    let server = reserve().await;
    let hold = held(&cloud, &server, TimeDelta::hours(1)).await;
    let journal = &cloud.cloud().db;
    until("somebody looked after it", async || {
        let record = workflow::get(journal.read(), hold)
            .await
            .expect("a journal");
        (record.expect("a row").attempts > 0).then_some(())
    })
    .await;
    demo.volume_is(&volume, "reserved").await;
    let said = workflow::signal(journal.write(), hold, REQUEST_FAILED, &()).await;
    assert!(said.expect("said"));
    demo.volume_is(&volume, "available").await;

    // Turned round when there is no server, as one that was deleted soon.
    let server = reserve().await;
    let hold = held(&cloud, &server, TimeDelta::hours(1)).await;
    let turned = workflow::request_cancel_of(journal.write(), hold).await;
    turned.expect("asked");
    demo.volume_is(&volume, "available").await;
    cloud.audit().await;
}
