//! A volume moves to another back end while a server has it.

mod detached;
mod served;
mod trouble;

use hypervisor_fake::Faults;

use super::*;

/// A cloud with two back ends, and a running server with a volume of the first.
struct Scene {
    cloud: TestCloud,
    admin: User,
    demo: User,
    server: Server,
    volume: String,
}

impl Scene {
    async fn open() -> Self {
        Self::with(TWO).await
    }

    /// The same with these settings.
    async fn with(settings: &str) -> Self {
        let cloud = TestCloud::with(settings).await;
        let (admin, demo) = (cloud.admin().await, cloud.demo().await);
        type_of(&admin, "quick", "FLASH").await;
        type_of(&admin, "cheap", "slow").await;
        let server = cloud.boot(&demo, "one").await;
        server.reaches("ACTIVE").await;
        let wanted = json!({"size": 1, "volume_type": "quick"});
        let volume = demo.volume(wanted).await;
        attach(&server, &volume).await;
        Scene {
            cloud,
            admin,
            demo,
            server,
            volume,
        }
    }

    fn faults(&self, faults: &Faults) {
        self.cloud.set_faults(faults);
    }

    /// Copies come to no end.
    fn slow(&self) {
        self.faults(&Faults {
            slow_copy_of: Some("one".to_owned()),
            ..Faults::default()
        });
    }

    async fn begins(&self) {
        let retype = json!({"os-retype": {"new_type": "cheap", "migration_policy": "on-demand"}});
        act(&self.demo, &self.volume, &retype).await.expect(202);
    }

    fn disk(&self, back_end: &str) -> PathBuf {
        let state = self.cloud.state_path().canonicalize().expect("a folder");
        state.join(back_end).join(&self.volume).join("disk.raw")
    }

    /// What an administrator sees of the volume.
    async fn shown(&self) -> Value {
        let path = format!("{}/{}", self.admin.volumes(), self.volume);
        self.admin.get(&path).await.expect(200)["volume"].take()
    }

    /// Waits for the end of the move; whether it went well.
    async fn ends(&self) -> Value {
        until("the move ends", || async {
            let shown = self.shown().await;
            let how = shown["migration_status"].as_str();
            matches!(how, Some("success" | "error")).then_some(shown)
        })
        .await
    }

    /// The attachments of the server, as the volume service has them.
    async fn attachments(&self) -> Vec<Value> {
        let path = format!(
            "/volume/v3/{}/attachments?all_tenants=1&instance_id={}",
            self.admin.project_id, self.server.id
        );
        let headers = [("openstack-api-version", "volume 3.44")];
        let answer = self.admin.send(Method::GET, &path, &headers, None).await;
        let mut body = answer.expect(200);
        body["attachments"]
            .as_array_mut()
            .map(std::mem::take)
            .expect("a list")
    }

    /// The volume that is to take the place, once it is reserved.
    async fn twin(&self) -> String {
        until("the new volume is reserved", || async {
            let all = self.attachments().await;
            let ids = all.iter().filter_map(|one| one["volume_id"].as_str());
            ids.map(str::to_owned).find(|id| *id != self.volume)
        })
        .await
    }

    /// Guest, server and volume service say that the volume is on this back end, and attached once.
    async fn agrees(&self, back_end: &str) {
        let here = BTreeSet::from([self.disk(back_end)]);
        assert_eq!(files(&self.cloud, &self.server).await, here);
        let other = if back_end == "fast" { "slow" } else { "fast" };
        until("the other copy is gone", || async {
            (!self.disk(other).exists()).then_some(())
        })
        .await;
        let all = self.attachments().await;
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0]["volume_id"], self.volume.as_str());
        let path = format!("/servers/{}/os-volume_attachments", self.server.id);
        let listed = self.demo.compute("latest", Method::GET, &path, None).await;
        let mut listed = listed.expect(200);
        let one = listed["volumeAttachments"][0].take();
        assert_eq!(one["volumeId"], self.volume.as_str());
        assert_eq!(one["attachment_id"], all[0]["id"]);
        assert_eq!(one["device"], "/dev/vdb");
        // Until the new one is put away, and its row with it.
        until("the audit finds nothing", || async {
            let found = self.cloud.cloud().audit().await.expect("the audit");
            found.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until the record of the operation says how it ended.
    async fn told(&self, result: &str) -> Value {
        until("the end is told", || async {
            let action = self.server.last_action(&self.admin).await;
            let event = &action["events"][0];
            let is = action["action"] == "swap_volume"
                && event["event"] == "compute_swap_volume"
                && event["result"] == result;
            is.then_some(action)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_moves_while_its_guest_runs() {
    let scene = Scene::open().await;
    let before = scene.attachments().await[0]["id"].take();
    scene.begins().await;
    let moved = scene.ends().await;
    assert_eq!(moved["migration_status"], "success");
    assert_eq!(
        (&moved["status"], &moved["volume_type"]),
        (&json!("in-use"), &json!("cheap"))
    );
    scene.told("Success").await;
    scene.agrees("slow").await;
    assert_ne!(scene.attachments().await[0]["id"], before);
    scene.server.stop().await.reaches("SHUTOFF").await;
    // What does not run is not replaced.
    let back = json!({"os-retype": {"new_type": "quick", "migration_policy": "on-demand"}});
    act(&scene.demo, &scene.volume, &back).await.expect(202);
    let stays = until("the move ends", || async {
        let shown = scene.shown().await;
        (shown["migration_status"] == "error").then_some(shown)
    })
    .await;
    assert_eq!(
        (&stays["status"], &stays["volume_type"]),
        (&json!("in-use"), &json!("cheap"))
    );
    scene.server.start().await.reaches("ACTIVE").await;
    scene.agrees("slow").await;
    // A paused guest keeps its memory, and gets the volume all the same.
    scene
        .server
        .action(json!({"pause": null}))
        .await
        .expect(202);
    scene.server.reaches("PAUSED").await;
    act(&scene.demo, &scene.volume, &back).await.expect(202);
    until("the volume moved", || async {
        (scene.shown().await["migration_status"] == "success").then_some(())
    })
    .await;
    scene.agrees("fast").await;
    scene.server.delete().await.vanishes().await;
    scene.demo.volume_is(&scene.volume, "available").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_whose_copy_fails_stays_and_can_be_moved_again() {
    let scene = Scene::open().await;
    scene.faults(&Faults {
        fail_copy_of: Some("one".to_owned()),
        ..Faults::default()
    });
    scene.begins().await;
    let stays = scene.ends().await;
    assert_eq!(stays["migration_status"], "error");
    assert_eq!(
        (&stays["status"], &stays["volume_type"]),
        (&json!("in-use"), &json!("quick"))
    );
    let action = scene.told("Error").await;
    let why = action["events"][0]["traceback"].as_str().expect("a text");
    assert!(why.contains("configured to fail"), "{why}");
    scene.agrees("fast").await;
    scene.faults(&Faults::default());
    scene.begins().await;
    until("the volume moved", || async {
        (scene.shown().await["migration_status"] == "success").then_some(())
    })
    .await;
    scene.agrees("slow").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_volume_moves_a_server_goes_and_the_volume_stays_where_it_was() {
    let scene = Scene::open().await;
    scene.slow();
    scene.begins().await;
    scene.twin().await;
    scene.server.delete().await.vanishes().await;
    let stays = scene.ends().await;
    assert_eq!(stays["migration_status"], "error");
    scene.demo.volume_is(&scene.volume, "available").await;
    until("the copy is gone", || async {
        (!scene.disk("slow").exists()).then_some(())
    })
    .await;
    assert!(scene.disk("fast").exists());
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_are_to_take_a_place_one_does() {
    let scene = Scene::open().await;
    let other = scene.demo.volume(json!({"size": 1})).await;
    scene.slow();
    scene.begins().await;
    let retype = json!({"os-retype": {"new_type": "cheap", "migration_policy": "on-demand"}});
    act(&scene.demo, &scene.volume, &retype).await.expect(400);
    let twin = scene.twin().await;
    let path = format!(
        "/servers/{}/os-volume_attachments/{}",
        scene.server.id, scene.volume
    );
    let put = async |user: &User, new: &str| {
        let body = json!({"volumeAttachment": {"volumeId": new}});
        user.compute("2.1", Method::PUT, &path, Some(&body)).await
    };
    // Asked again for the same it is the same; another one is too late, whatever it is.
    put(&scene.admin, &twin).await.expect(202);
    put(&scene.admin, &other).await.fault(409);
    put(&scene.demo, &twin).await.fault(403);
    let shown = scene.shown().await;
    assert_eq!(shown["status"], "retyping");
    scene.faults(&Faults::default());
    assert_eq!(scene.ends().await["migration_status"], "success");
    scene.agrees("slow").await;
    detach(&scene.server, &scene.volume).await;
    scene.demo.volume_is(&scene.volume, "available").await;
    assert!(scene.disk("slow").exists());
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_goes_on_after_a_restart_and_after_a_reboot_of_the_guest() {
    let mut scene = Scene::open().await;
    scene.slow();
    scene.begins().await;
    scene.twin().await;
    // The guest starts anew, and its copy with it.
    let reboot = json!({"reboot": {"type": "HARD"}});
    scene.server.action(reboot).await.expect(202);
    scene.server.reaches("ACTIVE").await;
    assert_eq!(
        files(&scene.cloud, &scene.server).await,
        BTreeSet::from([scene.disk("fast")])
    );
    // Everything dies with the copy under way; hosts forget that copies come to no end.
    scene.cloud.restart().await;
    (scene.admin, scene.demo) = (scene.cloud.admin().await, scene.cloud.demo().await);
    scene.server.user = scene.demo.clone();
    assert_eq!(scene.ends().await["migration_status"], "success");
    scene.agrees("slow").await;
    scene.cloud.audit().await;
}
