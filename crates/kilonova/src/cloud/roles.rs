//! The roles of this process: conductor, scheduler, agents, each with its settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bus::{Bus, Options};
use clients::Session;
use compute_agent::Agent;
use compute_conductor::Conductor;
use compute_db::Database;
use compute_rpc::conductor::ServiceReport;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Asked;
use crate::config::Config;
use crate::drivers;
use crate::membership::Membership;
use crate::state::State;

/// What an action may take beside waiting for the guest.
const ACTION_MARGIN: Duration = Duration::from_secs(120);

/// What the roles are made of.
pub(super) struct Parts<'a> {
    pub config: &'a Config,
    pub state: &'a State,
    pub membership: &'a Membership,
    pub bus: &'a Bus,
    pub asked: &'a Asked,
    pub session: &'a Session,
}

pub(super) async fn conductor(parts: &Parts<'_>, db: &Database) -> Result<Conductor> {
    let config = parts.config;
    let defaults = compute_conductor::Settings::default();
    let settings = compute_conductor::Settings {
        host: config.place.host.to_string(),
        cloud_id: parts.membership.cloud_id.clone(),
        max_attempts: config.scheduler.max_attempts,
        service_down_time: config.compute.service_down_time,
        vif_plugging_timeout: config.compute.vif_plugging_timeout,
        vif_plugging_is_fatal: config.compute.vif_plugging_is_fatal,
        build_timeout: config.compute.long_rpc_timeout,
        allow_resize_to_same_host: config.compute.allow_resize_to_same_host,
        resize_confirm_window: Some(config.compute.resize_confirm_window)
            .filter(|window| !window.is_zero()),
        shelved_offload_time: config
            .compute
            .shelved_offload()
            .filter(|after| !after.is_zero()),
        reclaim_instance_interval: Some(config.compute.reclaim_instance_interval)
            .filter(|interval| !interval.is_zero()),
        keep: config.database.keep.clone(),
        // An action may wait for a guest to shut down.
        action_timeout: defaults
            .action_timeout
            .max(config.compute.shutdown_timeout + ACTION_MARGIN),
        ..defaults
    };
    let env = compute_conductor::Env {
        db: db.read_only(),
        bus: parts.bus.clone(),
        network: parts.asked.network.clone(),
        image: parts.asked.image.clone(),
        volume: parts.asked.volume.clone(),
        session: parts.session.clone(),
        settings,
        hearing: compute_conductor::Hearing::default(),
    };
    let sole = parts.state.sole_process(db.engine());
    Ok(Conductor::start(Arc::new(env), db.clone(), sole).await?)
}

pub(super) async fn scheduler(config: &Config, db: &Database, bus: &Bus) -> Result<()> {
    let settings = compute_scheduler::Settings {
        service_down_time: config.compute.service_down_time,
        default_availability_zone: config.compute.default_availability_zone.clone(),
        ..config.filter_scheduler.0.clone()
    };
    compute_scheduler::serve(bus, db.clone(), settings).await?;
    Ok(())
}

pub(super) async fn agents(parts: &Parts<'_>, hosts: &[drivers::Hosted]) -> Result<Vec<Agent>> {
    let config = parts.config;
    let mut agents = Vec::with_capacity(hosts.len());
    let cloud_id = &parts.membership.cloud_id;
    for (hosted, node) in hosts.iter().zip(&parts.membership.nodes) {
        let compute = &config.compute;
        let settings = compute_agent::Settings {
            my_ip: config.place.my_ip.clone(),
            image_cache: parts.state.path.join("image-cache"),
            snapshots: parts.state.copies().join(hosted.host.as_str()),
            upload_timeout: compute.long_rpc_timeout,
            cache: compute_agent::CacheSettings {
                keep_free: config.place.disk_reserve,
                ..config.image_cache.0.clone()
            },
            max_concurrent_builds: compute.max_concurrent_builds,
            report_interval: compute.report_interval,
            sync_interval: compute.sync_power_state_interval,
            shutdown_timeout: compute.shutdown_timeout,
            resume_guests: compute.resume_guests_state_on_host_boot,
            reserved_memory_mb: compute.reserved_host_memory_mb,
            reserved_vcpus: compute.reserved_host_cpus,
            reserved_disk_gb: compute.reserved_host_disk_mb.div_ceil(1024),
            cpu_ratio: compute.cpu_ratio,
            ram_ratio: compute.ram_ratio,
            disk_ratio: compute.disk_ratio,
            dhcp_domain: config.api.dhcp_domain.clone(),
            default_ephemeral_format: compute.default_ephemeral_format,
            ..compute_agent::Settings::of(cloud_id, hosted.host.clone(), &node.id)
        };
        let agent = Agent::start(
            hosted.driver.clone(),
            parts.bus.clone(),
            parts.asked.image.clone(),
            parts.session.clone(),
            settings,
        );
        agents.push(agent.await?);
    }
    Ok(agents)
}

/// Roles without an agent say that they are alive, for `os-services`.
pub(super) fn report_services(tasks: &TaskTracker, parts: &Parts<'_>, stop: &CancellationToken) {
    let (bus, stop) = (parts.bus.clone(), stop.clone());
    let (host, cloud_id) = (
        parts.config.place.host.clone(),
        parts.membership.cloud_id.clone(),
    );
    let interval = parts.config.compute.report_interval;
    tasks.spawn(async move {
        loop {
            for binary in ["nova-conductor", "nova-scheduler"] {
                let report = ServiceReport {
                    cloud_id: cloud_id.clone(),
                    host: host.clone(),
                    binary: binary.to_owned(),
                };
                let address = compute_rpc::conductor::address();
                if let Err(error) = bus.cast(&address, report, Options::default()).await {
                    tracing::warn!(%error, binary, "a service could not report");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = stop.cancelled() => return,
            }
        }
    });
}
