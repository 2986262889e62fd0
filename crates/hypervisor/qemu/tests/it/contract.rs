//! The suite that every driver passes, on guests that only reach their firmware.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hypervisor::suite::{self, Subject};
use hypervisor::{Driver, ImageFormat, ImageRef, RootDisk, ServerSpec, Volume};

use crate::cloud::{Cloud, qemu_is_here};
use crate::served::{Server, servers_are_here};

struct Qemu {
    cloud: Cloud,
    base: PathBuf,
    /// Those of volumes that are no files; None: volumes are files.
    servers: Option<Mutex<Vec<Server>>>,
}

#[async_trait]
impl Subject for Qemu {
    async fn open(&self) -> Arc<dyn Driver> {
        Arc::new(self.cloud.driver().await)
    }

    fn spec(&self) -> ServerSpec {
        let mut spec = ServerSpec::minimal(uuid::Uuid::new_v4().to_string(), "suite, with comma");
        spec.memory_mb = 32;
        let virtual_size = 8 << 20;
        let image = ImageRef {
            id: "base".into(),
            path: self.base.clone(),
            format: ImageFormat::Raw,
            virtual_size,
        };
        spec.root_disk = Some(RootDisk {
            size_gb: 1,
            image: Some(image),
        });
        spec
    }

    fn volume(&self) -> Volume {
        let Some(servers) = &self.servers else {
            return self.cloud.volume(1);
        };
        let server = Server::new(&self.cloud, 1);
        let volume = server.volume();
        servers.lock().unwrap().push(server);
        volume
    }

    fn missing_volume(&self) -> Volume {
        let volume = self.volume();
        match volume.source.file() {
            Some(path) => std::fs::remove_file(path).unwrap(),
            // Its server ends.
            None => drop(self.servers.as_ref().unwrap().lock().unwrap().pop()),
        }
        volume
    }

    fn scratch(&self) -> PathBuf {
        self.cloud.dir.path().to_owned()
    }

    fn record(&self, id: &str) -> PathBuf {
        let servers = self.cloud.dir.path().join("servers");
        servers.join(id).join("spec.json")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_qemu_driver_keeps_the_contract() {
    if qemu_is_here() {
        keeps_the_contract(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_qemu_driver_keeps_the_contract_with_volumes_that_other_machines_serve() {
    if qemu_is_here() && servers_are_here() {
        keeps_the_contract(Some(Mutex::default())).await;
    }
}

async fn keeps_the_contract(servers: Option<Mutex<Vec<Server>>>) {
    let cloud = Cloud::new();
    let base = cloud.dir.path().join("base.raw");
    std::fs::write(&base, vec![0x5a_u8; 8 << 20]).unwrap();
    let subject = Qemu {
        cloud,
        base,
        servers,
    };
    suite::check(&subject).await;
    subject.cloud.assert_empty();
    assert_eq!(
        std::fs::read(&subject.base).unwrap(),
        vec![0x5a_u8; 8 << 20],
        "a base image is never written"
    );
}
