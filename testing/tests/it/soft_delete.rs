//! Deleted servers that are kept for a while, and come back or go.

use std::sync::Arc;

use compute_conductor::{Conductor, Env, Hearing, Settings};
use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use sql::Database;
use testing::{Server, TestCloud, User, until};

/// Deleted servers are kept for longer than any test.
const KEPT: &str = "[DEFAULT]\nreclaim_instance_interval = 3600\n";

/// A cloud that keeps deleted servers, with a running one.
async fn running() -> (TestCloud, Server) {
    let cloud = TestCloud::with(KEPT).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    (cloud, server)
}

async fn restore(server: &Server) -> &Server {
    server.action(json!({"restore": null})).await.expect(202);
    server
}

async fn force_delete(server: &Server) -> &Server {
    server
        .action(json!({"forceDelete": null}))
        .await
        .expect(202);
    server
}

/// The same server as an operator sees it.
async fn for_operators(cloud: &TestCloud, server: &Server) -> Server {
    server.seen_by(&cloud.admin().await)
}

/// Whether a list of servers, asked for so, has this one.
async fn lists(user: &User, query: &str, server: &Server) -> bool {
    let path = format!("/servers/detail?{query}");
    let answer = user.compute("latest", Method::GET, &path, None).await;
    let list = answer.expect(200);
    let mut servers = list["servers"].as_array().expect("a list").iter();
    servers.any(|one| one["id"] == server.id.as_str())
}

/// The names of its actions, the newest first.
async fn actions(user: &User, server: &Server) -> Vec<String> {
    let path = format!("/servers/{}/os-instance-actions", server.id);
    let answer = user.compute("latest", Method::GET, &path, None).await;
    let list = answer.expect(200);
    let all = list["instanceActions"].as_array().expect("a list").iter();
    let name = |one: &Value| one["action"].as_str().expect("a name").to_owned();
    all.map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_server_is_kept_off_on_its_host_and_comes_back_with_all_that_is_its() {
    let (cloud, server) = running().await;
    let (demo, admin) = (&server.user, cloud.admin().await);
    let volume = demo.volume(json!({"size": 1})).await;
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    demo.compute("2.100", Method::POST, &path, Some(&body))
        .await
        .expect(200);
    demo.volume_is(&volume, "in-use").await;
    // A delete that comes before takes the attachment back.
    until("the attachment is over", || async {
        let action = server.last_action(&admin).await;
        (action["events"][0]["result"] == "Success").then_some(())
    })
    .await;

    server.delete().await;
    let shown = server.reaches("SOFT_DELETED").await;
    assert_eq!(shown["OS-EXT-STS:vm_state"], "soft-delete");
    assert_eq!(shown["OS-EXT-STS:power_state"], 4);
    assert!(cloud.guest(&server).await.is_some());
    assert_eq!(cloud.vcpus_used().await, 1, "its place is kept");
    demo.volume_is(&volume, "in-use").await;
    let action = server.last_action(&admin).await;
    let event = &action["events"][0];
    assert_eq!(
        (&action["action"], &event["event"], &event["result"]),
        (
            &json!("delete"),
            &json!("compute_soft_delete_instance"),
            &json!("Success")
        )
    );
    let limits = demo.compute("2.1", Method::GET, "/limits", None).await;
    let used = limits.expect(200)["limits"]["absolute"]["totalInstancesUsed"].take();
    assert_eq!(used, 0, "it takes nothing of the quota");

    // Nothing but to come back, to go, and to change its volumes.
    let id = &server.id;
    for (body, word) in [
        (json!({"os-start": null}), "start"),
        (json!({"shelve": null}), "shelve"),
        (
            json!({"rebuild": {"imageRef": cloud.image(demo).await}}),
            "rebuild",
        ),
    ] {
        let said = format!("Cannot '{word}' instance {id} while it is in vm_state soft-delete");
        assert_eq!(server.action(body).await.fault(409), said);
    }
    let second = demo.volume(json!({"size": 1})).await;
    let body = json!({"volumeAttachment": {"volumeId": second}});
    demo.compute("2.100", Method::POST, &path, Some(&body))
        .await
        .expect(200);
    demo.volume_is(&second, "in-use").await;
    let gone = format!("{path}/{volume}");
    demo.compute("latest", Method::DELETE, &gone, None)
        .await
        .expect(202);
    demo.volume_is(&volume, "available").await;

    restore(&server).await.reaches("ACTIVE").await;
    let volumes = cloud.kept(&server).await.volumes;
    assert_eq!(
        volumes
            .iter()
            .map(|one| one.id.as_str())
            .collect::<Vec<_>>(),
        [second.as_str()]
    );
    assert_eq!(server.last_action(&admin).await["action"], "restore");
    let again = server.action(json!({"restore": null})).await;
    assert_eq!(
        again.fault(409),
        format!("Cannot 'restore' instance {id} while it is in vm_state active")
    );

    server.delete().await.reaches("SOFT_DELETED").await;
    // Once more puts its end off, and is fine.
    server.delete().await.reaches("SOFT_DELETED").await;
    force_delete(&server).await.vanishes().await;
    demo.volume_is(&second, "available").await;
    assert_eq!(cloud.vcpus_used().await, 0);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_servers_that_are_kept_as_deleted_to_who_asks_for_them_and_may() {
    let (cloud, server) = running().await;
    let (demo, admin) = (&server.user, cloud.admin().await);
    server.delete().await.reaches("SOFT_DELETED").await;
    let project = format!("all_tenants=1&project_id={}", demo.project_id);
    for (query, found) in [
        ("", false),
        ("soft_deleted=1", true),
        ("soft_deleted=0", false),
        ("deleted=1", true),
        ("deleted=1&soft_deleted=0", false),
        ("status=SOFT_DELETED", false),
        ("status=SOFT_DELETED&soft_deleted=True", true),
        ("status=SOFT_DELETED&deleted=True", true),
        ("status=ACTIVE&soft_deleted=1", false),
        ("status=DELETED", false),
        ("changes-since=2020-01-01T00:00:00Z", true),
    ] {
        let all = format!("{project}&{query}");
        assert_eq!(lists(&admin, &all, &server).await, found, "{query}");
    }
    // For owners those filters do not count; they know its id, or ask what changed.
    for (query, found) in [
        ("", false),
        ("soft_deleted=1", false),
        ("deleted=1", false),
        ("status=SOFT_DELETED", false),
        ("changes-since=2020-01-01T00:00:00Z", true),
    ] {
        assert_eq!(lists(demo, query, &server).await, found, "{query}");
    }
    assert_eq!(server.show().await["status"], "SOFT_DELETED");
    restore(&server).await.reaches("ACTIVE").await;
    assert!(lists(demo, "", &server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_back_only_where_the_quota_has_room_for_it_again() {
    let (cloud, server) = running().await;
    let (demo, admin) = (&server.user, cloud.admin().await);
    let path = format!("/os-quota-sets/{}", demo.project_id);
    let body = json!({"quota_set": {"instances": 1}});
    admin
        .compute("latest", Method::PUT, &path, Some(&body))
        .await
        .expect(200);
    server.delete().await.reaches("SOFT_DELETED").await;
    let second = cloud.boot(demo, "two").await;
    second.reaches("ACTIVE").await;
    let why = server.action(json!({"restore": null})).await.fault(403);
    assert_eq!(
        why,
        "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"
    );
    server.reaches("SOFT_DELETED").await;
    second.delete().await.reaches("SOFT_DELETED").await;
    restore(&server).await.reaches("ACTIVE").await;
    cloud.audit().await;
}

/// A second conductor on the cloud's databases.
async fn second_conductor(cloud: &TestCloud, settings: Settings) -> Conductor {
    let running = cloud.cloud();
    let url = cloud.compute_database();
    let db = Database::open(&url).await.expect("the compute database");
    let env = Env {
        db: db.read_only(),
        bus: running.bus.clone(),
        network: running.network.clone(),
        image: running.image.clone(),
        volume: running.volume.clone(),
        session: running.session.clone(),
        settings,
        hearing: Hearing::default(),
    };
    let started = Conductor::start(Arc::new(env), db, None);
    started.await.expect("a conductor")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_kept_long_enough_goes_once_however_many_conductors_look() {
    let interval = std::time::Duration::from_secs(1);
    let cloud = TestCloud::with("[DEFAULT]\nreclaim_instance_interval = 1\n").await;
    let second = second_conductor(
        &cloud,
        Settings {
            host: "second".to_owned(),
            cloud_id: cloud.cloud().membership.cloud_id.clone(),
            reclaim_instance_interval: Some(interval),
            ..Settings::default()
        },
    )
    .await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let mut servers = Vec::new();
    for _ in 0..5 {
        servers.push(cloud.boot(&demo, "short").await);
    }
    for server in &servers {
        server.reaches("ACTIVE").await;
    }
    // An operator's lock does not hold it up.
    let locked = for_operators(&cloud, &servers[0]).await;
    for server in &servers {
        server.delete().await;
    }
    locked.action(json!({"lock": null})).await;
    for server in &servers {
        server.vanishes().await;
        let mut deletes = actions(&admin, server).await;
        deletes.retain(|name| name == "delete");
        assert_eq!(deletes.len(), 2, "its owner's, and the one that followed");
    }
    second.stop(interval).await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_goes_at_once() {
    let (cloud, server) = running().await;
    let demo = &server.user;
    // On no host.
    server.action(json!({"shelve": null})).await.expect(202);
    server.reaches("SHELVED_OFFLOADED").await;
    server.delete().await.vanishes().await;
    // Never started.
    cloud.set_faults(&hypervisor_fake::Faults {
        fail_start_of: Some("broken".to_owned()),
        ..Default::default()
    });
    let broken = cloud.boot(demo, "broken").await;
    broken.fails().await;
    broken.delete().await.vanishes().await;
    // On a host that is down.
    let server = cloud.boot(demo, "two").await;
    server.reaches("ACTIVE").await;
    let operators = for_operators(&cloud, &server).await;
    let host = operators.show().await["OS-EXT-SRV-ATTR:host"].take();
    for down in [true, false] {
        let body = json!({"host": host, "binary": "nova-compute", "forced_down": down});
        let path = "/os-services/force-down";
        let user = &operators.user;
        let declared = user.compute("2.11", Method::PUT, path, Some(&body)).await;
        declared.expect(200);
        if down {
            server.delete().await.vanishes().await;
        }
    }
    until("its host lets it go", || async {
        cloud.guest(&server).await.is_none().then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_every_state_a_deleted_server_comes_back_running() {
    let cloud = TestCloud::with(&format!("{KEPT}shelved_offload_time = -1\n")).await;
    let demo = cloud.demo().await;
    cloud.admin().await.flavor("large", 2).await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    let operators = for_operators(&cloud, &server).await;
    for (body, status) in [
        (json!({"pause": null}), "PAUSED"),
        (json!({"suspend": null}), "SUSPENDED"),
        (json!({"os-stop": null}), "SHUTOFF"),
        (json!({"rescue": null}), "RESCUE"),
        (json!({"shelve": null}), "SHELVED"),
        (json!({"resize": {"flavorRef": "large"}}), "VERIFY_RESIZE"),
        (json!({"os-resetState": {"state": "error"}}), "ERROR"),
    ] {
        let who = if status == "ERROR" {
            &operators
        } else {
            &server
        };
        let asked = who.action(body).await;
        assert!(asked.status.is_success(), "{status}: {}", asked.text);
        if status == "ERROR" {
            until("in error", || async {
                (server.show().await["status"] == "ERROR").then_some(())
            })
            .await;
        } else {
            server.reaches(status).await;
        }
        server.delete().await;
        until("deleted and kept", || async {
            (server.show().await["status"] == "SOFT_DELETED").then_some(())
        })
        .await;
        let path = format!("/image/v2/images?instance_uuid={}", server.id);
        until("no image is left of a shelved one", || async {
            let images = demo.get(&path).await.expect(200)["images"].take();
            images.as_array().expect("a list").is_empty().then_some(())
        })
        .await;
        restore(&server).await;
        let shown = server.reaches("ACTIVE").await;
        assert_eq!(shown["OS-EXT-STS:power_state"], 1, "{status}");
        assert!(cloud.kept(&server).await.rescue.is_none());
        assert_eq!(cloud.vcpus_used().await, 1, "{status}");
    }
    assert_eq!(server.show().await["flavor"]["original_name"], "large");
    force_delete(&server).await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_interrupts_what_is_under_way_and_is_interrupted_for_good() {
    let cloud = TestCloud::changed(KEPT, |config| {
        config.fake.latencies.stop_ms = 600;
        config.fake.latencies.start_ms = 300;
    })
    .await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    for body in [json!({"suspend": null}), json!({"rescue": null})] {
        let asked = server.action(body).await;
        assert!(asked.status.is_success(), "{}", asked.text);
        server.delete().await;
        assert_eq!(
            server.show().await["OS-EXT-STS:task_state"],
            "soft-deleting"
        );
        // Asked again meanwhile, it is fine.
        server.delete().await.reaches("SOFT_DELETED").await;
        restore(&server).await.reaches("ACTIVE").await;
    }
    server.delete().await;
    force_delete(&server).await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_leaving_its_host_goes_at_once() {
    let cloud = TestCloud::changed(KEPT, |config| config.fake.latencies.gone_ms = 1500).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    server.action(json!({"shelve": null})).await.expect(202);
    until("it leaves its host", || async {
        let task = server.show().await["OS-EXT-STS:task_state"].take();
        (task == "shelving_offloading").then_some(())
    })
    .await;
    server.delete().await;
    assert_eq!(server.show().await["OS-EXT-STS:task_state"], "deleting");
    server.vanishes().await;
    let path = format!("/image/v2/images?instance_uuid={}", server.id);
    assert_eq!(demo.get(&path).await.expect(200)["images"], json!([]));
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_the_middle_of_a_resize_keeps_one_size_when_it_is_deleted() {
    let cloud = TestCloud::changed(KEPT, |config| {
        config.fake.latencies.stop_ms = 200;
        config.fake.latencies.other_ms = 200;
    })
    .await;
    let demo = cloud.demo().await;
    cloud.admin().await.flavor("large", 2).await;
    let server = cloud.boot(&demo, "one").await;
    server.reaches("ACTIVE").await;
    for (wait, flavor) in [(0, "tiny"), (200, "tiny"), (450, "tiny")] {
        let resize = json!({"resize": {"flavorRef": "large"}});
        server.action(resize).await.expect(202);
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        server.delete().await.reaches("SOFT_DELETED").await;
        restore(&server).await.reaches("ACTIVE").await;
        let shown = server.show().await["flavor"]["original_name"].take();
        if shown == "large" {
            // It was done before it was deleted.
            break;
        }
        assert_eq!(shown, flavor, "after {wait} ms");
        assert_eq!(cloud.vcpus_used().await, 1);
        cloud.audit().await;
    }
    force_delete(&server).await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_the_server_as_it_was_and_can_be_asked_again() {
    let (cloud, server) = running().await;
    let admin = cloud.admin().await;
    cloud.fail_next(Verb::EnsureStopped);
    server.delete().await;
    until("the failure is told", || async {
        let action = server.last_action(&admin).await;
        (action["events"][0]["result"] == "Error").then_some(())
    })
    .await;
    server.reaches("ACTIVE").await;
    server.delete().await.reaches("SOFT_DELETED").await;
    cloud.fail_next(Verb::EnsureRunning);
    restore(&server).await;
    until("the failure is told", || async {
        let action = server.last_action(&admin).await;
        (action["events"][0]["result"] == "Error").then_some(())
    })
    .await;
    server.reaches("SOFT_DELETED").await;
    restore(&server).await.reaches("ACTIVE").await;
    // A lock holds both up.
    server.action(json!({"lock": null})).await.expect(202);
    let path = format!("/servers/{}", server.id);
    let refused = server
        .user
        .compute("2.1", Method::DELETE, &path, None)
        .await;
    assert_eq!(
        refused.fault(409),
        format!("Instance {} is locked", server.id)
    );
    let refused = server.action(json!({"forceDelete": null})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    server.action(json!({"unlock": null})).await.expect(202);
    server.delete().await.reaches("SOFT_DELETED").await;
    let stranger = server.seen_by(&cloud.stranger("eve").await);
    stranger.action(json!({"restore": null})).await.fault(404);
    force_delete(&server).await.vanishes().await;
    cloud.audit().await;
}
