//! Starting, restarting and auditing a cloud.

use std::path::{Path, PathBuf};

use hypervisor::{Driver, ServerSpec};
use hypervisor_fake::{FailCall, FakeDriver, Faults, Verb};
use kilonova::{Cloud, Config};
use serde_json::json;

use crate::{Server, User, until};

/// A running cloud with a temporary folder.
pub struct TestCloud {
    cloud: Option<Cloud>,
    settings: String,
    change: fn(&mut Config),
    folder: tempfile::TempDir,
}

/// What every test cloud has: free ports, no networks on the host, cheap password hashes.
const COMMON: &str = "
[DEFAULT]
compute_driver = fake
[api]
bind = 127.0.0.1:0
metadata_bind =
[console]
bind = 127.0.0.1:0
[identity]
password_hash_rounds = 4
[network]
plane = none
[quota]
instances = -1
cores = -1
ram = -1
";

/// The settings file of a test cloud in this folder.
pub fn text(folder: &Path, more: &str) -> String {
    let state_path = folder.display();
    format!("{COMMON}\n[DEFAULT]\nstate_path = {state_path}\n{more}")
}

/// The settings of a test cloud in this folder.
///
/// # Errors
/// What is wrong with `more`.
pub fn config(folder: &Path, more: &str) -> anyhow::Result<Config> {
    Config::from_text(&text(folder, more))
}

/// With `KILONOVA_TEST_LOG` set, what clouds log is shown on standard error.
#[allow(
    clippy::disallowed_methods,
    reason = "a switch for people who look for a fault"
)]
fn log(config: &Config) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if std::env::var_os("KILONOVA_TEST_LOG").is_some() {
        ONCE.call_once(|| telemetry::init(&config.telemetry).expect("a log"));
    }
}

/// Why a cloud with these settings does not start.
///
/// # Panics
/// When it does.
pub async fn refusal(more: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = match config(&folder.path().join("s"), more) {
        Err(error) => error,
        Ok(config) => match Cloud::start(&config).await {
            Err(error) => error,
            Ok(_) => panic!("it starts"),
        },
    };
    format!("{error:#}")
}

impl TestCloud {
    /// A cloud with one simulated host.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// The same with more settings, as in a file.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with(settings: &str) -> Self {
        Self::changed(settings, |_| {}).await
    }

    /// The same with settings that no file could give.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn changed(settings: &str, change: fn(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut cloud = TestCloud {
            cloud: None,
            settings: settings.to_owned(),
            change,
            folder,
        };
        cloud.open().await;
        cloud
    }

    /// Its settings.
    ///
    /// # Panics
    /// When they are wrong.
    pub fn config(&self) -> Config {
        let mut config = config(&self.state_path(), &self.settings).expect("settings");
        (self.change)(&mut config);
        config
    }

    async fn open(&mut self) {
        let config = self.config();
        log(&config);
        // The future of a whole start is deep: boxed, it does not grow those of tests.
        let cloud = Box::pin(Cloud::start(&config))
            .await
            .expect("the cloud starts");
        self.cloud = Some(cloud);
    }

    /// Ends it in order and starts it again on the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.open().await;
    }

    /// Ends it in order; its folder stays.
    pub async fn stop(&mut self) {
        if let Some(cloud) = self.cloud.take() {
            cloud.stop().await;
        }
    }

    /// Ends it in order and starts it again with other settings.
    pub async fn restart_with(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
        self.restart().await;
    }

    /// The simulated host of this number, counted from 0.
    pub fn host(&self, number: usize) -> &FakeDriver {
        let hosted = &self.cloud().hosts[number];
        hosted
            .fake
            .as_ref()
            .expect("test clouds simulate their hosts")
    }

    /// The first host's next call of this verb fails.
    ///
    /// # Panics
    /// The host cannot keep the setting.
    pub fn fail_next(&self, verb: Verb) {
        let faults = Faults {
            fail_calls: vec![FailCall { verb, nth: 1 }],
            ..Faults::default()
        };
        self.set_faults(&faults);
    }

    /// What goes wrong on the first host from now on.
    ///
    /// # Panics
    /// The host cannot keep the setting.
    pub fn set_faults(&self, faults: &Faults) {
        self.host(0).set_faults(faults).expect("faults");
    }

    /// What the first host starts a server by; `None`: the server is not there.
    pub async fn guest(&self, server: &Server) -> Option<ServerSpec> {
        let guest = self.host(0).spec(&server.id).await;
        guest.expect("the host answers")
    }

    /// The same of a server that is there.
    ///
    /// # Panics
    /// It is not.
    pub async fn kept(&self, server: &Server) -> ServerSpec {
        self.guest(server).await.expect("the server is here")
    }

    /// Processors that the first host has given away.
    pub async fn vcpus_used(&self) -> serde_json::Value {
        let (admin, path) = (self.admin().await, "/os-hypervisors/detail");
        let shown = admin.compute("2.87", http::Method::GET, path, None).await;
        shown.expect(200)["hypervisors"][0]["vcpus_used"].take()
    }

    /// Hosts report themselves a moment after the start: waits until so many are known.
    pub async fn knows_hosts(&self, count: usize) {
        let db = &self.cloud().db;
        until("all hosts report", || async {
            let nodes = compute_db::hosts::nodes(db.read(), None).await;
            (nodes.expect("the nodes").len() == count).then_some(())
        })
        .await;
    }

    /// The cloud itself.
    pub fn cloud(&self) -> &Cloud {
        self.cloud
            .as_ref()
            .expect("running between start and restart")
    }

    /// The URL of its compute database.
    ///
    /// # Panics
    /// It does not run.
    pub fn compute_database(&self) -> String {
        let config = config(&self.state_path(), &self.settings).expect("settings");
        config.database_url(&self.cloud().state.path, "compute")
    }

    /// Its folder.
    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The administrator.
    pub async fn admin(&self) -> User {
        let cloud = self.cloud();
        let password = &cloud.state.secrets.admin_password;
        User::log_in(&cloud.url, "admin", password, "admin").await
    }

    /// The demo user.
    pub async fn demo(&self) -> User {
        let cloud = self.cloud();
        let password = &cloud.state.secrets.demo_password;
        User::log_in(&cloud.url, "demo", password, "demo").await
    }

    /// A member of a project of their own, made by the administrator.
    pub async fn stranger(&self, name: &str) -> User {
        let admin = self.admin().await;
        let project = json!({"project": {"name": name}});
        let project = admin
            .post("/identity/v3/projects", &project)
            .await
            .expect(201);
        let project = project["project"]["id"].as_str().expect("an id").to_owned();
        let user =
            json!({"user": {"name": name, "password": "secret-word", "domain_id": "default"}});
        let user = admin.post("/identity/v3/users", &user).await.expect(201);
        let user = user["user"]["id"].as_str().expect("an id").to_owned();
        let roles = admin
            .get("/identity/v3/roles?name=member")
            .await
            .expect(200);
        let role = roles["roles"][0]["id"].as_str().expect("an id").to_owned();
        let path = format!("/identity/v3/projects/{project}/users/{user}/roles/{role}");
        admin.put(&path, &json!({})).await.expect(204);
        User::log_in(&self.cloud().url, name, "secret-word", name).await
    }

    /// A flavor of 64 MiB, one processor and 1 GiB, made once; its id.
    pub async fn tiny(&self) -> String {
        self.admin().await.flavor("tiny", 1).await;
        "tiny".to_owned()
    }

    /// A raw image of one MiB, made anew; its id.
    pub async fn image(&self, user: &User) -> String {
        user.image("raw", vec![0; 1 << 20]).await
    }

    /// Asks for a server without networks.
    pub async fn boot(&self, user: &User, name: &str) -> Server {
        let (flavor, image) = (self.tiny().await, self.image(user).await);
        self.boot_with(
            user,
            json!({"name": name, "flavorRef": flavor, "imageRef": image, "networks": "none"}),
        )
        .await
    }

    /// Asks for a server as described.
    pub async fn boot_with(&self, user: &User, server: serde_json::Value) -> Server {
        let body = json!({"server": server});
        let made = user
            .compute("latest", http::Method::POST, "/servers", Some(&body))
            .await
            .expect(202);
        Server {
            user: user.clone(),
            id: made["server"]["id"].as_str().expect("an id").to_owned(),
        }
    }

    /// Nothing leaked.
    ///
    /// # Panics
    /// With everything that did.
    pub async fn audit(&self) {
        let findings = self.cloud().audit().await.expect("the audit");
        assert!(findings.is_empty(), "leaked: {findings:#?}");
    }
}
