//! Volumes that move while their server, or its host, is lost.

use compute_db::servers;
use hypervisor_fake::Verb;
use sql::sea_orm::ConnectionTrait;
use workflow::{Direction, Record};

use super::*;

/// A host counts as dead a second after it was declared down.
const SHORT: &str = "[DEFAULT]\nservice_down_time = 6\nreport_interval = 0.5\n";

/// The kind of compute's work that replaces a volume.
const SWAP: &str = "swap_volume";

impl Scene {
    async fn short() -> Self {
        Self::with(&format!("{SHORT}{TWO}")).await
    }

    /// The host stands still in the middle of these calls.
    fn hold(&self, verb: Verb) {
        self.faults(&Faults {
            hold_calls: vec![verb],
            ..Faults::default()
        });
    }

    async fn declared(&self, down: bool) {
        let host = self.cloud.cloud().hosts[0].host.to_string();
        let body = json!({"host": host, "binary": "nova-compute", "forced_down": down});
        let path = "/os-services/force-down";
        let told = self
            .admin
            .compute("2.11", Method::PUT, path, Some(&body))
            .await;
        told.expect(200);
    }

    /// The work that replaces the volume.
    async fn swap(&self) -> Option<Record> {
        let all = workflow::find(self.cloud.cloud().db.read(), &self.server.id).await;
        let mut all = all.expect("the journal").into_iter();
        all.find(|one| one.kind == SWAP)
    }

    /// Waits until this is so of the work that replaces the volume.
    async fn when(&self, what: &str, is: fn(&Record) -> bool) {
        until(what, || async {
            let swap = self.swap().await;
            swap.filter(is).map(drop)
        })
        .await;
    }

    /// Waits until the server's record names the new volume.
    async fn is_named(&self) {
        until("the record names the new volume", || async {
            let swap = self.swap().await?;
            let row = servers::find(self.cloud.cloud().db.read(), &self.server.id).await;
            let row = row.expect("a row");
            let named = row.volumes[0].attachment_id.as_str();
            (swap.state["attachment_id"] == named).then_some(())
        })
        .await;
    }

    async fn is_copying(&self) {
        self.when("the copy is asked for", |swap| swap.position == "copy")
            .await;
    }

    /// Waits until the host is told this, in whose middle it stands still.
    async fn stands_still(&self, verb: Verb) {
        match verb {
            Verb::SwitchVolume => self.is_named().await,
            _ => self.is_copying().await,
        }
    }

    async fn turns_round(&self) {
        let undone: fn(&Record) -> bool = |swap| swap.direction == Direction::Undo;
        self.when("it is undone", undone).await;
    }

    /// The server's row goes, by nobody's work.
    async fn loses_its_row(&self) {
        let url = self.cloud.compute_database();
        let db = sql::Database::open(&url).await.expect("a database");
        let gone = format!(
            "UPDATE servers SET deleted_at = created_at WHERE id = '{}'",
            self.server.id
        );
        let done = db.write().execute_unprepared(&gone).await;
        done.expect("gone");
    }

    /// The volume service has the volume on this back end alone.
    async fn lies(&self, back_end: &str, how: &str) {
        let shown = self.ends().await;
        assert_eq!(shown["migration_status"], how);
        let host = shown["os-vol-host-attr:host"].as_str().expect("a host");
        assert!(host.contains(&format!("@{back_end}#")), "{host}");
        let other = if back_end == "fast" { "slow" } else { "fast" };
        until("the other copy is gone", || async {
            (!self.disk(other).exists()).then_some(())
        })
        .await;
        assert!(self.disk(back_end).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_switch_keeps_its_volume_after_a_few_tries() {
    let scene = Scene::open().await;
    scene.faults(&Faults {
        fail_switch_of: Some("one".to_owned()),
        ..Faults::default()
    });
    scene.begins().await;
    let stays = scene.ends().await;
    assert_eq!(stays["migration_status"], "error");
    let action = scene.told("Error").await;
    let why = action["events"][0]["traceback"].as_str().expect("a text");
    let three = "did not switch to the new volume, 3 times";
    assert!(why.contains(three), "{why}");
    scene.agrees("fast").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_lost_while_it_copies_keeps_the_old_volume_when_it_returns() {
    let scene = Scene::short().await;
    scene.hold(Verb::CopyVolume);
    scene.begins().await;
    scene.stands_still(Verb::CopyVolume).await;
    scene.declared(true).await;
    scene.turns_round().await;
    // What it was told last, it does late.
    scene.faults(&Faults::default());
    scene.declared(false).await;
    scene.lies("fast", "error").await;
    scene.agrees("fast").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_looked_dead_and_switched_late_decides_by_its_word() {
    let scene = Scene::short().await;
    scene.hold(Verb::SwitchVolume);
    scene.begins().await;
    scene.stands_still(Verb::SwitchVolume).await;
    scene.declared(true).await;
    scene.turns_round().await;
    scene.faults(&Faults::default());
    scene.declared(false).await;
    scene.lies("slow", "success").await;
    scene.agrees("slow").await;
    scene.cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_that_goes_with_its_host_down_the_record_decides() {
    for (verb, back_end, how) in [
        (Verb::CopyVolume, "fast", "error"),
        (Verb::SwitchVolume, "slow", "success"),
    ] {
        let scene = Scene::short().await;
        scene.hold(verb);
        scene.begins().await;
        scene.stands_still(verb).await;
        scene.declared(true).await;
        scene.server.delete().await.vanishes().await;
        scene.lies(back_end, how).await;
        scene.demo.volume_is(&scene.volume, "available").await;
        // Its host returns, and lets the guest go.
        scene.faults(&Faults::default());
        scene.declared(false).await;
        until("its host lets it go", || async {
            let guest = scene.cloud.guest(&scene.server).await;
            guest.is_none().then_some(())
        })
        .await;
        scene.cloud.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_whose_row_is_gone_with_its_host_what_it_named_last_decides() {
    for (verb, back_end, how) in [
        (Verb::CopyVolume, "fast", "error"),
        (Verb::SwitchVolume, "slow", "success"),
    ] {
        let scene = Scene::short().await;
        scene.hold(verb);
        scene.begins().await;
        scene.stands_still(verb).await;
        scene.loses_its_row().await;
        scene.declared(true).await;
        scene.lies(back_end, how).await;
        let all = scene.attachments().await;
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0]["volume_id"], scene.volume.as_str());
        scene.faults(&Faults::default());
    }
}
