//! The hypervisors of this process: an explicit match, no registration.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use compute_model::HostName;
use hypervisor::Driver;
use hypervisor_fake::{FakeDriver, FakeSettings};
use hypervisor_qemu::{QemuDriver, QemuSettings};

use crate::companions::Configured;
use crate::config::{Config, Driver as Kind};
use crate::state::State;

/// A driver and the service host it works for.
#[derive(Clone)]
pub struct Hosted {
    pub host: HostName,
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
            distinct_users(config)?;
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

/// A guest must not be the user whose files a companion's program writes.
fn distinct_users(config: &Config) -> Result<()> {
    let qemu = &config.qemu;
    let guests = qemu.uid_base..qemu.uid_base.saturating_add(qemu.uid_count);
    for (option, user) in config.companions().filter_map(Configured::machine_user) {
        ensure!(
            !guests.contains(&user),
            "{option} = {user} is the number of a guest's user, too: [qemu] uid_base = {} and uid_count = {} \
             give guests {} to {}",
            qemu.uid_base,
            qemu.uid_count,
            guests.start,
            guests.end - 1
        );
    }
    Ok(())
}

/// The QEMU driver's settings.
pub fn qemu_settings(config: &Config, state: &State) -> QemuSettings {
    QemuSettings {
        state_path: state.path.clone(),
        hostname: config.place.host.to_string(),
        virt_type: config.qemu.virt_type,
        qemu_binary: config.qemu.binary.clone(),
        image_folders: vec![state.path.join("image-cache")],
        volume_folders: config
            .companions()
            .flat_map(|one| one.guest_files(&state.path))
            .collect(),
        machine_type: config.qemu.machine_type.clone(),
        cpu_model: config.qemu.cpu_model.clone(),
        cgroups: config.qemu.cgroups,
        disk_reserve: config.place.disk_reserve,
        confinement: config.qemu.confinement,
        uid_base: config.qemu.uid_base,
        uid_count: config.qemu.uid_count,
        program_folders: config.qemu.program_folders.clone(),
        memory_overhead_mb: config.qemu.memory_overhead_mb,
        oom_score_adj: config.qemu.oom_score_adj,
        ..QemuSettings::default()
    }
}

fn fakes(config: &Config, state: &State) -> Result<Vec<Hosted>> {
    let mut hosts = Vec::with_capacity(config.fake.hosts);
    for host in config.host_names()? {
        let settings = FakeSettings {
            hostname: host.to_string(),
            vcpus: config.fake.vcpus,
            memory_mb: config.fake.memory_mb,
            disk_gb: config.fake.disk_gb,
            state_dir: config
                .fake
                .persistent
                .then(|| state.path.join("servers").join(host.as_str())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dhcp_servers_and_guests_are_different_users() {
        let config = |text: &str| Config::from_text(text).unwrap();
        assert!(distinct_users(&config("")).is_ok());
        let clash = distinct_users(&config("[network]\ndhcp_uid = 70000\n")).unwrap_err();
        assert!(clash.to_string().contains("uid_base = 70000"), "{clash}");
        assert!(distinct_users(&config("[qemu]\nuid_base = 60000\nuid_count = 9999\n")).is_ok());
    }
}
