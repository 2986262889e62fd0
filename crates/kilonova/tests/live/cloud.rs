//! A cloud as an operator starts it: the binary, a state folder, a network namespace as its machine.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::leftovers::{self, leftovers};
use crate::user::{User, id, text};

/// Emulated guests on a busy machine are slow; a healthy one answers in seven seconds.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// What the tests' programs are, and what to install where they are missing.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("dnsmasq", "dnsmasq-base"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many tests have a machine now: an emulated guest takes a whole processor, and more of them would time out.
static MACHINES: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to have a machine, as long as it is held.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let (count, changed) = &MACHINES;
        let held = count.lock().unwrap_or_else(PoisonError::into_inner);
        let held = changed.wait_while(held, |held| *held >= most);
        *held.unwrap_or_else(PoisonError::into_inner) += 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (count, changed) = &MACHINES;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        changed.notify_one();
    }
}

/// Runs the test on a thread of a new network namespace, or says why not.
pub fn on_a_machine<F: Future<Output = ()>>(
    needs: &[(&str, &str)],
    body: impl FnOnce() -> F + Send + 'static,
) {
    if !nix::unistd::geteuid().is_root() {
        skips::skip("network namespaces need root");
        return;
    }
    for (program, package) in PROGRAMS.iter().chain(needs) {
        let found = PATH
            .split(':')
            .any(|folder| Path::new(folder).join(program).exists());
        if !found {
            skips::skip(format!("{program} (package {package}) is not installed"));
            return;
        }
    }
    let _turn = Turn::wait();
    // Fetched here: the machine of a test reaches nothing outside.
    demo_image();
    novnc();
    let machine = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        sh("ip link set lo up");
        // Everything on this thread: others would be in the namespace of who started them.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(body());
    });
    if let Err(panic) = machine.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a shell command that must succeed.
pub fn sh(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", command])
        .env("PATH", PATH)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `ask` has an answer.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn made_by(script: &str, folder: &Path) {
    let output = Command::new(project().join("tools").join(script))
        .arg(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
}

/// The demo guest: what the environment names, else built once by the project's own script.
pub fn demo_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| match std::env::var_os("KILONOVA_TEST_DEMO_IMAGE") {
        Some(path) => path.into(),
        None => {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo-image");
            made_by("demo-image.sh", &folder);
            folder.join("kilonova-demo.qcow2")
        }
    })
}

/// noVNC: where the environment says, where Debian has it, else fetched once.
pub fn novnc() -> &'static Path {
    static NOVNC: OnceLock<PathBuf> = OnceLock::new();
    NOVNC.get_or_init(|| match std::env::var_os("KILONOVA_TEST_NOVNC") {
        Some(path) => path.into(),
        None if Path::new("/usr/share/novnc/core/rfb.js").exists() => "/usr/share/novnc".into(),
        None => {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("novnc");
            made_by("novnc.sh", &folder);
            folder
        }
    })
}

/// A cloud's folder and, while it runs, its process. Going, it takes everything with it.
pub struct Cloud {
    folder: tempfile::TempDir,
    process: Option<Child>,
    finished: bool,
}

impl Cloud {
    /// A folder and settings; nothing runs.
    pub fn new(settings: &str) -> Self {
        // Short: guests' sockets lie in it. And not on another's machine of tests.
        let folder = tempfile::Builder::new()
            .prefix("kn-")
            .tempdir_in("/tmp")
            .unwrap();
        let cloud = Cloud {
            folder,
            process: None,
            finished: false,
        };
        cloud.configure(settings);
        cloud
    }

    /// Writes the settings for the next start.
    pub fn configure(&self, settings: &str) {
        let own = format!(
            "[DEFAULT]\nstate_path = {}\nhost = live\n[network]\nplane = linux\ngateway_services = tcp/7006-7007\n[vnc]\nnovnc_path = {}\n{settings}\n",
            self.path().display(),
            novnc().display()
        );
        std::fs::write(self.file("kilonova.conf"), own).unwrap();
    }

    /// A running cloud.
    pub async fn start() -> Self {
        let mut cloud = Self::new("");
        cloud.up().await;
        cloud
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn kilonova(&self, command: &str) -> Command {
        let mut line = Command::new(env!("CARGO_BIN_EXE_kilonova"));
        line.arg(command)
            .arg("--config-file")
            .arg(self.file("kilonova.conf"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KILONOVA_") {
                line.env_remove(name);
            }
        }
        line
    }

    /// Runs a command of the binary to its end.
    pub fn run(&self, command: &str) -> Output {
        self.kilonova(command).output().unwrap()
    }

    /// Starts the process and waits until it answers.
    pub async fn up(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.file("kilonova.log"))
            .unwrap();
        let process = self
            .kilonova("up")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        eventually("the cloud answers", TIMEOUT, async || {
            let answer = http.get("http://127.0.0.1:8774/healthcheck").send().await;
            answer
                .is_ok_and(|answer| answer.status().is_success())
                .then_some(())
        })
        .await;
    }

    /// The end that no process can prepare for.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a running cloud");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// The orderly end of the process; guests and networks go on.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = nix::unistd::Pid::from_raw(process.id().cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            assert!(process.wait().unwrap().success(), "an orderly end");
        }
    }

    pub async fn admin(&self) -> User {
        User::log_in(self.path(), "admin").await
    }

    pub async fn demo(&self) -> User {
        User::log_in(self.path(), "demo").await
    }

    /// Nothing belongs to nobody; then down, which leaves nothing on the machine.
    pub async fn finish(mut self) {
        self.stop();
        let audit = self.run("audit");
        let findings = String::from_utf8_lossy(&audit.stdout);
        let errors = String::from_utf8_lossy(&audit.stderr);
        assert!(
            audit.status.success(),
            "the audit found: {findings}{errors}"
        );
        let down = self.run("down");
        let errors = String::from_utf8_lossy(&down.stderr);
        assert!(down.status.success(), "kilonova down: {errors}");
        assert_eq!(
            leftovers(self.path()),
            Vec::<String>::new(),
            "left after kilonova down"
        );
        self.finished = true;
    }

    /// The guest's serial line since its start.
    pub fn console_log(&self, server: &str) -> String {
        let log = std::fs::read(self.file(&format!("servers/{server}/console.log")));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let log = std::fs::read_to_string(self.file("kilonova.log")).unwrap_or_default();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains(" answered status=2"))
            .collect();
        println!(
            "last lines of the cloud's log:\n{}",
            lines[lines.len().saturating_sub(60)..].join("\n")
        );
        if let Some(mut process) = self.process.take() {
            // The guests first: an orderly end is tried by `down` below.
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = self.run("down");
        leftovers::remove(self.path());
    }
}

/// What every test with guests wants: image, flavor, networks with a router between, a key.
pub struct Site {
    pub image: String,
    pub flavor: String,
    pub public: String,
    pub private: String,
    pub key: PathBuf,
}

/// The host's address on the network of floating addresses.
pub const OUTSIDE: &str = "172.24.4.1";

impl Site {
    pub async fn make(cloud: &Cloud) -> Self {
        let (admin, demo) = (cloud.admin().await, cloud.demo().await);
        let body = json!({
            "name": "demo", "disk_format": "qcow2", "container_format": "bare", "visibility": "public",
        });
        let image = id(&admin.post("/image/v2/images", &body).await);
        admin
            .upload(&image, std::fs::read(demo_image()).unwrap())
            .await;
        let flavor = json!({"flavor": {"name": "tiny", "ram": 192, "vcpus": 1, "disk": 1}});
        let flavor = admin.post("/compute/v2.1/flavors", &flavor).await;
        let public = json!({"network": {"name": "public", "router:external": true}});
        let public = id(&admin.post("/network/v2.0/networks", &public).await["network"]);
        let subnet = json!({"subnet": {
            "network_id": public, "ip_version": 4, "cidr": "172.24.4.0/24", "gateway_ip": OUTSIDE, "enable_dhcp": false,
        }});
        admin.post("/network/v2.0/subnets", &subnet).await;
        let private = json!({"network": {"name": "private"}});
        let private = id(&demo.post("/network/v2.0/networks", &private).await["network"]);
        let subnet =
            json!({"subnet": {"network_id": private, "ip_version": 4, "cidr": "10.20.0.0/24"}});
        let subnet = id(&demo.post("/network/v2.0/subnets", &subnet).await["subnet"]);
        let router = json!({"router": {"external_gateway_info": {"network_id": public}}});
        let router = id(&demo.post("/network/v2.0/routers", &router).await["router"]);
        let path = format!("/network/v2.0/routers/{router}/add_router_interface");
        demo.put(&path, &json!({"subnet_id": subnet})).await;
        let pair = json!({"keypair": {"name": "key", "type": "ssh"}});
        let pair = demo.post("/compute/v2.1/os-keypairs", &pair).await;
        let key = cloud.file("key");
        std::fs::write(&key, text(&pair["keypair"]["private_key"])).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Site {
            image,
            flavor: id(&flavor["flavor"]),
            public,
            private,
            key,
        }
    }
}

impl Cloud {
    /// For a cloud that never ran: there is nothing to take down.
    pub fn finish_unused(mut self) {
        assert_eq!(crate::leftovers::processes(self.path()), Vec::new());
        self.finished = true;
    }
}
