//! Volumes that servers get and lose while they live.

mod aside;
mod larger;
mod late;
mod shared;
mod update;

use http::Method;
use hypervisor::Driver;
use hypervisor_fake::{Faults, Verb};
use serde_json::{Value, json};
use testing::{Answer, Server, TestCloud, User, until};

const NOTHING: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// A cloud with a running server.
async fn running() -> (TestCloud, Server) {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    (cloud, server)
}

/// A volume of 1 GiB that is there.
async fn volume(user: &User) -> String {
    user.volume(json!({"size": 1})).await
}

async fn attach_at(server: &Server, version: &str, wanted: Value) -> Answer {
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let body = json!({"volumeAttachment": wanted});
    let user = &server.user;
    user.compute(version, Method::POST, &path, Some(&body))
        .await
}

async fn attach(server: &Server, volume: &str) -> Value {
    let answer = attach_at(server, "2.100", json!({"volumeId": volume})).await;
    answer.expect(200)["volumeAttachment"].take()
}

async fn detach(server: &Server, volume: &str) -> Answer {
    let path = format!("/servers/{}/os-volume_attachments/{volume}", server.id);
    let user = &server.user;
    user.compute("latest", Method::DELETE, &path, None).await
}

async fn listed(server: &Server, version: &str) -> Vec<Value> {
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let answer = server.user.compute(version, Method::GET, &path, None).await;
    let mut body = answer.expect(200);
    let list = body["volumeAttachments"].as_array_mut().expect("a list");
    std::mem::take(list)
}

/// The volumes that the guest has, in order.
async fn of_guest(cloud: &TestCloud, server: &Server) -> Vec<String> {
    let volumes = cloud.kept(server).await.volumes;
    volumes.into_iter().map(|volume| volume.id).collect()
}

/// Waits until nothing is left of an attachment.
async fn free(cloud: &TestCloud, server: &Server, volume: &str) {
    server.user.volume_is(volume, "available").await;
    until("the server has no volume", || async {
        (listed(server, "latest").await.is_empty()).then_some(())
    })
    .await;
    assert!(of_guest(cloud, server).await.is_empty());
}

async fn last_action(cloud: &TestCloud, server: &Server) -> Value {
    server.last_action(&cloud.admin().await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_a_volume_and_loses_it() {
    let (cloud, server) = running().await;
    let id = volume(&server.user).await;
    let wanted = json!({"volumeId": id, "tag": "data", "device": "/dev/vdx"});
    let answer = attach_at(&server, "2.100", wanted).await.expect(200);
    let made = &answer["volumeAttachment"];
    assert_eq!(
        *made,
        json!({
            "id": id, "volumeId": id, "serverId": server.id, "device": "/dev/vdb",
            "tag": "data", "delete_on_termination": false,
        })
    );
    let shown = server.user.volume_is(&id, "in-use").await;
    let attachment = &shown["attachments"][0];
    assert_eq!(attachment["server_id"], server.id.as_str());
    assert_eq!(attachment["device"], "/dev/vdb");
    assert_eq!(of_guest(&cloud, &server).await, [id.as_str()]);
    let spec = cloud.kept(&server).await;
    let path = spec.volumes[0].source.file().expect("a file");
    assert_eq!(path.metadata().expect("a file").len(), 1 << 30);
    until("the event", || async {
        let action = last_action(&cloud, &server).await;
        let event = &action["events"][0];
        (action["action"] == "attach_volume"
            && event["event"] == "compute_attach_volume"
            && event["result"] == "Success")
            .then_some(())
    })
    .await;

    // How it is shown, by version.
    let newest = &listed(&server, "latest").await[0];
    assert_eq!(newest["attachment_id"], attachment["attachment_id"]);
    assert!(newest["bdm_uuid"].is_string() && newest.get("id").is_none());
    let oldest = &listed(&server, "2.1").await[0];
    let plain = json!({"id": id, "volumeId": id, "serverId": server.id, "device": "/dev/vdb"});
    assert_eq!(*oldest, plain);
    let path = format!("/servers/{}/os-volume_attachments/{id}", server.id);
    let one = server.user.compute("2.1", Method::GET, &path, None).await;
    assert_eq!(one.expect(200)["volumeAttachment"], plain);
    let of_server = server.show().await["os-extended-volumes:volumes_attached"].take();
    assert_eq!(
        of_server,
        json!([{"id": id, "delete_on_termination": false}])
    );

    // The guest keeps it over a stop and a start.
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    assert_eq!(of_guest(&cloud, &server).await, [id.as_str()]);

    detach(&server, &id).await.expect(202);
    free(&cloud, &server, &id).await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_of_the_newest_version_is_accepted_and_not_waited_for() {
    let (cloud, server) = running().await;
    let id = volume(&server.user).await;
    let answer = attach_at(&server, "2.101", json!({"volumeId": id})).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
    server.user.volume_is(&id, "in-use").await;
    // Stopped servers get and lose volumes too.
    server.stop().await.reaches("SHUTOFF").await;
    detach(&server, &id).await.expect(202);
    free(&cloud, &server, &id).await;
    assert_eq!(attach(&server, &id).await["device"], "/dev/vdb");
    server.user.volume_is(&id, "in-use").await;
    server.start().await.reaches("ACTIVE").await;
    assert_eq!(of_guest(&cloud, &server).await, [id.as_str()]);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_server_gives_its_volumes_back_or_takes_them_along() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let (kept, going) = (volume(demo).await, volume(demo).await);
    attach(&server, &kept).await;
    let wanted = json!({"volumeId": going, "delete_on_termination": true});
    let made = attach_at(&server, "2.79", wanted).await.expect(200);
    assert_eq!(made["volumeAttachment"]["device"], "/dev/vdc");
    demo.volume_is(&kept, "in-use").await;
    demo.volume_is(&going, "in-use").await;
    server.delete().await.vanishes().await;
    demo.volume_is(&kept, "available").await;
    until("the other volume is gone", || async {
        let shown = demo.get(&format!("{}/{going}", demo.volumes())).await;
        (shown.status == 404).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_attached_or_detached_is_refused_and_nothing_changes() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let other = cloud.boot(demo, "two").await;
    other.reaches("ACTIVE").await;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    for taken in [&server, &other] {
        let refused = attach_at(taken, "latest", json!({"volumeId": id})).await;
        assert!(refused.fault(400).starts_with("Invalid volume"));
    }
    let missing = attach_at(&server, "latest", json!({"volumeId": NOTHING})).await;
    assert_eq!(
        missing.fault(404),
        format!("Volume {NOTHING} could not be found.")
    );
    for wrong in [
        json!({"volumeId": "x"}),
        json!({}),
        json!({"volumeId": id, "device": "/dev/../vdb"}),
        json!({"volumeId": id, "tag": "a,b"}),
    ] {
        attach_at(&server, "latest", wrong).await.fault(400);
    }
    attach_at(&server, "2.48", json!({"volumeId": id, "tag": "x"}))
        .await
        .fault(400);
    // Somebody else's volume is no volume.
    let stranger = cloud.stranger("eve").await;
    let theirs = volume(&stranger).await;
    attach_at(&server, "latest", json!({"volumeId": theirs}))
        .await
        .fault(404);

    let why = detach(&server, NOTHING).await.fault(404);
    assert!(why.contains("is not attached to volume"), "{why}");
    detach(&other, &id).await.fault(404);
    let lock = json!({"lock": null});
    server.action(lock).await.expect(202);
    detach(&server, &id).await.fault(409);
    let fresh = volume(demo).await;
    attach_at(&server, "latest", json!({"volumeId": fresh}))
        .await
        .fault(409);
    server.action(json!({"unlock": null})).await.expect(202);
    server.action(json!({"suspend": null})).await.expect(202);
    server.reaches("SUSPENDED").await;
    detach(&server, &id).await.fault(409);
    server.action(json!({"resume": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    // The volume service lets nobody take the volume from under the server.
    let attachment = listed(&server, "latest").await[0]["attachment_id"].take();
    let path = format!(
        "/volume/v3/{}/attachments/{}",
        demo.project_id,
        attachment.as_str().expect("an id")
    );
    let refused = demo
        .send(
            Method::DELETE,
            &path,
            &[("openstack-api-version", "volume 3.44")],
            None,
        )
        .await;
    refused.fault(409);
    assert_eq!(of_guest(&cloud, &server).await, [id.as_str()]);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_that_fails_on_the_host_leaves_the_volume_usable() {
    let (cloud, server) = running().await;
    let id = volume(&server.user).await;
    let faults = Faults {
        fail_attach_volume_of: Some("one".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    attach(&server, &id).await;
    free(&cloud, &server, &id).await;
    until("the failure is told", || async {
        let action = last_action(&cloud, &server).await;
        let event = &action["events"][0];
        (event["result"] == "Error").then_some(())
    })
    .await;
    cloud.set_faults(&Faults::default());
    attach(&server, &id).await;
    server.user.volume_is(&id, "in-use").await;

    // A guest that does not let go keeps its volume, and can be asked again.
    let faults = Faults {
        keep_volume_of: Some("one".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    detach(&server, &id).await.expect(202);
    until("the failure is told", || async {
        let action = last_action(&cloud, &server).await;
        (action["action"] == "detach_volume" && action["events"][0]["result"] == "Error")
            .then_some(())
    })
    .await;
    server.user.volume_is(&id, "in-use").await;
    assert_eq!(of_guest(&cloud, &server).await, [id.as_str()]);
    cloud.set_faults(&Faults::default());
    detach(&server, &id).await.expect(202);
    free(&cloud, &server, &id).await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attachments_of_one_volume_one_wins() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let second = cloud.boot(demo, "two").await;
    second.reaches("ACTIVE").await;
    let id = volume(demo).await;
    let wanted = json!({"volumeId": id});
    let all = futures::future::join_all((0..6).map(|number| {
        let server = if number % 2 == 0 { &server } else { &second };
        attach_at(server, "2.60", wanted.clone())
    }))
    .await;
    let won = all.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(
        won,
        1,
        "{:?}",
        all.iter().map(|one| &one.text).collect::<Vec<_>>()
    );
    for lost in all.into_iter().filter(|answer| answer.status != 200) {
        lost.fault(400);
    }
    demo.volume_is(&id, "in-use").await;
    until("one server has it", || async {
        let (first, other) = (
            listed(&server, "latest").await,
            listed(&second, "latest").await,
        );
        (first.len() + other.len() == 1).then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_in_the_middle_of_an_attachment_a_server_leaves_the_volume_free() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    for round in 0..4_u64 {
        let server = cloud.boot(&demo, "short").await;
        server.reaches("ACTIVE").await;
        let id = volume(&demo).await;
        let wanted = json!({"volumeId": id});
        attach_at(&server, "2.101", wanted).await.expect(202);
        tokio::time::sleep(std::time::Duration::from_millis(round * 7)).await;
        server.delete().await.vanishes().await;
        demo.volume_is(&id, "available").await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_guest_keeps_a_volume_a_server_goes_all_the_same() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let id = volume(demo).await;
    let faults = Faults {
        keep_volume_of: Some("one".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    detach(&server, &id).await.expect(202);
    // From the answer on, not a moment later.
    let path = format!("{}/{id}", demo.volumes());
    let shown = demo.get(&path).await.expect(200);
    assert_eq!(shown["volume"]["status"], "detaching");
    let again = detach(&server, &id).await.fault(400);
    assert!(
        again.starts_with("Invalid volume: Unable to detach"),
        "{again}"
    );
    server.delete().await.vanishes().await;
    demo.volume_is(&id, "available").await;
    cloud.audit().await;
}

/// Changes of devices are made one after the other; that this one is to come is seen at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_shown_as_detaching_while_another_change_is_made_before() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let (first, second) = (volume(demo).await, volume(demo).await);
    attach(&server, &first).await;
    demo.volume_is(&first, "in-use").await;
    hold_attachments(&cloud);
    let wanted = json!({"volumeId": second});
    attach_at(&server, "2.101", wanted).await.expect(202);
    let (one, two) = tokio::join!(detach(&server, &first), detach(&server, &first));
    let mut codes = [one.status.as_u16(), two.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [202, 400], "one of two takes it");
    let path = format!("{}/{first}", demo.volumes());
    let shown = demo.get(&path).await.expect(200);
    assert_eq!(shown["volume"]["status"], "detaching");
    cloud.set_faults(&Faults::default());
    demo.volume_is(&second, "in-use").await;
    demo.volume_is(&first, "available").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

/// The host stands still where it is to plug a volume, until it is told otherwise.
fn hold_attachments(cloud: &TestCloud) {
    cloud.set_faults(&Faults {
        hold_calls: vec![Verb::AttachVolume],
        ..Faults::default()
    });
}

/// A cloud with a running server whose host takes this long for each change of a device.
async fn slow() -> (TestCloud, Server) {
    let cloud = TestCloud::changed("", |config| config.fake.latencies.other_ms = 2000).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    (cloud, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_it_gets_a_volume_that_its_guest_keeps_a_server_goes_all_the_same() {
    let (cloud, server) = slow().await;
    let demo = &server.user;
    let id = volume(demo).await;
    let faults = Faults {
        keep_volume_of: Some("one".to_owned()),
        ..Faults::default()
    };
    cloud.set_faults(&faults);
    let wanted = json!({"volumeId": id});
    attach_at(&server, "2.101", wanted).await.expect(202);
    // From here on the host is told to plug it.
    demo.volume_is(&id, "attaching").await;
    server.delete().await.vanishes().await;
    demo.volume_is(&id, "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_changes_of_devices_wait_than_a_server_can_want() {
    let (cloud, server) = slow().await;
    let demo = &server.user;
    let admin = cloud.admin().await;
    let quota = format!(
        "/volume/v3/{}/os-quota-sets/{}",
        admin.project_id, demo.project_id
    );
    let body = json!({"quota_set": {"volumes": -1}});
    admin.put(&quota, &body).await.expect(200);
    let mut refused = None;
    for _ in 0..20 {
        let id = volume(demo).await;
        let answer = attach_at(&server, "2.101", json!({"volumeId": id})).await;
        if answer.status != 202 {
            refused = Some(answer.fault(409));
            break;
        }
    }
    let why = refused.expect("one too many");
    assert!(why.contains("under way"), "{why}");
    server.delete().await.vanishes().await;
    for volume in demo.all_volumes().await {
        let id = volume["id"].as_str().expect("an id");
        demo.volume_is(id, "available").await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_lost_its_guest_gives_the_volume_back() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let id = volume(demo).await;
    attach(&server, &id).await;
    demo.volume_is(&id, "in-use").await;
    let facts = cloud.host(0).inspect(&server.id).await.expect("a driver");
    let epoch = facts.expect("a guest").epoch;
    let gone = cloud
        .host(0)
        .ensure_gone(&server.id, epoch, hypervisor::Keep::Nothing);
    gone.await.expect("gone");
    detach(&server, &id).await.expect(202);
    demo.volume_is(&id, "available").await;
    until("the server has no volume", || async {
        (listed(&server, "latest").await.is_empty()).then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

/// Each is accepted, so each is done, as Nova does them one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn changes_wait_for_a_stop_that_takes_long() {
    let cloud = TestCloud::changed("", |config| {
        config.fake.latencies.stop_ms = 4000;
        config.fake.latencies.other_ms = 500;
    })
    .await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let (first, second) = (volume(&demo).await, volume(&demo).await);
    attach(&server, &first).await;
    demo.volume_is(&first, "in-use").await;
    let wanted = json!({"volumeId": second});
    attach_at(&server, "2.101", wanted).await.expect(202);
    detach(&server, &first).await.expect(202);
    server.stop().await.reaches("SHUTOFF").await;
    demo.volume_is(&first, "available").await;
    demo.volume_is(&second, "in-use").await;
    let path = format!("/servers/{}/os-instance-actions", server.id);
    let list = admin.compute("latest", Method::GET, &path, None).await;
    let list = list.expect(200);
    let all = list["instanceActions"].as_array().expect("a list").iter();
    let failed: Vec<_> = all.filter(|one| one["message"] != Value::Null).collect();
    assert!(failed.is_empty(), "{failed:?}");
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_the_middle_of_changes_gives_the_guest_what_its_record_says_in_the_end() {
    let cloud = TestCloud::changed("[fake]\nstart_ms = 1000\n", |config| {
        config.fake.latencies.other_ms = 500;
    })
    .await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let (first, second) = (volume(&demo).await, volume(&demo).await);
    attach(&server, &first).await;
    demo.volume_is(&first, "in-use").await;
    server.stop().await.reaches("SHUTOFF").await;
    let wanted = json!({"volumeId": second});
    attach_at(&server, "2.101", wanted).await.expect(202);
    detach(&server, &first).await.expect(202);
    server.start().await.reaches("ACTIVE").await;
    demo.volume_is(&first, "available").await;
    demo.volume_is(&second, "in-use").await;
    assert_eq!(of_guest(&cloud, &server).await, [second.as_str()]);

    // Another size starts the guest, too.
    let large =
        json!({"flavor": {"id": "large", "name": "large", "vcpus": 2, "ram": 128, "disk": 2}});
    let admin = cloud.admin().await;
    admin
        .post("/compute/v2.1/flavors", &large)
        .await
        .expect(200);
    let third = volume(&demo).await;
    let wanted = json!({"volumeId": third});
    attach_at(&server, "2.101", wanted).await.expect(202);
    detach(&server, &second).await.expect(202);
    let resize = json!({"resize": {"flavorRef": "large"}});
    server.action(resize).await.expect(202);
    server.reaches("VERIFY_RESIZE").await;
    demo.volume_is(&second, "available").await;
    demo.volume_is(&third, "in-use").await;
    assert_eq!(of_guest(&cloud, &server).await, [third.as_str()]);
    cloud.audit().await;
}
