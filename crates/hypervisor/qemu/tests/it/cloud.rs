//! What the tests share: a state folder, descriptions, waiting.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hypervisor::{
    ConfigDrive, ConfigFile, Driver, GuestEvent, ImageFormat, ImageRef, Keep, Quiesce, RootDisk,
    ServerSpec, SnapshotFacts, Volume, VolumeSource,
};
use hypervisor_qemu::{QemuDriver, QemuSettings};
use tokio::sync::broadcast;

/// Emulated guests on a busy machine are slow; a healthy one boots in six seconds.
pub const BOOT: Duration = Duration::from_secs(120);

/// Is QEMU here? Where it is not, the test is skipped.
pub fn qemu_is_here() -> bool {
    let here = Command::new("qemu-system-x86_64")
        .arg("--version")
        .output()
        .is_ok();
    if !here {
        skips::skip("qemu-system-x86_64 (package qemu-system-x86) is not installed");
    }
    here
}

/// A server of 32 MiB with an empty disk.
pub fn small(name: &str) -> ServerSpec {
    let mut spec = ServerSpec::minimal(uuid::Uuid::new_v4().to_string(), name);
    spec.memory_mb = 32;
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec
}

/// Sends a process a signal, by its name: `-STOP`.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "{name} {pid}");
}

/// The demo image, built once by the project's own script.
pub fn demo_image() -> ImageRef {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    let path = IMAGE.get_or_init(|| {
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo-image");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tools/demo-image.sh");
        let built = Command::new(&script).arg(&out).output().unwrap();
        assert!(
            built.status.success(),
            "demo-image.sh: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        out.join("kilonova-demo.qcow2")
    });
    let virtual_size = hypervisor::qcow2::virtual_size(path).unwrap();
    ImageRef {
        id: "demo".into(),
        path: path.clone(),
        format: ImageFormat::Qcow2,
        virtual_size,
    }
}

/// A host of its own; guests left over by a failed test are ended when it goes.
pub struct Cloud {
    pub dir: tempfile::TempDir,
}

impl Cloud {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// One with a driver; none where QEMU is not here.
    pub async fn ready() -> Option<(Self, QemuDriver)> {
        if !qemu_is_here() {
            return None;
        }
        let cloud = Self::new();
        let driver = cloud.driver().await;
        Some((cloud, driver))
    }

    pub fn settings(&self) -> QemuSettings {
        QemuSettings {
            state_path: self.dir.path().to_owned(),
            image_folders: vec![
                self.dir.path().to_owned(),
                PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo-image"),
            ],
            volume_folders: vec![self.volumes()],
            ..QemuSettings::default()
        }
    }

    pub fn volumes(&self) -> PathBuf {
        self.dir.path().join("volumes")
    }

    /// A volume of so many GiB, as the volume service leaves it: a file of root's that nobody else may open.
    pub fn volume(&self, size_gb: u64) -> Volume {
        let id = uuid::Uuid::new_v4().to_string();
        std::fs::create_dir_all(self.volumes()).unwrap();
        let path = self.volumes().join(format!("volume-{id}"));
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.set_len(size_gb << 30).unwrap();
        Volume {
            id,
            source: VolumeSource::File { path },
            read_only: false,
            shared: false,
            boot_order: None,
            cdrom: false,
            tag: None,
            limits: hypervisor::VolumeLimits::default(),
            bus: None,
            boot: false,
        }
    }

    pub async fn driver(&self) -> QemuDriver {
        QemuDriver::open(self.settings()).await.unwrap()
    }

    /// Every process that names this cloud's folder, but for the machines beside it that tests run.
    pub fn processes(&self) -> Vec<u32> {
        let folder = self.dir.path().display().to_string();
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| *pid != std::process::id())
            .filter(|pid| {
                let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let own = cmdline.starts_with(b"qemu") && !cmdline.starts_with(b"qemu-nbd");
                own && String::from_utf8_lossy(&cmdline).contains(&folder)
            })
            .chain(self.storage_daemons())
            .collect()
    }

    /// The storage daemons of servers, by their folders: these are on no command line.
    fn storage_daemons(&self) -> Vec<u32> {
        let inside = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            entries.flatten().map(|entry| entry.path())
        };
        let servers = inside(self.dir.path().join("servers"));
        let folders = servers.flat_map(|server| inside(server.join("volumes")));
        let running = folders.filter_map(|folder| storage_daemon::running(&folder));
        running.map(|running| running.process.pid).collect()
    }

    /// The last server goes, and nothing of any is left.
    pub async fn ends(&self, driver: &QemuDriver, id: &str, epoch: u64) {
        driver.ensure_gone(id, epoch, Keep::Nothing).await.unwrap();
        self.assert_empty();
    }

    /// Nothing of any server is left.
    pub fn assert_empty(&self) {
        assert_eq!(self.processes(), Vec::<u32>::new(), "no process is left");
        let left: Vec<_> = std::fs::read_dir(self.dir.path().join("servers"))
            .unwrap()
            .flatten()
            .collect();
        assert!(left.is_empty(), "no file is left: {left:?}");
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// A server of the demo image, with a config drive that carries this user data.
pub fn demo_server(name: &str, user_data: &str) -> ServerSpec {
    let id = uuid::Uuid::new_v4().to_string();
    let meta =
        format!("{{\"uuid\": \"{id}\", \"hostname\": \"{name}.novalocal\", \"name\": \"{name}\"}}");
    let file = |path: &str, text: &str| ConfigFile {
        path: path.into(),
        bytes: text.as_bytes().to_vec().into(),
    };
    let mut spec = ServerSpec::minimal(id, name);
    spec.memory_mb = 192;
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: Some(demo_image()),
    });
    spec.config_drive = Some(ConfigDrive {
        files: vec![
            file("openstack/latest/meta_data.json", &meta),
            file("openstack/latest/user_data", user_data),
        ],
    });
    spec
}

pub async fn log(driver: &dyn Driver, id: &str) -> String {
    let bytes = driver
        .console()
        .unwrap()
        .log_tail(id, 1 << 20)
        .await
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Its root disk as one file, as its guest sees it now.
pub async fn export(driver: &dyn Driver, id: &str, to: &std::path::Path) -> SnapshotFacts {
    let able = driver.snapshot().unwrap();
    able.export(id, 1, to, Quiesce::No).await.unwrap()
}

/// Waits until the guest wrote `text` at least `times` times.
pub async fn says(driver: &dyn Driver, id: &str, text: &str, times: usize) {
    let began = Instant::now();
    while log(driver, id).await.matches(text).count() < times {
        assert!(
            began.elapsed() < BOOT,
            "the guest never said {text:?}: {}",
            log(driver, id).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The next event of a server.
pub async fn event(events: &mut broadcast::Receiver<GuestEvent>, id: &str) -> GuestEvent {
    let next = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.id == id {
                return event;
            }
        }
    };
    tokio::time::timeout(BOOT, next)
        .await
        .expect("an event comes")
}

pub const READY: &str = "=== kilonova demo guest ready ===";
