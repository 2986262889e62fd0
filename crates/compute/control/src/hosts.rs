//! Hosts as `os-hosts` showed them, until 2.42: services by name, and what of a machine is taken.

use std::collections::BTreeMap;

use compute_db::hosts::{self, COMPUTE};
use compute_db::servers;
use compute_model::Server;
use compute_model::host::Node;

use crate::services::{self, ServiceStatus, Update};
use crate::{Context, Control, ControlError, Result, policy};

/// An amount of each resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    pub vcpus: u64,
    /// MiB.
    pub memory_mb: u64,
    /// GiB.
    pub disk_gb: u64,
}

/// What a host has, and who takes what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostUse {
    pub total: Amount,
    /// What is claimed, and what is kept from servers.
    pub used_now: Amount,
    /// What the flavors of its servers say.
    pub used_max: Amount,
    pub by_project: BTreeMap<String, Amount>,
}

/// The services that are not disabled, of a zone only if one is named.
///
/// # Errors
/// 403 by policy.
pub async fn list(
    control: &Control,
    cx: &Context,
    zone: Option<&str>,
) -> Result<Vec<ServiceStatus>> {
    let mut found = services::list(control, cx, None, None).await?;
    found.retain(|seen| {
        let of_zone = zone.is_none_or(|zone| zone.is_empty() || zone == seen.zone);
        of_zone && !seen.service.disabled
    });
    Ok(found)
}

/// A host that carries servers.
///
/// # Errors
/// 404; 403 by policy.
pub async fn show(control: &Control, cx: &Context, host: &str) -> Result<HostUse> {
    policy::allow(control, cx)?;
    let node = node(control, host).await?;
    let servers = servers::on_host(control.db.read(), host).await?;
    Ok(used(&node, &servers))
}

/// Starts, ends or restarts the machine of a host, which no driver can.
///
/// # Errors
/// 501; 404 and 403 by policy before that.
pub async fn power(control: &Control, cx: &Context, host: &str) -> Result<()> {
    policy::allow(control, cx)?;
    node(control, host).await?;
    Err(ControlError::Unsupported {
        why: "Machines of hosts are not started, ended or restarted from here.".to_owned(),
    })
}

async fn node(control: &Control, host: &str) -> Result<Node> {
    let nodes = hosts::nodes(control.db.read(), None).await?;
    let mut nodes = nodes.into_iter();
    let node = nodes.find(|node| node.host == host);
    node.ok_or_else(|| missing(host))
}

/// What an operator wants of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whether it takes new servers.
    Enabled(bool),
    /// Any change of its maintenance mode.
    Maintenance,
}

/// Opens a host for new servers, or closes it; gives whether it is open.
///
/// # Errors
/// 404; 403 by policy; 501 for a maintenance mode, which no driver has.
pub async fn update(control: &Control, cx: &Context, host: &str, wanted: Wanted) -> Result<bool> {
    policy::allow(control, cx)?;
    let Wanted::Enabled(enabled) = wanted else {
        node(control, host).await?;
        return Err(ControlError::Unsupported {
            why: "Hosts have no maintenance mode.".to_owned(),
        });
    };
    let update = Update {
        enabled: Some(enabled),
        ..Update::default()
    };
    match services::update_on(control, cx, host, COMPUTE, &update).await {
        Err(ControlError::NotFound { .. }) => Err(missing(host)),
        other => other.map(|()| enabled),
    }
}

fn used(node: &Node, servers: &[Server]) -> HostUse {
    let (facts, used) = (&node.facts, &node.used);
    let mut of = HostUse {
        total: Amount {
            vcpus: facts.vcpus.into(),
            memory_mb: facts.memory_mb,
            disk_gb: facts.disk_gb,
        },
        used_now: Amount {
            vcpus: used.vcpus + u64::from(facts.reserved_vcpus),
            memory_mb: used.memory_mb + facts.reserved_memory_mb,
            disk_gb: used.disk_gb + facts.reserved_disk_gb,
        },
        used_max: Amount::default(),
        by_project: BTreeMap::new(),
    };
    for server in servers {
        let project = of.by_project.entry(server.project_id.clone()).or_default();
        for sum in [project, &mut of.used_max] {
            sum.vcpus += u64::from(server.flavor.vcpus);
            sum.memory_mb += u64::from(server.flavor.ram);
            sum.disk_gb += u64::from(server.flavor.disk) + u64::from(server.flavor.ephemeral);
        }
    }
    of
}

fn missing(host: &str) -> ControlError {
    ControlError::NotFound {
        why: format!("Compute host {host} could not be found."),
    }
}
