//! The hypervisors of this process: an explicit match, no registration.

use std::sync::Arc;

use anyhow::{Context, Result};
use hypervisor::Driver;
use hypervisor_fake::{FakeDriver, FakeSettings};
use hypervisor_qemu::{QemuDriver, QemuSettings};

use crate::config::{Config, Driver as Kind};
use crate::state::State;

/// A driver and the service host it works for.
pub struct Hosted {
    pub host: String,
    pub driver: Arc<dyn Driver>,
    /// The same, when it is simulated: tests let things go wrong there.
    pub fake: Option<FakeDriver>,
}

/// Opens what the settings choose.
///
/// # Errors
/// QEMU is not installed or cannot run; the text says what to install.
pub async fn open(config: &Config, state: &State) -> Result<Vec<Hosted>> {
    match config.place.compute_driver {
        Kind::Qemu => {
            let driver = QemuDriver::open(qemu_settings(config, state))
                .await
                .context("the QEMU driver cannot start (kilonova doctor says more)")?;
            Ok(vec![Hosted {
                host: config.place.host.clone(),
                driver: Arc::new(driver),
                fake: None,
            }])
        }
        Kind::Fake => fakes(config, state),
    }
}

/// The QEMU driver's settings.
pub fn qemu_settings(config: &Config, state: &State) -> QemuSettings {
    QemuSettings {
        state_path: state.path.clone(),
        hostname: config.place.host.clone(),
        virt_type: config.qemu.virt_type,
        qemu_binary: config.qemu.binary.clone(),
        image_folders: vec![state.path.join("image-cache")],
        machine_type: config.qemu.machine_type.clone(),
        cpu_model: config.qemu.cpu_model.clone(),
        cgroups: config.qemu.cgroups,
        disk_reserve: config.place.disk_reserve,
        ..QemuSettings::default()
    }
}

/// The first simulated host has the machine's name, the others a number behind it.
fn fakes(config: &Config, state: &State) -> Result<Vec<Hosted>> {
    let mut hosts = Vec::with_capacity(config.fake.hosts);
    for number in 1..=config.fake.hosts {
        let host = match number {
            1 => config.place.host.clone(),
            number => format!("{}-{number}", config.place.host),
        };
        let settings = FakeSettings {
            hostname: host.clone(),
            vcpus: config.fake.vcpus,
            memory_mb: config.fake.memory_mb,
            disk_gb: config.fake.disk_gb,
            state_dir: config
                .fake
                .persistent
                .then(|| state.path.join("servers").join(&host)),
            vnc_server: config.fake.vnc_server.clone(),
            latencies: config.fake.latencies,
            faults: config.fake.faults.clone(),
            ..FakeSettings::default()
        };
        let driver = FakeDriver::open(settings).context("the fake driver cannot start")?;
        hosts.push(Hosted {
            host,
            driver: Arc::new(driver.clone()),
            fake: Some(driver),
        });
    }
    Ok(hosts)
}
