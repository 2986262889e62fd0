//! Hypervisors, for operators.

use compute_db::{hosts, servers};
use compute_model::Server;
use compute_model::host::Node;

use crate::services::{is_up, must_be_uuid};
use crate::{Context, Control, ControlError, Result, policy};

/// A hypervisor as it is now.
#[derive(Debug, Clone)]
pub struct HypervisorStatus {
    pub node: Node,
    /// Whether its service is up.
    pub up: bool,
    /// Its servers, if they were asked for.
    pub servers: Option<Vec<Server>>,
}

/// How a request names a hypervisor.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    Id(&'a str),
    /// As until 2.52.
    Number(&'a str),
}

impl Named<'_> {
    fn is(self, node: &Node) -> bool {
        match self {
            Named::Id(id) => node.id.eq_ignore_ascii_case(id),
            Named::Number(number) => number.parse() == Ok(node.seq),
        }
    }

    fn text(&self) -> &str {
        match self {
            Named::Id(text) | Named::Number(text) => text,
        }
    }
}

/// Which hypervisors to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing<'a> {
    /// Part of the name.
    pub pattern: Option<&'a str>,
    /// The last one already seen.
    pub marker: Option<Named<'a>>,
    pub limit: Option<u64>,
    pub with_servers: bool,
}

/// Hypervisors by number: brief, in detail, a search.
///
/// # Errors
/// 400 for a marker that is no hypervisor; 404 for a pattern that finds none.
pub async fn list(
    control: &Control,
    cx: &Context,
    wanted: Listing<'_>,
) -> Result<Vec<HypervisorStatus>> {
    policy::allow(control, cx)?;
    let mut nodes = hosts::nodes(control.db.read(), None).await?;
    if let Some(pattern) = wanted.pattern {
        nodes.retain(|node| node.name.contains(pattern));
        if nodes.is_empty() {
            return Err(ControlError::NotFound {
                why: format!("No hypervisor matching '{pattern}' could be found."),
            });
        }
    }
    if let Some(marker) = wanted.marker {
        let last = nodes.iter().position(|node| marker.is(node));
        let last = last.ok_or_else(|| ControlError::Invalid {
            why: format!("marker [{}] not found", marker.text()),
        })?;
        nodes.drain(..=last);
    }
    if let Some(limit) = wanted.limit {
        nodes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let mut all = Vec::with_capacity(nodes.len());
    for node in nodes {
        all.push(status_of(control, node, wanted.with_servers).await?);
    }
    Ok(all)
}

/// One hypervisor.
///
/// # Errors
/// 404; 400 for an id that is no UUID.
pub async fn show(
    control: &Control,
    cx: &Context,
    named: Named<'_>,
    with_servers: bool,
) -> Result<HypervisorStatus> {
    policy::allow(control, cx)?;
    let node = find(control, named).await?;
    status_of(control, node, with_servers).await
}

/// One hypervisor, for its uptime.
///
/// # Errors
/// 404; 400 for an id that is no UUID and while the host is down; 501 when it never says.
pub async fn uptime(control: &Control, cx: &Context, named: Named<'_>) -> Result<HypervisorStatus> {
    policy::allow(control, cx)?;
    let node = find(control, named).await?;
    let seen = status_of(control, node, false).await?;
    if !seen.up {
        return Err(ControlError::Invalid {
            why: format!(
                "Compute service of {} is unavailable at this time.",
                seen.node.host
            ),
        });
    }
    if seen.node.facts.booted_at.is_none() {
        return Err(ControlError::Unsupported {
            why: "The requested functionality is not supported.".to_owned(),
        });
    }
    Ok(seen)
}

/// All hypervisors whose service is enabled, for totals.
///
/// # Errors
/// Denied.
pub async fn enabled(control: &Control, cx: &Context) -> Result<Vec<Node>> {
    policy::allow(control, cx)?;
    let mut nodes = hosts::nodes(control.db.read(), None).await?;
    nodes.retain(|node| !node.service.disabled);
    Ok(nodes)
}

async fn find(control: &Control, named: Named<'_>) -> Result<Node> {
    if let Named::Id(id) = named {
        must_be_uuid(id)?;
    }
    let nodes = hosts::nodes(control.db.read(), None).await?;
    let found = nodes.into_iter().find(|node| named.is(node));
    found.ok_or_else(|| ControlError::NotFound {
        why: format!("Hypervisor with ID '{}' could not be found.", named.text()),
    })
}

async fn status_of(control: &Control, node: Node, with_servers: bool) -> Result<HypervisorStatus> {
    let servers = match with_servers {
        true => Some(servers::on_host(control.db.read(), &node.host).await?),
        false => None,
    };
    let now = compute_db::now(control.db.read()).await?;
    Ok(HypervisorStatus {
        up: is_up(control, &node.service, now),
        node,
        servers,
    })
}
