//! One server, and what of servers a caller may see.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use compute_db::{hosts, server_groups};
use compute_model::{Server, server_group};

use super::load;
use crate::{Context, Control, Result, policy};

/// What of servers the caller may see beyond the plain fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Details of faults.
    pub admin: bool,
    /// `OS-EXT-SRV-ATTR:*`.
    pub extended: bool,
    /// The state of the host.
    pub host_status: bool,
    /// The state of the host when it is unknown.
    pub unknown_hosts: bool,
    /// Extra specs of the flavor.
    pub extra_specs: bool,
}

/// What the caller may see.
pub fn sight(control: &Control, cx: &Context) -> Sight {
    let may = |rule| policy::may(control, cx, rule);
    let admin = policy::is_admin(control, cx);
    Sight {
        admin,
        extended: may("os_compute_api:os-extended-server-attributes"),
        host_status: may("os_compute_api:servers:show:host_status"),
        unknown_hosts: may("os_compute_api:servers:show:host_status:unknown-only"),
        extra_specs: may("os_compute_api:servers:show:flavor-extra-specs"),
    }
}

/// A server as the caller may see it.
#[derive(Debug, Clone)]
pub struct VisibleServer {
    pub server: Server,
    pub sight: Sight,
    /// States of hosts, by host; empty for those who may not see them.
    pub hosts: HostStatuses,
    /// Id of the group that it is in.
    pub group: Option<String>,
}

/// State of each host that servers of an answer are on.
pub type HostStatuses = BTreeMap<String, &'static str>;

/// One server. `with_host` asks for the state of its host, which costs a query.
///
/// # Errors
/// 404 for one that does not exist or is hidden, 403 by policy.
pub async fn show(
    control: &Control,
    cx: &Context,
    id: &str,
    with_host: bool,
) -> Result<VisibleServer> {
    let server = load(control, cx, id).await?;
    visible(control, cx, server, with_host).await
}

/// A loaded server with what the caller may see of it.
pub(crate) async fn visible(
    control: &Control,
    cx: &Context,
    server: Server,
    with_host: bool,
) -> Result<VisibleServer> {
    let sight = sight(control, cx);
    let hosts = match with_host {
        true => host_statuses(control, sight, std::slice::from_ref(&server)).await?,
        false => HostStatuses::new(),
    };
    // Only who asked for a group is in one, so most servers need no query.
    let group = match server_group::named_by(&server.hints) {
        Some(_) => server_groups::of_server(control.db.read(), &server.id).await?,
        None => None,
    };
    Ok(VisibleServer {
        group,
        server,
        sight,
        hosts,
    })
}

/// The states of these servers' hosts: UP, DOWN, MAINTENANCE or UNKNOWN.
pub(crate) async fn host_statuses(
    control: &Control,
    sight: Sight,
    servers: &[Server],
) -> Result<HostStatuses> {
    let of: BTreeSet<&str> = servers
        .iter()
        .filter_map(|one| one.host.as_deref())
        .collect();
    if of.is_empty() || !sight.host_status && !sight.unknown_hosts {
        return Ok(HostStatuses::new());
    }
    let (now, down_time) = (
        compute_db::now(control.db.read()).await?,
        down_time(control),
    );
    let services = hosts::agents(control.db.read(), &of).await?;
    let statuses = services
        .into_iter()
        .map(|service| {
            let status = match (&service, service.is_up(now, down_time)) {
                (service, _) if service.forced_down => "DOWN",
                (service, _) if service.disabled => "MAINTENANCE",
                (_, true) => "UP",
                (_, false) => "UNKNOWN",
            };
            (service.host, status)
        })
        .filter(|(_, status)| sight.host_status || *status == "UNKNOWN");
    Ok(statuses.collect())
}

fn down_time(control: &Control) -> TimeDelta {
    TimeDelta::from_std(control.settings.service_down_time).unwrap_or(TimeDelta::MAX)
}
