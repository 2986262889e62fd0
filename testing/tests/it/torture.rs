//! Compute's workflows under the harness: each step twice, a failure after each step and in each undo, a death
//! anywhere, another process that takes over from one that stands still, a request to cancel at any point, and
//! mixtures of these. On each engine.
//!
//! The world is a whole cloud, and the journal is its own: the workflows under test have names that the cloud's
//! conductor does not know.

mod interfaces;
mod power_cuts;
mod roots;
mod sizes;
mod soft_delete;
mod swaps;
mod volumes;

use std::sync::Arc;

use compute_conductor::workflows::{act::Act, build::Build, delete::Delete, snapshot::Snapshot};
use compute_conductor::{Env, Settings};
use compute_db::{claims, servers};
use compute_model::lifecycle::{self, Action};
use compute_model::network::NetworkRequest;
use compute_model::rescue::Rescue;
use compute_model::server::BuildPlan;
use compute_model::{Server as Row, TaskState, VmState};
use compute_rpc::agent::Given;
use compute_rpc::workflows as states;
use hypervisor::{Driver, GuestFacts, ServerSpec};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sql::Database;
use testing::{Server, TestCloud, User};
use workflow::testing::{Plan, Stop, Trial, World, found, torture};
use workflow::{Record, Status};

use crate::engines::databases_of;

/// A cloud whose journal is disturbed.
pub struct Stage {
    cloud: TestCloud,
    pub demo: User,
    pub env: Arc<Env>,
    /// The cloud's compute database.
    pub journal: Database,
    /// The same, as a second process opens it.
    other: Database,
    pub network: String,
    /// A server to copy from.
    pattern: Row,
}

impl Stage {
    pub async fn open() -> Self {
        Self::with("").await
    }

    /// The same with more settings, as in a file.
    pub async fn with(settings: &str) -> Self {
        let cloud = TestCloud::with(&format!("[fake]\nhosts = 2\n{settings}")).await;
        cloud.knows_hosts(2).await;
        let demo = cloud.demo().await;
        let network = demo.network("private", "10.0.0.0/8").await;
        let admin = cloud.admin().await;
        let limits = json!({"quota": {"port": -1}});
        let path = format!("/network/v2.0/quotas/{}", demo.project_id);
        admin.put(&path, &limits).await.expect(200);
        let pattern = cloud.boot(&demo, "pattern").await;
        pattern.reaches("ACTIVE").await;
        let pattern = servers::find(cloud.cloud().db.read(), &pattern.id)
            .await
            .expect("a row");
        let running = cloud.cloud();
        let env = Env {
            db: running.db.read_only(),
            bus: running.bus.clone(),
            network: running.network.clone(),
            image: running.image.clone(),
            volume: running.volume.clone(),
            session: running.session.clone(),
            settings: Settings::default(),
            hearing: compute_conductor::Hearing::default(),
        };
        let url = cloud.compute_database();
        let open = async || Database::open(&url).await.expect("the compute database");
        Stage {
            demo,
            env: Arc::new(env),
            journal: open().await,
            other: open().await,
            network,
            pattern,
            cloud,
        }
    }

    /// On a server's databases, if the environment names one.
    async fn on(variable: &str) -> Option<Self> {
        Some(Self::with(&databases_of(variable).await?).await)
    }

    /// How much to try: fewer on engines on which each run takes long.
    fn plan(&self, name: &'static str) -> Plan {
        let sqlite = self.journal.engine() == sql::Engine::Sqlite;
        Plan {
            name,
            points: if sqlite { 2 } else { 1 },
            rounds: if sqlite { 12 } else { 5 },
        }
    }

    async fn row(&self, id: &str) -> Row {
        servers::find(self.env.db.read(), id).await.expect("a row")
    }

    /// A record of an image that is to be made of a server.
    async fn new_image(&self, server: &str, format: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let record = json!({
            "id": id, "name": "copy", "disk_format": format, "container_format": "bare",
            "instance_uuid": server, "image_type": "snapshot",
        });
        let made = self.demo.post("/image/v2/images", &record).await;
        made.expect(201);
        id
    }

    fn server(&self, id: &str) -> Server {
        Server {
            user: self.demo.clone(),
            id: id.to_owned(),
        }
    }

    /// A server as `POST` leaves it, without the journal entry.
    pub async fn asked(&self) -> Row {
        let row = Row {
            id: uuid::Uuid::new_v4().to_string(),
            vm_state: VmState::Building,
            task_state: Some(TaskState::Scheduling),
            power_state: compute_model::PowerState::NoState,
            host: None,
            node: None,
            node_id: None,
            launched_at: None,
            ..self.pattern.clone()
        };
        let tx = self.journal.begin().await.expect("a transaction");
        let row = servers::insert(&tx, &row).await.expect("inserted");
        tx.commit().await.expect("committed");
        row
    }

    async fn change(&self, id: &str, change: impl Fn(&mut Row)) -> Row {
        let tx = self.journal.begin().await.expect("a transaction");
        let mut row = servers::lock(&tx, id).await.expect("a row");
        change(&mut row);
        servers::save(&tx, &mut row).await.expect("saved");
        tx.commit().await.expect("committed");
        row
    }

    /// A running server on the network.
    async fn running(&self) -> Row {
        let image = self.pattern.image.as_ref().expect("an image").id.clone();
        let wanted = json!({
            "name": "running", "flavorRef": "tiny", "imageRef": image, "networks": [{"uuid": self.network}],
        });
        let server = self.cloud.boot_with(&self.demo, wanted).await;
        server.reaches("ACTIVE").await;
        self.row(&server.id).await
    }

    async fn guests(&self, id: &str) -> Vec<String> {
        let mut found = Vec::new();
        for hosted in &self.cloud.cloud().hosts {
            if hosted
                .driver
                .inspect(id)
                .await
                .expect("the host answers")
                .is_some()
            {
                found.push(hosted.host.to_string());
            }
        }
        found
    }

    /// The user's token as workflows keep it.
    fn sealed(&self) -> String {
        let secret = self.env.session.secret();
        compute_rpc::sealed::seal(secret.expose_secret(), &self.demo.token)
    }

    /// What the server's host knows of its guest.
    async fn spec(&self, row: &Row) -> ServerSpec {
        let spec = self.driver(row).spec(&row.id).await;
        spec.expect("a driver").expect("a guest")
    }

    /// How the server's guest is.
    async fn facts(&self, row: &Row) -> GuestFacts {
        let facts = self.driver(row).inspect(&row.id).await;
        facts.expect("a driver").expect("a guest")
    }

    /// The driver of the server's host.
    fn driver(&self, row: &Row) -> &dyn Driver {
        let mut hosts = self.cloud.cloud().hosts.iter();
        let hosted = hosts.find(|hosted| Some(hosted.host.as_str()) == row.host.as_deref());
        hosted.expect("a host").driver.as_ref()
    }

    /// Nothing of a server is left on hosts and networks.
    async fn is_clean(&self, trial: &Trial, id: &str) {
        let held = claims::of_consumer(self.env.db.read(), id)
            .await
            .expect("claims");
        assert_eq!(held, [], "{trial:?}");
        assert_eq!(
            self.server(id).ports().await,
            Vec::<Value>::new(),
            "{trial:?}"
        );
        assert_eq!(self.guests(id).await, Vec::<String>::new(), "{trial:?}");
    }

    fn world<W: workflow::Workflow<Env = Env>>(&self, id: &str, state: W::State) -> World<W> {
        World {
            db: self.journal.clone(),
            other: self.other.clone(),
            env: self.env.clone(),
            subject: id.to_owned(),
            state,
            meets: None,
        }
    }
}

/// Who asks.
pub fn asked() -> states::Asked {
    states::Asked {
        request_id: "req-torture".to_owned(),
        ..states::Asked::default()
    }
}

fn is_cancelled(trial: &Trial) -> bool {
    trial
        .stops
        .iter()
        .any(|(_, stop)| *stop == Stop::IsCancelled)
}

async fn builds(stage: Stage) {
    let world = async || {
        let row = stage.asked().await;
        let given = json!({"port": {"network_id": stage.network, "name": row.id}});
        let given = stage
            .demo
            .post("/network/v2.0/ports", &given)
            .await
            .expect(201);
        let plan = BuildPlan {
            networks: vec![
                NetworkRequest::Network {
                    id: stage.network.clone(),
                    fixed_ip: None,
                    tag: None,
                },
                NetworkRequest::Port {
                    id: given["port"]["id"].as_str().expect("an id").to_owned(),
                    tag: None,
                },
            ],
            volumes: vec![volumes::blank()],
            token: Some(stage.sealed()),
            ..BuildPlan::default()
        };
        stage.world::<Build>(&row.id, states::Build::new(&row.id, asked(), plan))
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let path = format!("/network/v2.0/ports?name={}", row.id);
        let given = stage.demo.get(&path).await.expect(200)["ports"][0].take();
        if record.status == Status::Done {
            assert_eq!(row.task_state, None, "{trial:?}");
            assert_eq!(row.vm_state, VmState::Active, "{trial:?}");
            let host = row.host.clone().expect("a host");
            assert_eq!(stage.guests(&row.id).await, [host], "{trial:?}");
            assert_eq!(row.vifs.len(), 2, "{trial:?}");
            assert_eq!(stage.server(&row.id).ports().await.len(), 2, "{trial:?}");
            assert_eq!(given["device_id"], row.id.as_str(), "{trial:?}");
            let held = claims::of_consumer(stage.env.db.read(), &row.id)
                .await
                .expect("claims");
            let nodes: Vec<_> = held.iter().map(|(node, _)| Some(node)).collect();
            assert_eq!(nodes, [row.node_id.as_ref()], "{trial:?}");
            assert_eq!(row.volumes.len(), 1, "{trial:?}");
            assert_eq!(stage.spec(&row).await.volumes.len(), 1, "{trial:?}");
            stage
                .demo
                .volume_is(&row.volumes[0].volume_id, "in-use")
                .await;
            // Room for those to come, and nothing left for the last audit to be fooled by.
            stage.server(&row.id).delete().await.vanishes().await;
            stage.has_no_volumes(trial).await;
            return;
        }
        let cancelled = record.error == Some(json!({"cancelled": true}));
        match cancelled && is_cancelled(trial) {
            // Only a delete asks for that, and says the rest: it leaves the row as it found it.
            true => {
                let scheduling = row.task_state == Some(TaskState::Scheduling);
                let settled = row.launched() && row.task_state.is_none();
                assert!(scheduling || settled, "{trial:?}: {:?}", row.task_state);
            }
            false => {
                assert_eq!(row.task_state, None, "{trial:?}");
                assert_eq!(row.vm_state, VmState::Error, "{trial:?}");
                let fault = row.fault.as_ref().expect("a fault");
                let details = fault.details.clone().unwrap_or_default();
                assert!(
                    details.contains("injected by a test"),
                    "{trial:?}: {details}"
                );
            }
        }
        assert_eq!(row.host, None, "{trial:?}");
        assert!(row.vifs.is_empty(), "{trial:?}");
        assert!(row.volumes.is_empty(), "{trial:?}");
        stage.has_no_volumes(trial).await;
        assert_eq!(given["device_id"], "", "{trial:?}");
        stage.is_clean(trial, &row.id).await;
        stage.server(&row.id).delete().await.vanishes().await;
    };
    torture::<Build>(stage.plan("tortured build"), world, audit).await;
    stage.cloud.audit().await;
}

async fn deletes(stage: Stage) {
    let world = async || {
        let row = stage.running().await;
        let row = stage
            .change(&row.id, |row| {
                row.task_state = Some(TaskState::Deleting);
                row.epoch += 1;
            })
            .await;
        let state = states::Delete {
            server_id: row.id.clone(),
            asked: asked(),
            image: None,
        };
        stage.world::<Delete>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        // Whatever fails in it is done again: it only goes forward.
        assert_eq!(record.status, Status::Done, "{trial:?}");
        stage.is_clean(trial, &record.subject).await;
        let row = servers::find_any(stage.env.db.read(), &record.subject)
            .await
            .expect("a row");
        assert!(
            row.deleted_at.is_some() && row.task_state.is_none(),
            "{trial:?}"
        );
    };
    torture::<Delete>(stage.plan("tortured delete"), world, audit).await;
    stage.cloud.audit().await;
}

async fn actions(stage: Stage) {
    for (action, from, name) in [
        (Action::Stop, VmState::Active, "tortured stop"),
        (Action::RebootHard, VmState::Active, "tortured reboot"),
        (Action::Rescue, VmState::Active, "tortured rescue"),
        (Action::Unrescue, VmState::Rescued, "tortured unrescue"),
        (Action::Rebuild, VmState::Active, "tortured rebuild"),
    ] {
        let target = stage.running().await;
        let rule = lifecycle::rule(action);
        let world = async || {
            let row = stage
                .change(&target.id, |row| {
                    row.vm_state = from;
                    row.task_state = rule.claims;
                    row.fault = None;
                    row.epoch += 1;
                    row.rescue = row.image.clone().map(|image| Rescue {
                        image,
                        number: row.epoch,
                    });
                })
                .await;
            let state = states::Act {
                server_id: row.id.clone(),
                asked: asked(),
                action,
                epoch: row.epoch,
                given: Given::default(),
                server_password: None,
                power_state: None,
                refused: 0,
            };
            stage.world::<Act>(&row.id, state)
        };
        let audit = async |trial: &Trial, _: &Env, record: &Record| {
            let row = stage.row(&record.subject).await;
            let claimed = record.state["epoch"].as_i64().expect("a number");
            match record.status {
                // An action that settled before it was asked to turn round has done what it was asked for.
                Status::Undone if Some(row.vm_state) == rule.settles && row.fault.is_none() => {
                    assert_eq!(row.epoch, claimed, "{trial:?}");
                }
                Status::Undone => {
                    assert!(row.fault.is_some(), "{trial:?}");
                    assert!(row.epoch > claimed, "what comes late is refused: {trial:?}");
                }
                _ => {
                    assert_eq!(Some(row.vm_state), rule.settles, "{trial:?}");
                    assert_eq!(row.epoch, claimed, "{trial:?}");
                }
            }
            assert_eq!(row.task_state, None, "{trial:?}");
            let guests = stage.guests(&row.id).await.len();
            // One that was given up in its middle had let the old guest go; the next start makes it anew.
            let cut = action == Action::Rebuild && record.status == Status::Undone;
            assert!(
                guests == 1 || cut && guests == 0,
                "{guests} guests: {trial:?}"
            );
        };
        torture::<Act>(stage.plan(name), world, audit).await;
    }
    stage.cloud.audit().await;
}

/// An image of a server; each trial makes another one.
async fn snapshots(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        let image_id = stage.new_image(&target.id, "qcow2").await;
        let row = stage
            .change(&target.id, |row| {
                row.task_state = Some(TaskState::ImageSnapshotPending);
                row.epoch += 1;
            })
            .await;
        let state = states::Snapshot {
            server_id: target.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            image_id,
            token: stage.sealed(),
            backup: None,
        };
        stage.world::<Snapshot>(&target.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        assert_eq!(
            (row.vm_state, row.task_state),
            (VmState::Active, None),
            "{trial:?}"
        );
        let id = record.state["image_id"].as_str().expect("an id");
        let image = stage.demo.get(&format!("/image/v2/images/{id}")).await;
        match record.status {
            Status::Done => assert_eq!(image.expect(200)["status"], "active", "{trial:?}"),
            _ => assert_eq!(image.status, 404, "{trial:?}"),
        }
        // A host that still makes a copy removes it when that is done.
        let copies = stage.cloud.state_path().join("snapshots");
        found(async || match copies_in(&copies) {
            0 => Ok(()),
            left => Err(format!("{trial:?}: {left} copies of disks")),
        })
        .await;
    };
    torture::<Snapshot>(stage.plan("tortured image"), world, audit).await;
    stage.cloud.audit().await;
}

fn copies_in(hosts: &std::path::Path) -> usize {
    let hosts = std::fs::read_dir(hosts).into_iter().flatten().flatten();
    let copies = |host: std::fs::DirEntry| std::fs::read_dir(host.path()).expect("a folder");
    hosts.map(|host| copies(host).count()).sum()
}

/// A test of each of these, on each engine.
macro_rules! on_each_engine {
    ($($name:ident: $($run:ident)::+;)*) => {
        on_each_engine!(sqlite, Some(Stage::open().await), $($name: $($run)::+;)*);
        on_each_engine!(postgresql, Stage::on("KILONOVA_TEST_POSTGRES").await, $($name: $($run)::+;)*);
        on_each_engine!(mariadb, Stage::on("KILONOVA_TEST_MARIADB").await, $($name: $($run)::+;)*);
    };
    ($engine:ident, $stage:expr, $($name:ident: $($run:ident)::+;)*) => {
        mod $engine {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    if let Some(stage) = $stage {
                        $($run)::+(stage).await;
                    }
                }
            )*
        }
    };
}

on_each_engine! {
    an_image_is_whole_or_leaves_nothing_wherever_it_is_hit: snapshots;
    an_image_of_volumes_is_whole_or_leaves_nothing_wherever_it_is_hit: roots::images;
    a_volume_gets_an_image_or_the_server_is_what_it_was_wherever_that_is_hit: roots::rebuilds;
    a_card_comes_whole_or_leaves_nothing_wherever_its_attachment_is_hit: interfaces::attaches;
    a_card_goes_whole_or_stays_wherever_its_detachment_is_hit: interfaces::detaches;
    what_a_dead_request_reserved_is_given_back_wherever_that_is_hit: volumes::holds;
    a_volume_comes_whole_or_stays_free_wherever_its_attachment_is_hit: volumes::attaches;
    a_volume_goes_whole_or_stays_wherever_its_detachment_is_hit: volumes::detaches;
    a_larger_volume_stays_whole_wherever_its_showing_is_hit: volumes::extends;
    a_server_on_no_host_gets_and_loses_a_volume_whole_or_not_at_all_wherever_that_is_hit: volumes::of_shelved;
    a_server_has_its_new_size_or_its_old_one_wherever_its_resize_is_hit: sizes::resizes;
    a_new_size_is_kept_or_taken_back_wherever_that_is_hit: sizes::ends_of_resizes;
    a_server_is_put_aside_whole_or_stays_wherever_its_shelving_is_hit: sizes::shelvings;
    a_server_is_kept_as_deleted_or_stays_wherever_its_deletion_is_hit: soft_delete::soft_deletes;
    a_guest_runs_again_after_a_power_cut_or_shows_why_not_wherever_its_start_is_hit: power_cuts::resumes;
    a_server_comes_back_whole_or_stays_aside_wherever_its_return_is_hit: sizes::returns;
    a_shelved_server_starts_or_stays_shelved_wherever_that_is_hit: sizes::starts_of_shelved;
    a_build_ends_whole_or_leaves_nothing_wherever_it_is_hit: builds;
    a_delete_ends_wherever_it_is_hit: deletes;
    an_action_ends_or_leaves_the_server_as_it_was_wherever_it_is_hit: actions;
}
