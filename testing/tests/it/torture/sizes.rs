//! Another size for a server, and servers that are put aside, under the harness.

use compute_conductor::workflows::resize::{
    begin::Resize, confirm::ConfirmResize, revert::RevertResize,
};
use compute_conductor::workflows::shelve::{aside::Shelve, back::Unshelve, here::UnshelveHere};
use compute_db::{claims, server_migrations};
use compute_model::Flavor;
use compute_model::migration::Migration;
use compute_model::network::NetworkRequest;
use compute_model::request::Explanation;
use compute_model::resize::Resize as Sizes;
use compute_model::shelve::Shelved;
use compute_model::state::MigrationStatus;

use super::*;

/// Twice a server's size.
fn larger(flavor: &Flavor) -> Flavor {
    Flavor {
        id: "larger".to_owned(),
        name: "larger".to_owned(),
        vcpus: flavor.vcpus * 2,
        ram: flavor.ram * 2,
        disk: flavor.disk + 1,
        ..flavor.clone()
    }
}

impl Stage {
    /// A server with a task of an operation, as acceptance leaves it.
    async fn claimed(&self, id: &str, task: TaskState) -> Row {
        self.change(id, |row| {
            row.task_state = Some(task);
            row.fault = None;
            row.epoch += 1;
        })
        .await
    }

    /// Writes a resize into a server's row; with `done`, also what it leaves in claims and on the host.
    async fn resizing(&self, id: &str, done: bool) -> Row {
        let now = sql::micros(chrono::Utc::now());
        let row = self.row(id).await;
        let migration = Migration {
            seq: 0,
            id: uuid::Uuid::new_v4().to_string(),
            server_id: row.id.clone(),
            kind: "resize".to_owned(),
            status: MigrationStatus::PreMigrating,
            source_host: String::new(),
            source_node: String::new(),
            dest_host: String::new(),
            dest_node: String::new(),
            dest_ip: None,
            old_flavor: 1,
            new_flavor: 2,
            user_id: row.user_id.clone(),
            project_id: row.project_id.clone(),
            created_at: now,
            updated_at: Some(now),
        };
        let tx = self.journal.begin().await.expect("a transaction");
        server_migrations::insert(&tx, &migration)
            .await
            .expect("kept");
        if done {
            claims::hand_over(&tx, &row.id, &migration.id)
                .await
                .expect("handed over");
            let new = larger(&self.pattern.flavor);
            let amounts = compute_model::request::of_flavor(&new, false);
            let node = row.node_id.as_deref().expect("a node");
            claims::claim(&tx, &row.id, node, &amounts)
                .await
                .expect("claimed");
        }
        tx.commit().await.expect("committed");
        self.change(id, |row| {
            let (old, new) = (self.pattern.flavor.clone(), larger(&self.pattern.flavor));
            row.flavor = if done { new.clone() } else { old.clone() };
            row.vm_state = if done {
                VmState::Resized
            } else {
                VmState::Active
            };
            row.resize = Some(Sizes {
                migration_id: migration.id.clone(),
                old,
                new,
                was: VmState::Active,
                old_disks: None,
            });
        })
        .await
    }

    /// The guest has its old size, whatever an earlier trial left.
    async fn shrinks(&self, row: &Row) {
        let hosts = &self.cloud.cloud().hosts;
        let hosted = hosts
            .iter()
            .find(|hosted| Some(hosted.host.as_str()) == row.host.as_deref());
        let mut spec = self.spec(row).await;
        spec.vcpus = self.pattern.flavor.vcpus;
        let driver = &hosted.expect("a host").driver;
        driver.ensure_running(&spec).await.expect("it runs");
    }

    /// Processors that a consumer holds.
    async fn vcpus(&self, consumer: &str) -> u64 {
        let held = claims::of_consumer(self.env.db.read(), consumer)
            .await
            .expect("claims");
        held.iter()
            .filter_map(|(_, amounts)| amounts.get("VCPU"))
            .sum()
    }

    /// A server is one of both sizes: in its row, in claims, and on its host.
    async fn is_whole(&self, trial: &Trial, id: &str, new: bool) {
        let row = self.row(id).await;
        let flavor = match new {
            true => larger(&self.pattern.flavor),
            false => self.pattern.flavor.clone(),
        };
        assert_eq!(row.flavor.vcpus, flavor.vcpus, "{trial:?}");
        assert_eq!(self.vcpus(id).await, u64::from(flavor.vcpus), "{trial:?}");
        assert_eq!(self.spec(&row).await.vcpus, flavor.vcpus, "{trial:?}");
        assert_eq!(row.task_state, None, "{trial:?}");
    }
}

fn state(row: &Row) -> states::Resize {
    states::Resize {
        server_id: row.id.clone(),
        asked: asked(),
        epoch: row.epoch,
        explanation: Explanation::default(),
        lost: false,
        power_state: None,
    }
}

pub async fn resizes(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        // As it was: whatever an earlier trial left is confirmed away.
        let row = stage.row(&target.id).await;
        if let Some(sizes) = &row.resize {
            let tx = stage.journal.begin().await.expect("a transaction");
            claims::release(&tx, &sizes.migration_id)
                .await
                .expect("released");
            let amounts = compute_model::request::of_flavor(&stage.pattern.flavor, false);
            let node = row.node_id.as_deref().expect("a node");
            claims::claim(&tx, &row.id, node, &amounts)
                .await
                .expect("claimed");
            tx.commit().await.expect("committed");
        }
        stage.shrinks(&row).await;
        stage.resizing(&target.id, false).await;
        let row = stage.claimed(&target.id, TaskState::ResizePrep).await;
        stage.world::<Resize>(&row.id, state(&row))
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        match record.status {
            // One that settled before it was asked to turn round has done what it was asked for.
            _ if row.vm_state == VmState::Resized => {
                stage.is_whole(trial, &row.id, true).await;
                let kept = row
                    .resize
                    .as_ref()
                    .expect("not confirmed")
                    .migration_id
                    .clone();
                assert_eq!(
                    stage.vcpus(&kept).await,
                    u64::from(stage.pattern.flavor.vcpus),
                    "{trial:?}"
                );
            }
            Status::Done => panic!("done, and {}: {trial:?}", row.vm_state),
            _ => {
                assert_eq!(row.vm_state, VmState::Active, "{trial:?}");
                assert!(row.fault.is_some() && row.resize.is_none(), "{trial:?}");
                stage.is_whole(trial, &row.id, false).await;
            }
        }
    };
    torture::<Resize>(stage.plan("tortured resize"), world, audit).await;
}

pub async fn ends_of_resizes(stage: Stage) {
    let target = stage.running().await;
    let begin = async |task: TaskState| {
        let row = stage.row(&target.id).await;
        let tx = stage.journal.begin().await.expect("a transaction");
        if let Some(sizes) = row.resize {
            claims::release(&tx, &sizes.migration_id)
                .await
                .expect("released");
        }
        let amounts = compute_model::request::of_flavor(&stage.pattern.flavor, false);
        let node = row.node_id.as_deref().expect("a node");
        claims::claim(&tx, &row.id, node, &amounts)
            .await
            .expect("claimed");
        tx.commit().await.expect("committed");
        stage.resizing(&target.id, true).await;
        stage.claimed(&target.id, task).await
    };
    let world = async || {
        let row = begin(TaskState::ResizeConfirming).await;
        stage.world::<ConfirmResize>(&row.id, state(&row))
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let migration = row.resize.as_ref().map(|sizes| sizes.migration_id.clone());
        match record.status {
            Status::Done => assert_eq!(
                (row.vm_state, migration),
                (VmState::Active, None),
                "{trial:?}"
            ),
            _ if row.vm_state == VmState::Active => assert_eq!(migration, None, "{trial:?}"),
            _ => {
                assert_eq!(row.vm_state, VmState::Resized, "{trial:?}");
                assert!(
                    stage.vcpus(&migration.expect("it can be said again")).await > 0,
                    "{trial:?}"
                );
            }
        }
        assert_eq!(row.task_state, None, "{trial:?}");
        assert_eq!(
            stage.vcpus(&row.id).await,
            u64::from(row.flavor.vcpus),
            "{trial:?}"
        );
    };
    torture::<ConfirmResize>(stage.plan("tortured confirmation"), world, audit).await;
    let world = async || {
        let row = begin(TaskState::ResizeReverting).await;
        stage.world::<RevertResize>(&row.id, state(&row))
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        match record.status {
            Status::Done => {
                assert_eq!(
                    (row.vm_state, row.resize.is_none()),
                    (VmState::Active, true),
                    "{trial:?}"
                );
                stage.is_whole(trial, &row.id, false).await;
            }
            _ if row.vm_state == VmState::Active => stage.is_whole(trial, &row.id, false).await,
            _ => assert_eq!(
                (row.vm_state, row.task_state),
                (VmState::Error, None),
                "{trial:?}"
            ),
        }
    };
    torture::<RevertResize>(stage.plan("tortured way back"), world, audit).await;
}

/// A new server in each trial: they leave their hosts.
pub async fn shelvings(stage: Stage) {
    let world = async || {
        let target = stage.running().await;
        let image_id = stage.new_image(&target.id, "qcow2").await;
        let row = stage.claimed(&target.id, TaskState::Shelving).await;
        let image = states::Snapshot {
            server_id: row.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            image_id,
            token: stage.sealed(),
            backup: None,
        };
        let state = states::Shelve {
            server_id: row.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            was: VmState::Active,
            image: Some(image),
            offload: true,
            stopped: false,
        };
        stage.world::<Shelve>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let id = record.state["image"]["image_id"].as_str().expect("an id");
        let image = stage.demo.get(&format!("/image/v2/images/{id}")).await;
        assert_eq!(row.task_state, None, "{trial:?}");
        assert_eq!(stage.server(&row.id).ports().await.len(), 1, "{trial:?}");
        match record.status {
            Status::Done => {
                assert_eq!(row.vm_state, VmState::ShelvedOffloaded, "{trial:?}");
                assert_eq!(image.expect(200)["status"], "active", "{trial:?}");
                assert_eq!(stage.vcpus(&row.id).await, 0, "{trial:?}");
                assert_eq!(
                    stage.guests(&row.id).await,
                    Vec::<String>::new(),
                    "{trial:?}"
                );
            }
            _ => {
                assert_eq!(row.vm_state, VmState::Active, "{trial:?}");
                assert_eq!(image.status, 404, "{trial:?}");
                assert_eq!(stage.guests(&row.id).await.len(), 1, "{trial:?}");
            }
        }
        stage.server(&row.id).delete().await.vanishes().await;
    };
    torture::<Shelve>(stage.plan("tortured shelving"), world, audit).await;
    stage.cloud.audit().await;
}

/// A shelved server on no host, as an offload leaves it.
pub async fn offloaded(stage: &Stage) -> Row {
    let target = stage.running().await;
    let server = stage.server(&target.id);
    server.action(json!({"shelve": null})).await.expect(202);
    server.reaches("SHELVED_OFFLOADED").await;
    stage.row(&target.id).await
}

pub async fn returns(stage: Stage) {
    let target = offloaded(&stage).await;
    let server = stage.server(&target.id);
    let ports = target.vifs.iter().map(|vif| NetworkRequest::Port {
        id: vif.port_id.clone(),
        tag: None,
    });
    let plan = BuildPlan {
        networks: ports.collect(),
        ..BuildPlan::default()
    };
    let world = async || {
        let row = stage.row(&target.id).await;
        if row.vm_state == VmState::Active {
            server.action(json!({"shelve": null})).await.expect(202);
            server.reaches("SHELVED_OFFLOADED").await;
        }
        let row = stage.claimed(&target.id, TaskState::Unshelving).await;
        let mut state = states::Build::new(&row.id, asked(), plan.clone());
        // Without a token no image is removed: each trial comes back from the same one.
        state.shelved_image.clone_from(&row.image);
        stage.world::<Unshelve>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        assert_eq!(server.ports().await.len(), 1, "{trial:?}");
        if is_cancelled(trial) && row.task_state.is_some() {
            // Only a delete asks it to turn round, and goes on with the server.
            stage.change(&row.id, |row| row.task_state = None).await;
        }
        match record.status {
            Status::Done => {
                assert_eq!(
                    (row.vm_state, row.shelved.is_none()),
                    (VmState::Active, true),
                    "{trial:?}"
                );
                assert_eq!(stage.guests(&row.id).await.len(), 1, "{trial:?}");
                assert_eq!(
                    stage.vcpus(&row.id).await,
                    u64::from(row.flavor.vcpus),
                    "{trial:?}"
                );
            }
            _ => {
                assert_eq!(row.vm_state, VmState::ShelvedOffloaded, "{trial:?}");
                assert!(row.shelved.is_some() && row.host.is_none(), "{trial:?}");
                assert_eq!(stage.vcpus(&row.id).await, 0, "{trial:?}");
                assert_eq!(
                    stage.guests(&row.id).await,
                    Vec::<String>::new(),
                    "{trial:?}"
                );
            }
        }
    };
    torture::<Unshelve>(stage.plan("tortured return"), world, audit).await;
    server.delete().await.vanishes().await;
}

/// A server that did not leave its host.
pub async fn starts_of_shelved(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        stage
            .change(&target.id, |row| {
                row.vm_state = VmState::Shelved;
                row.shelved = Some(Shelved { image_id: None });
            })
            .await;
        let row = stage.claimed(&target.id, TaskState::Unshelving).await;
        let state = states::UnshelveHere {
            server_id: row.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            image: None,
            power_state: None,
        };
        stage.world::<UnshelveHere>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        assert_eq!(row.task_state, None, "{trial:?}");
        match record.status {
            Status::Done => assert_eq!(
                (row.vm_state, row.shelved),
                (VmState::Active, None),
                "{trial:?}"
            ),
            _ => assert_eq!(
                (row.vm_state, row.fault.is_some()),
                (VmState::Shelved, true),
                "{trial:?}"
            ),
        }
    };
    torture::<UnshelveHere>(stage.plan("tortured start of a shelved one"), world, audit).await;
    stage.cloud.audit().await;
}
