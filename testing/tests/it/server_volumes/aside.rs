//! Volumes that come and go while a server is put aside, or has a size that is not confirmed.

use super::*;

async fn shelve(server: &Server) -> &Server {
    server.action(json!({"shelve": null})).await.expect(202);
    server
}

async fn unshelve(server: &Server) -> &Server {
    server.action(json!({"unshelve": null})).await.expect(202);
    server
}

/// The ids of the volumes of its record.
async fn recorded(server: &Server) -> Vec<String> {
    let volumes = listed(server, "latest").await;
    let id = |volume: &Value| volume["volumeId"].as_str().expect("an id").to_owned();
    volumes.iter().map(id).collect()
}

/// Waits until an operation on volumes left the record with these.
async fn has(server: &Server, ids: &[&str]) {
    until(&format!("the server has {ids:?}"), || async {
        (recorded(server).await == ids).then_some(())
    })
    .await;
}

/// How an attempt at a change of devices ended.
async fn ended(cloud: &TestCloud, server: &Server, action: &str, result: &str) {
    until(&format!("{action} ends in {result}"), || async {
        let last = last_action(cloud, server).await;
        (last["action"] == action && last["events"][0]["result"] == result).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_no_host_gets_and_loses_volumes_and_has_them_when_it_comes_back() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    let (old, new, kept) = (volume(demo).await, volume(demo).await, volume(demo).await);
    attach(&server, &old).await;
    demo.volume_is(&old, "in-use").await;
    attach(&server, &kept).await;
    demo.volume_is(&kept, "in-use").await;
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    demo.volume_is(&old, "reserved").await;

    let made = attach(&server, &new).await;
    assert_eq!(made["device"], "/dev/vdd");
    let shown = demo.volume_is(&new, "in-use").await;
    let attachment = &shown["attachments"][0];
    assert_eq!(attachment["server_id"], server.id.as_str());
    assert!(attachment["host_name"].is_null(), "{attachment}");
    ended(&cloud, &server, "attach_volume", "Success").await;
    has(&server, &[&old, &kept, &new]).await;
    let again = attach_at(&server, "latest", json!({"volumeId": new})).await;
    assert!(again.fault(400).contains("already attached"));

    detach(&server, &old).await.expect(202);
    demo.volume_is(&old, "available").await;
    has(&server, &[&kept, &new]).await;
    ended(&cloud, &server, "detach_volume", "Success").await;

    unshelve(&server).await.reaches("ACTIVE").await;
    assert_eq!(
        of_guest(&cloud, &server).await,
        [kept.as_str(), new.as_str()]
    );
    for id in [&kept, &new] {
        demo.volume_is(id, "in-use").await;
        detach(&server, id).await.expect(202);
        demo.volume_is(id, "available").await;
    }
    free(&cloud, &server, &new).await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_that_a_server_got_on_no_host_are_given_back_or_go_with_it() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    let (kept, going, lost) = (volume(demo).await, volume(demo).await, volume(demo).await);
    attach(&server, &kept).await;
    let wanted = json!({"volumeId": going, "delete_on_termination": true});
    attach_at(&server, "2.79", wanted).await.expect(200);
    let wanted = json!({"volumeId": lost, "delete_on_termination": true});
    attach_at(&server, "2.79", wanted).await.expect(200);
    for id in [&kept, &going, &lost] {
        demo.volume_is(id, "in-use").await;
    }
    // Only the end of its server takes a volume along.
    detach(&server, &lost).await.expect(202);
    demo.volume_is(&lost, "available").await;
    has(&server, &[&kept, &going]).await;
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
async fn what_a_server_on_no_host_cannot_get_is_refused() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    let id = volume(demo).await;
    let wrong = |word: &str| {
        let id = &server.id;
        format!("Cannot '{word}' instance {id} while it is in vm_state shelved_offloaded")
    };
    // Clients of before do not know of such volumes.
    let old = attach_at(&server, "2.19", json!({"volumeId": id})).await;
    assert_eq!(old.fault(409), wrong("attach_volume"));
    attach_at(&server, "2.20", json!({"volumeId": id}))
        .await
        .expect(200);
    demo.volume_is(&id, "in-use").await;
    let path = format!("/servers/{}/os-volume_attachments/{id}", server.id);
    let old = demo.compute("2.19", Method::DELETE, &path, None).await;
    assert_eq!(old.fault(409), wrong("detach_volume"));
    // What only a host could promise.
    let fresh = volume(demo).await;
    let tagged = json!({"volumeId": fresh, "tag": "data"});
    assert_eq!(
        attach_at(&server, "latest", tagged).await.fault(400),
        "Tagged volume attachment is not supported for shelved-offloaded instances."
    );
    let admin = cloud.admin().await;
    let types = format!("/volume/v3/{}/types", admin.project_id);
    let kind =
        json!({"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}});
    admin.post(&types, &kind).await.expect(200);
    let shared = demo
        .volume(json!({"size": 1, "volume_type": "shared"}))
        .await;
    assert_eq!(
        attach_at(&server, "latest", json!({"volumeId": shared}))
            .await
            .fault(400),
        "Attaching multiattach volumes is not supported for shelved-offloaded instances."
    );
    // Cards need a host, also those that go.
    for method in [Method::POST, Method::DELETE] {
        let network = json!({"interfaceAttachment": {"net_id": NOTHING}});
        let (path, body, word) = match method {
            Method::POST => (
                "os-interface".to_owned(),
                Some(&network),
                "attach_interface",
            ),
            _ => (format!("os-interface/{NOTHING}"), None, "detach_interface"),
        };
        let path = format!("/servers/{}/{path}", server.id);
        let refused = demo.compute("latest", method, &path, body).await;
        assert_eq!(refused.fault(409), wrong(word));
    }
    server.action(json!({"lock": null})).await.expect(202);
    detach(&server, &id).await.fault(409);
    server.action(json!({"unlock": null})).await.expect(202);
    assert_eq!(recorded(&server).await, [id.as_str()]);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_shelved_on_its_host_gets_and_loses_volumes() {
    let cloud = TestCloud::with("[DEFAULT]\nshelved_offload_time = -1\n").await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let (first, second) = (volume(&demo).await, volume(&demo).await);
    shelve(&server).await.reaches("SHELVED").await;
    let old = attach_at(&server, "2.19", json!({"volumeId": first})).await;
    assert!(old.fault(409).ends_with("while it is in vm_state shelved"));
    for id in [&first, &second] {
        attach(&server, id).await;
        demo.volume_is(id, "in-use").await;
    }
    detach(&server, &first).await.expect(202);
    demo.volume_is(&first, "available").await;
    has(&server, &[&second]).await;
    unshelve(&server).await.reaches("ACTIVE").await;
    assert_eq!(of_guest(&cloud, &server).await, [second.as_str()]);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_and_loses_volumes_before_it_says_which_size_it_keeps() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    cloud.admin().await.flavor("large", 2).await;
    let resize = json!({"resize": {"flavorRef": "large"}});
    let (first, second) = (volume(demo).await, volume(demo).await);
    attach(&server, &first).await;
    demo.volume_is(&first, "in-use").await;
    for (answer, has_second) in [("revertResize", true), ("confirmResize", false)] {
        server.action(resize.clone()).await.expect(202);
        server.reaches("VERIFY_RESIZE").await;
        let (taken, given) = match has_second {
            true => (&first, &second),
            false => (&second, &first),
        };
        attach(&server, given).await;
        demo.volume_is(given, "in-use").await;
        detach(&server, taken).await.expect(202);
        demo.volume_is(taken, "available").await;
        has(&server, &[given]).await;
        assert_eq!(of_guest(&cloud, &server).await, [given.as_str()]);
        let body = json!({answer: null});
        let accepted = server.action(body).await;
        assert!(accepted.status.is_success(), "{}", accepted.text);
        server.reaches("ACTIVE").await;
        assert_eq!(
            of_guest(&cloud, &server).await,
            [given.as_str()],
            "the size is one thing, its volumes another"
        );
        demo.volume_is(given, "in-use").await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_put_aside_and_comes_back_in_the_middle_of_changes_of_its_volumes() {
    let cloud = TestCloud::changed("", |config| config.fake.latencies.other_ms = 300).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let (first, second) = (volume(&demo).await, volume(&demo).await);
    // What was accepted before it is done before it.
    attach_at(&server, "2.101", json!({"volumeId": first}))
        .await
        .expect(202);
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(recorded(&server).await, [first.as_str()]);
    demo.volume_is(&first, "reserved").await;
    attach_at(&server, "2.101", json!({"volumeId": second}))
        .await
        .expect(202);
    detach(&server, &first).await.expect(202);
    unshelve(&server).await.reaches("ACTIVE").await;
    assert_eq!(of_guest(&cloud, &server).await, [second.as_str()]);
    demo.volume_is(&first, "available").await;
    demo.volume_is(&second, "in-use").await;
    detach(&server, &second).await.expect(202);
    shelve(&server).await.reaches("SHELVED_OFFLOADED").await;
    assert_eq!(recorded(&server).await, Vec::<String>::new());
    demo.volume_is(&second, "available").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
