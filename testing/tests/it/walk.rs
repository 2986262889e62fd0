//! A random walk through everything that can be asked of servers, with the lifecycle table as the model: what it refuses is
//! refused and changes nothing, what it accepts ends in the state that it says. Record, guest, volumes and ports agree after
//! each step, and nothing is left in the end.
//!
//! A walk that fails has printed its seed: `KILONOVA_TORTURE_SEED` repeats it. `KILONOVA_TORTURE_ROUNDS` makes walks longer.

mod model;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use compute_db::servers;
use compute_model::lifecycle::{Action, DeviceChange, Operation};
use compute_model::{Server as Row, VmState};
use http::Method;
use hypervisor::PowerState;
use model::{Expected, Model, Move};
use serde_json::{Value, json};
use testing::{Answer, Server, TestCloud, User, until};
use workflow::testing::Random;

use crate::engines::databases_of;

/// Servers that are walked with.
const SERVERS: usize = 3;

/// Volumes that they may have.
const VOLUMES: usize = 3;

/// How many steps a round of torture is worth.
const STEPS_OF_ROUND: usize = 10;

/// A port that nobody has.
const NO_PORT: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// Servers are shelved on their hosts, an operator takes them off; deleted ones are kept.
const SETTINGS: &str =
    "[DEFAULT]\nshelved_offload_time = -1\nreclaim_instance_interval = 3600\n[fake]\nhosts = 2\n";

struct Walk {
    cloud: TestCloud,
    demo: User,
    admin: User,
    network: String,
    image: String,
    volumes: Vec<String>,
    servers: Vec<(Server, Model)>,
    /// What was done, for whoever looks for a fault.
    steps: usize,
}

impl Walk {
    async fn begin(settings: &str) -> Self {
        let cloud = TestCloud::with(&format!("{SETTINGS}{settings}")).await;
        cloud.knows_hosts(2).await;
        let (demo, admin) = (cloud.demo().await, cloud.admin().await);
        for (name, vcpus) in [("small", 1), ("large", 2)] {
            let flavor = json!({"id": name, "name": name, "ram": 64, "vcpus": vcpus, "disk": 1});
            let body = json!({"flavor": flavor});
            admin.post("/compute/v2.1/flavors", &body).await.expect(200);
        }
        let quota = format!("/network/v2.0/quotas/{}", demo.project_id);
        let limits = json!({"quota": {"port": -1}});
        admin.put(&quota, &limits).await.expect(200);
        let mut volumes = Vec::new();
        for _ in 0..VOLUMES {
            volumes.push(demo.volume(json!({"size": 1})).await);
        }
        let mut walk = Walk {
            network: demo.network("private", "10.0.0.0/16").await,
            image: cloud.image(&demo).await,
            cloud,
            demo,
            admin,
            volumes,
            servers: Vec::new(),
            steps: 0,
        };
        for _ in 0..SERVERS {
            let server = walk.boot().await;
            walk.servers.push((server, Model::new()));
        }
        walk
    }

    async fn boot(&self) -> Server {
        let wanted = json!({
            "name": "walker", "flavorRef": "small", "imageRef": self.image, "networks": "none",
        });
        let server = self.cloud.boot_with(&self.demo, wanted).await;
        server.reaches("ACTIVE").await;
        server
    }

    /// One step: half of the steps are taken from those that should be accepted.
    async fn step(&mut self, random: &mut Random) {
        let number = random.below(self.servers.len());
        let (server, model) = self.servers[number].clone();
        let mut moves = model.moves(VOLUMES);
        if random.below(2) == 0 {
            let refused = |one: &Move| matches!(self.expected(&model, *one), Expected::Refused(_));
            moves.retain(|one| !refused(one));
        }
        let asked = moves[random.below(moves.len())];
        let expected = self.expected(&model, asked);
        println!("{}: {asked:?} of {number}, {model:?}", self.steps);
        self.steps += 1;
        let answer = self.ask(&server, &model, asked).await;
        let status = answer.status.as_u16();
        let right = match &expected {
            Expected::Refused(code) => status == *code,
            Expected::Accepted(_) | Expected::Goes => answer.status.is_success(),
        };
        assert!(
            right,
            "{asked:?} of {model:?}: {expected:?}, and it is {status}: {}",
            answer.text
        );
        match expected {
            Expected::Refused(_) => self.agrees(&server, &model).await,
            Expected::Accepted(after) => {
                self.agrees(&server, &after).await;
                self.servers[number].1 = after;
            }
            Expected::Goes => {
                server.vanishes().await;
                for volume in &model.volumes {
                    self.demo
                        .volume_is(&self.volumes[*volume], "available")
                        .await;
                }
                self.servers[number] = (self.boot().await, Model::new());
            }
        }
    }

    fn expected(&self, model: &Model, asked: Move) -> Expected {
        let free = match asked {
            Move::Volume(_, number) => {
                let mut all = self.servers.iter();
                all.all(|(_, other)| !other.volumes.contains(&number))
            }
            _ => true,
        };
        model.expect(asked, free)
    }

    async fn ask(&self, server: &Server, model: &Model, asked: Move) -> Answer {
        let operators = server.seen_by(&self.admin);
        let path = format!("/servers/{}", server.id);
        let send = async |version: &str, method: Method, path: String, body: Option<Value>| {
            let user = &server.user;
            user.compute(version, method, &path, body.as_ref()).await
        };
        match asked {
            Move::Act(Action::SoftDelete) => send("latest", Method::DELETE, path, None).await,
            Move::Act(action) => server.action(self.body(action, model)).await,
            Move::Operate(Operation::Shelve) => server.action(json!({"shelve": null})).await,
            Move::Operate(Operation::ShelveOffload) => {
                operators.action(json!({"shelveOffload": null})).await
            }
            Move::Operate(_) => server.action(json!({"unshelve": null})).await,
            Move::Lock => server.action(json!({"lock": null})).await,
            Move::Unlock => server.action(json!({"unlock": null})).await,
            Move::ForceDelete => server.action(json!({"forceDelete": null})).await,
            Move::Break => {
                let body = json!({"os-resetState": {"state": "error"}});
                operators.action(body).await
            }
            Move::MakeImage => {
                let made = server
                    .action(json!({"createImage": {"name": "copy"}}))
                    .await;
                if let Some(id) = made.body["image_id"].as_str() {
                    self.forget_image(id).await;
                }
                made
            }
            Move::Volume(DeviceChange::AttachVolume, number) => {
                let body = json!({"volumeAttachment": {"volumeId": self.volumes[number]}});
                let path = format!("{path}/os-volume_attachments");
                send("2.100", Method::POST, path, Some(body)).await
            }
            Move::Volume(_, number) => {
                let path = format!("{path}/os-volume_attachments/{}", self.volumes[number]);
                send("latest", Method::DELETE, path, None).await
            }
            Move::Card(DeviceChange::AttachInterface) => {
                let body = json!({"interfaceAttachment": {"net_id": self.network}});
                send(
                    "latest",
                    Method::POST,
                    format!("{path}/os-interface"),
                    Some(body),
                )
                .await
            }
            Move::Card(_) => {
                let row = self.row(server).await;
                let port = row.vifs.first().map_or(NO_PORT, |vif| vif.port_id.as_str());
                send(
                    "latest",
                    Method::DELETE,
                    format!("{path}/os-interface/{port}"),
                    None,
                )
                .await
            }
        }
    }

    /// The body of an action.
    fn body(&self, action: Action, model: &Model) -> Value {
        let other = if model.large { "small" } else { "large" };
        match action {
            Action::Start => json!({"os-start": null}),
            Action::Stop => json!({"os-stop": null}),
            Action::RebootSoft => json!({"reboot": {"type": "SOFT"}}),
            Action::RebootHard => json!({"reboot": {"type": "HARD"}}),
            Action::Rebuild => json!({"rebuild": {"imageRef": self.image}}),
            Action::Resize => json!({"resize": {"flavorRef": other}}),
            other => {
                let word = compute_model::lifecycle::rule(other).word;
                json!({word: null})
            }
        }
    }

    /// Waits until an image is made, and removes it.
    async fn forget_image(&self, id: &str) {
        let path = format!("/image/v2/images/{id}");
        until("the image is made", || async {
            let shown = self.demo.get(&path).await.expect(200);
            (shown["status"] == "active").then_some(())
        })
        .await;
        self.demo.delete(&path).await.expect(204);
    }

    async fn row(&self, server: &Server) -> Row {
        let db = &self.cloud.cloud().db;
        servers::find(db.read(), &server.id).await.expect("a row")
    }

    /// Waits until a server is as the model has it: its record, its guest, its volumes and ports.
    async fn agrees(&self, server: &Server, model: &Model) {
        let started = Instant::now();
        loop {
            let row = self.row(server).await;
            let Some(wrong) = self.wrong(server, &row, model).await else {
                return;
            };
            assert!(
                started.elapsed() < testing::TIMEOUT,
                "{wrong}: {model:?}, and the row is {row:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What is not as the model has it.
    async fn wrong(&self, server: &Server, row: &Row, model: &Model) -> Option<&'static str> {
        if row.task_state.is_some() || row.vm_state != model.vm_state {
            return Some("its state");
        }
        let size = if model.large { "large" } else { "small" };
        if row.flavor.id != size {
            return Some("its size");
        }
        if row.lock.is_some() != model.locked {
            return Some("its lock");
        }
        let wanted: BTreeSet<&str> = model
            .volumes
            .iter()
            .map(|number| self.volumes[*number].as_str())
            .collect();
        let volumes = row.volumes.iter();
        let recorded: BTreeSet<&str> = volumes.map(|one| one.volume_id.as_str()).collect();
        if recorded != wanted || row.volumes.iter().any(|one| one.detaching) {
            return Some("its volumes");
        }
        if row.vifs.len() != model.cards || server.ports().await.len() != model.cards {
            return Some("its cards");
        }
        for (number, id) in self.volumes.iter().enumerate() {
            let mut others = self.servers.iter();
            let elsewhere =
                others.any(|(other, has)| other.id != server.id && has.volumes.contains(&number));
            if !elsewhere && !self.volume_agrees(id, model, number).await {
                return Some("what the volume service says");
            }
        }
        self.guest_wrong(server, row, &wanted).await
    }

    async fn volume_agrees(&self, id: &str, model: &Model, number: usize) -> bool {
        let path = format!("{}/{id}", self.demo.volumes());
        let shown = self.demo.get(&path).await.expect(200);
        let status = shown["volume"]["status"].as_str().expect("a status");
        match (model.volumes.contains(&number), model.vm_state) {
            (false, _) => status == "available",
            (true, VmState::ShelvedOffloaded) => ["reserved", "in-use"].contains(&status),
            (true, _) => status == "in-use",
        }
    }

    /// What is not right about its guest: where it is, whether it runs, and its devices.
    async fn guest_wrong(
        &self,
        server: &Server,
        row: &Row,
        volumes: &BTreeSet<&str>,
    ) -> Option<&'static str> {
        for hosted in &self.cloud.cloud().hosts {
            let facts = hosted.driver.inspect(&server.id).await.expect("a host");
            let here = row.host.as_deref() == Some(hosted.host.as_str());
            let Some(facts) = facts.filter(|_| here) else {
                match here {
                    true => return Some("its guest, which is not there"),
                    false => continue,
                }
            };
            if !powers(row.vm_state).contains(&facts.power_state) {
                return Some("its power");
            }
            let spec = hosted.driver.spec(&server.id).await.expect("a host")?;
            let given: BTreeSet<&str> = spec.volumes.iter().map(|one| one.id.as_str()).collect();
            if given != *volumes {
                return Some("the volumes of its guest");
            }
            if spec.nics.len() != row.vifs.len() {
                return Some("the cards of its guest");
            }
            if spec.vcpus != row.flavor.vcpus {
                return Some("the size of its guest");
            }
        }
        None
    }

    async fn end(self) {
        for (server, _) in &self.servers {
            server.action(json!({"unlock": null})).await.expect(202);
            let body = json!({"forceDelete": null});
            server.action(body).await.expect(202);
        }
        for (server, _) in &self.servers {
            server.vanishes().await;
        }
        for id in &self.volumes {
            self.demo.volume_is(id, "available").await;
            let path = format!("{}/{id}", self.demo.volumes());
            self.demo.delete(&path).await.expect(202);
        }
        until("no volume is left", || async {
            self.demo.all_volumes().await.is_empty().then_some(())
        })
        .await;
        self.cloud.audit().await;
    }
}

/// What a guest may be in this state; after an error nobody knows.
fn powers(state: VmState) -> &'static [PowerState] {
    match state {
        VmState::Active | VmState::Rescued => &[PowerState::Running],
        VmState::Paused => &[PowerState::Paused],
        VmState::Suspended => &[PowerState::Suspended, PowerState::Shutdown],
        VmState::Stopped | VmState::SoftDeleted | VmState::Shelved => &[PowerState::Shutdown],
        VmState::Resized => &[PowerState::Running, PowerState::Shutdown],
        _ => &[
            PowerState::Running,
            PowerState::Paused,
            PowerState::Suspended,
            PowerState::Shutdown,
        ],
    }
}

async fn walk(settings: &str, steps: usize) {
    let mut random = Random::from_environment();
    let steps = random
        .rounds
        .map_or(steps, |rounds| rounds * STEPS_OF_ROUND);
    let mut walk = Walk::begin(settings).await;
    for _ in 0..steps {
        walk.step(&mut random).await;
    }
    walk.end().await;
}

async fn walk_on(variable: &str) {
    if let Some(settings) = databases_of(variable).await {
        walk(&settings, 60).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_server_the_table_says_what_becomes_of_it() {
    walk("", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_server_on_postgresql_the_table_says_what_becomes_of_it() {
    walk_on("KILONOVA_TEST_POSTGRES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_server_on_mariadb_the_table_says_what_becomes_of_it() {
    walk_on("KILONOVA_TEST_MARIADB").await;
}
