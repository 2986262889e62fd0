//! What the type of a volume says to hosts: several servers may have it, and how much each may read and write.

use hypervisor::{Rates, Volume};
use hypervisor_fake::Faults;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

use super::{attach_at, free, last_action, listed, of_guest, running};

/// A volume of 2 GiB of a new type, and the type.
async fn volume_of(cloud: &TestCloud, demo: &User, kind: Value) -> (String, String) {
    let admin = cloud.admin().await;
    let path = format!("/volume/v3/{}/types", admin.project_id);
    let made = admin.post(&path, &json!({ "volume_type": kind })).await;
    let kind = made.expect(200)["volume_type"]["id"].take();
    let kind = kind.as_str().expect("an id").to_owned();
    let volume = demo.volume(json!({"size": 2, "volume_type": kind})).await;
    (volume, kind)
}

async fn has(cloud: &TestCloud, server: &Server) -> Volume {
    let mut spec = cloud.kept(server).await;
    spec.volumes.pop().expect("a volume")
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_host_share_a_volume_of_such_a_type() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let kind = json!({"name": "shared", "extra_specs": {"multiattach": "<is> True"}});
    let (id, _) = volume_of(&cloud, demo, kind).await;
    let why = attach_at(&server, "2.59", json!({"volumeId": id})).await;
    assert!(why.fault(400).contains("2.60"));
    attach_at(&server, "2.60", json!({"volumeId": id}))
        .await
        .expect(200);
    demo.volume_is(&id, "in-use").await;
    let second = cloud.boot(demo, "two").await;
    second.reaches("ACTIVE").await;
    attach_at(&second, "2.101", json!({"volumeId": id}))
        .await
        .expect(202);
    until("the second server gets it too", || async {
        let all = demo.volume_is(&id, "in-use").await["attachments"].take();
        (all.as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    until("its guest has it", || async {
        (of_guest(&cloud, &second).await == [id.as_str()]).then_some(())
    })
    .await;
    for one in [&server, &second] {
        assert!(has(&cloud, one).await.shared);
        assert_eq!(listed(one, "latest").await.len(), 1);
    }
    cloud.audit().await;

    // The one gives it back, the other keeps it.
    server.delete().await;
    server.vanishes().await;
    let left = demo.volume_is(&id, "in-use").await["attachments"].take();
    assert_eq!(left[0]["server_id"], second.id.as_str());
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(of_guest(&cloud, &second).await, [id.as_str()]);
    super::detach(&second, &id).await.expect(202);
    free(&cloud, &second, &id).await;
    cloud.audit().await;
}

/// While it is shown as `detaching`, nobody else takes it, as with Nova; then it is the other server's, and stays that.
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_volume_is_taken_from_one_server_at_a_time() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let kind = json!({"name": "shared", "extra_specs": {"multiattach": "<is> True"}});
    let (id, _) = volume_of(&cloud, demo, kind).await;
    let second = cloud.boot(demo, "two").await;
    second.reaches("ACTIVE").await;
    let attached = |count: usize| {
        let id = id.clone();
        async move {
            until("the servers that have it", || async {
                let all = demo.volume_is(&id, "in-use").await["attachments"].take();
                (all.as_array().map(Vec::len) == Some(count)).then_some(())
            })
            .await;
        }
    };
    for (one, count) in [(&server, 1), (&second, 2)] {
        attach_at(one, "2.101", json!({"volumeId": id}))
            .await
            .expect(202);
        attached(count).await;
    }
    // What holds the others up.
    super::hold_attachments(&cloud);
    let other = super::volume(demo).await;
    attach_at(&server, "2.101", json!({"volumeId": other}))
        .await
        .expect(202);
    super::detach(&server, &id).await.expect(202);
    for one in [&server, &second] {
        let refused = super::detach(one, &id).await.fault(400);
        assert!(refused.contains("status must be 'in-use'"), "{refused}");
    }
    cloud.set_faults(&Faults::default());
    attached(1).await;
    until("all changes are made", || async {
        let running = workflow_kinds(&cloud, &server).await;
        running.is_empty().then_some(())
    })
    .await;
    attached(1).await;
    super::detach(&second, &id).await.expect(202);
    demo.volume_is(&id, "available").await;
    cloud.audit().await;
}

/// The kinds of what is under way for a server.
async fn workflow_kinds(cloud: &TestCloud, server: &Server) -> Vec<String> {
    let found = workflow::find(cloud.cloud().db.read(), &server.id).await;
    let found = found.expect("the journal").into_iter();
    let running = found.filter(|record| record.status == workflow::Status::Running);
    running.map(|record| record.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_type_are_those_of_its_volumes_in_guests() {
    let (cloud, server) = running().await;
    let (demo, admin) = (&server.user, cloud.admin().await);
    let specs = |name: &str, key: &str| json!({"qos_specs": {"name": name, "consumer": "front-end", key: "30"}});
    let mut volumes = Vec::new();
    for (name, key) in [
        ("fixed", "total_iops_sec"),
        ("growing", "total_iops_sec_per_gb"),
        ("odd", "minIOPS"),
    ] {
        let path = format!("/volume/v3/{}/qos-specs", admin.project_id);
        let made = admin.post(&path, &specs(name, key)).await;
        let qos = made.expect(200)["qos_specs"]["id"].take();
        let qos = qos.as_str().expect("an id");
        let (volume, kind) = volume_of(&cloud, demo, json!({"name": name})).await;
        volumes.push(volume);
        let path = format!("{path}/{qos}/associate?vol_type_id={kind}");
        admin.get(&path).await.expect(202);
    }
    let rates = |total| Rates {
        total,
        ..Rates::default()
    };
    for (volume, limit) in volumes.iter().zip([30, 60]) {
        attach_at(&server, "2.60", json!({"volumeId": volume}))
            .await
            .expect(200);
        demo.volume_is(volume, "in-use").await;
        let limits = has(&cloud, &server).await.limits;
        assert_eq!(limits.rates.operations, rates(limit));
    }
    // What no host enforces is refused, and told.
    attach_at(&server, "2.101", json!({"volumeId": volumes[2]}))
        .await
        .expect(202);
    until("it is refused", || async {
        let action = last_action(&cloud, &server).await;
        (action["events"][0]["result"] == "Error").then_some(())
    })
    .await;
    demo.volume_is(&volumes[2], "available").await;
    assert_eq!(of_guest(&cloud, &server).await.len(), 2);
    cloud.audit().await;
}
