//! Volumes that another machine serves, here a server of NBD on the loopback interface: who opens them, who may have them, and
//! what is left. Guests only reach their firmware.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hypervisor::{
    DeviceCommand, DiskBus, Driver, DriverError, Keep, Secret, ServerSpec, StopHow, Volume,
    VolumeSource,
};

use crate::cloud::{Cloud, qemu_is_here, signal, small};

const SOON: Duration = Duration::from_secs(30);

/// Are a server of NBD and what opens its volumes here?
pub fn servers_are_here() -> bool {
    let here = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let both = here("qemu-nbd") && here("qemu-storage-daemon");
    if !both {
        skips::skip("qemu-nbd or qemu-storage-daemon is not installed");
    }
    both
}

/// A server of one volume, as another machine runs it: it knows nothing of the cloud. It ends with the test.
pub struct Server {
    id: String,
    pub file: PathBuf,
    port: u16,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}

impl Server {
    pub fn new(cloud: &Cloud, size_gb: u64) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let file = cloud.dir.path().join(format!("served-{id}"));
        let made = std::fs::File::create(&file).unwrap();
        made.set_len(size_gb << 30).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = serve(&file, port);
        Self {
            id,
            file,
            port,
            process,
        }
    }

    pub fn volume(&self) -> Volume {
        let source = serde_json::json!({
            "nbd": {"host": "127.0.0.1", "port": self.port, "export": "of the other machine"},
        });
        let volume = serde_json::json!({"id": self.id, "source": source});
        serde_json::from_value(volume).unwrap()
    }

    /// The volume grows, as servers commonly let it: by starting anew.
    pub fn grow(&mut self, size_gb: u64) {
        let file = std::fs::File::options().write(true).open(&self.file);
        file.unwrap().set_len(size_gb << 30).unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = serve(&self.file, self.port);
    }
}

/// Returns when it listens.
fn serve(file: &Path, port: u16) -> Child {
    let process = Command::new("qemu-nbd")
        .args([
            "--persistent",
            "--shared=16",
            "--format=raw",
            "--bind=127.0.0.1",
        ])
        .args([
            "--export-name=of the other machine",
            &format!("--port={port}"),
        ])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(began.elapsed() < SOON, "qemu-nbd does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

/// The folder of the volume's storage daemon.
pub fn daemon(cloud: &Cloud, server_id: &str, volume: &Volume) -> PathBuf {
    let servers = cloud.dir.path().join("servers");
    servers.join(server_id).join("volumes").join(&volume.id)
}

/// The number of the daemon, once it runs.
pub async fn daemon_pid(cloud: &Cloud, server_id: &str, volume: &Volume) -> u32 {
    let folder = daemon(cloud, server_id, volume);
    let began = Instant::now();
    loop {
        if let Some(running) = storage_daemon::running(&folder) {
            return running.process.pid;
        }
        assert!(began.elapsed() < SOON, "no daemon in {}", folder.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn first() -> DeviceCommand {
    DeviceCommand::first(1)
}

async fn kept(driver: &dyn Driver, id: &str) -> usize {
    let spec: ServerSpec = driver.spec(id).await.unwrap().unwrap();
    spec.volumes.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_runs_as_long_as_the_guest_has_the_volume() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let servers = [Server::new(&cloud, 1), Server::new(&cloud, 1)];
    let [one, two] = servers.each_ref().map(Server::volume);
    let driver = cloud.driver().await;
    let hotplug = driver.hotplug_volume().unwrap();
    let mut spec = small("served");
    spec.volumes.push(one.clone());
    let id = spec.id.as_str();
    driver.ensure_running(&spec).await.unwrap();
    let pid = daemon_pid(&cloud, id, &one).await;
    let guest = driver.inspect(id).await.unwrap().unwrap().pid.unwrap();
    let user = |pid: u32| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    assert_eq!(
        user(pid),
        user(guest),
        "a daemon has the rights of its guest"
    );
    hotplug.attach_volume(id, first(), &two).await.unwrap();
    let second = daemon_pid(&cloud, id, &two).await;
    hotplug.attach_volume(id, first(), &two).await.unwrap();
    assert_eq!(
        daemon_pid(&cloud, id, &two).await,
        second,
        "it is left alone"
    );

    // The driver starts anew; one daemon died meanwhile.
    drop(driver);
    signal("-KILL", second);
    let driver = cloud.driver().await;
    let hotplug = driver.hotplug_volume().unwrap();
    assert_ne!(daemon_pid(&cloud, id, &two).await, second);
    assert_eq!(daemon_pid(&cloud, id, &one).await, pid);

    // With the guest, they go; with the volume, its own goes.
    driver.ensure_stopped(id, 1, StopHow::Hard).await.unwrap();
    assert!(!daemon(&cloud, id, &one).exists() && !daemon(&cloud, id, &two).exists());
    hotplug.detach_volume(id, first(), &two.id).await.unwrap();
    assert_eq!(kept(&driver, id).await, 1);
    hotplug.attach_volume(id, first(), &two).await.unwrap();
    assert!(!daemon(&cloud, id, &two).exists(), "it was only tried");
    let mut spec = driver.spec(id).await.unwrap().unwrap();
    spec.epoch = 1;
    driver.ensure_running(&spec).await.unwrap();
    daemon_pid(&cloud, id, &two).await;
    // A guest that ends by itself.
    let guest = driver.inspect(id).await.unwrap().unwrap().pid.unwrap();
    signal("-KILL", guest);
    let began = Instant::now();
    while daemon(&cloud, id, &one).exists() || daemon(&cloud, id, &two).exists() {
        assert!(began.elapsed() < SOON, "daemons outlive their guest");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_nobody_needs_is_ended() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let server = Server::new(&cloud, 1);
    let volume = server.volume();
    let driver = cloud.driver().await;
    let mut spec = small("served");
    spec.volumes.push(volume.clone());
    driver.ensure_running(&spec).await.unwrap();
    daemon_pid(&cloud, &spec.id, &volume).await;
    // Left there by a driver that died before it wrote down what it did.
    let hotplug = driver.hotplug_volume().unwrap();
    driver
        .ensure_stopped(&spec.id, 1, StopHow::Hard)
        .await
        .unwrap();
    let detached = hotplug.detach_volume(&spec.id, first(), &volume.id).await;
    detached.unwrap();
    let mut without = spec.clone();
    without.volumes.clear();
    driver.ensure_running(&without).await.unwrap();
    let folder = daemon(&cloud, &spec.id, &volume);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("claim"), "{}").unwrap();
    let began = Instant::now();
    while folder.exists() {
        assert!(began.elapsed() < SOON, "what nobody needs stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guests_have_a_served_volume_only_when_both_share_or_only_read_it() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let server = Server::new(&cloud, 1);
    let driver = cloud.driver().await;
    let (mut one, mut two) = (small("one"), small("two"));
    for (read_only, shared, together) in [
        (false, false, false),
        (true, false, true),
        (false, true, true),
    ] {
        let mut volume = server.volume();
        (volume.read_only, volume.shared) = (read_only, shared);
        one.volumes = vec![volume.clone()];
        two.volumes = vec![volume];
        driver.ensure_running(&one).await.unwrap();
        let second = driver.ensure_running(&two).await;
        match together {
            true => drop(second.unwrap()),
            false => assert!(
                matches!(&second, Err(DriverError::Busy { what, .. }) if what.contains("in use")),
                "{second:?}"
            ),
        }
        for spec in [&mut one, &mut two] {
            let gone = driver
                .ensure_gone(&spec.id, spec.epoch, Keep::Nothing)
                .await;
            gone.unwrap();
            spec.epoch += 1;
        }
    }
    cloud.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_said_and_leaves_nothing() {
    if !qemu_is_here() || !servers_are_here() {
        return;
    }
    let cloud = Cloud::new();
    let server = Server::new(&cloud, 1);
    let driver = cloud.driver().await;
    let hotplug = driver.hotplug_volume().unwrap();
    let spec = small("served");
    let id = spec.id.as_str();
    driver.ensure_running(&spec).await.unwrap();
    let mut wrong = server.volume();
    let VolumeSource::Nbd(nbd) = &mut wrong.source else {
        panic!("{wrong:?}")
    };
    nbd.export = Secret::new("another".to_owned());
    let refused = hotplug.attach_volume(id, first(), &wrong).await;
    assert!(
        matches!(&refused, Err(DriverError::Hypervisor { why, .. }) if why.contains("not available")),
        "{refused:?}"
    );
    // A bus that takes nothing now: the daemon goes again.
    let mut odd = server.volume();
    odd.bus = Some(DiskBus::Usb);
    let refused = hotplug.attach_volume(id, first(), &odd).await;
    assert!(
        matches!(refused, Err(DriverError::Unsupported { .. })),
        "{refused:?}"
    );
    assert_eq!(kept(&driver, id).await, 0);
    assert!(!daemon(&cloud, id, &wrong).exists());
    let unknown = hotplug.detach_volume(id, first(), "../../x").await;
    unknown.unwrap();
    let mut new = small("new");
    new.volumes.push(wrong);
    let refused = driver.ensure_running(&new).await;
    assert!(
        matches!(refused, Err(DriverError::Hypervisor { .. })),
        "{refused:?}"
    );
    assert!(driver.inspect(&new.id).await.unwrap().is_none());
    cloud.ends(&driver, id, 1).await;
}
