//! `os-hosts`, until 2.42.

use std::sync::Arc;

use compute_control::hosts::{self, Amount, Wanted};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// `GET /os-hosts`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let ListHosts { zone } = call.admit_query()?;
    let found = hosts::list(&api.control, &call.cx, zone.as_deref()).await?;
    let hosts = found.iter().map(|seen| HostView {
        host_name: &seen.service.host,
        // The topic of its queue, which is the name of its program without the project's.
        service: seen
            .service
            .binary
            .strip_prefix("nova-")
            .unwrap_or(&seen.service.binary),
        zone: &seen.zone,
    });
    call.render(&Hosts {
        hosts: hosts.collect(),
    })
}

/// `GET /os-hosts/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let host = call.path("id");
    let found = hosts::show(&api.control, &call.cx, host).await?;
    let line = |project: &str, amount: Amount| ResourceLine {
        resource: Resource {
            host: host.to_owned(),
            project: project.to_owned(),
            cpu: amount.vcpus,
            memory_mb: amount.memory_mb,
            disk_gb: amount.disk_gb,
        },
    };
    let mut lines = vec![
        line("(total)", found.total),
        line("(used_now)", found.used_now),
        line("(used_max)", found.used_max),
    ];
    let projects = found.by_project.iter();
    lines.extend(projects.map(|(project, amount)| line(project, *amount)));
    call.render(&OneHost { host: lines })
}

/// `PUT /os-hosts/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: UpdateHost = call.admit()?;
    let host = call.path("id").to_owned();
    let wanted = match (&asked.status, &asked.maintenance_mode) {
        (Some(status), None) => Wanted::Enabled(status.eq_ignore_ascii_case("enable")),
        (_, Some(_)) => Wanted::Maintenance,
        (None, None) => return Err(Fault::malformed()),
    };
    let enabled = hosts::update(&api.control, &call.cx, &host, wanted).await?;
    call.render(&ChangedHost {
        host,
        status: match enabled {
            true => "enabled",
            false => "disabled",
        },
    })
}

/// `GET /os-hosts/{id}/startup`, `…/shutdown` and `…/reboot`.
pub async fn power(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    hosts::power(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// The parameters of the list.
#[derive(Debug, Deserialize, Versioned)]
pub struct ListHosts {
    pub zone: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct Hosts<'v> {
    pub hosts: Vec<HostView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct HostView<'v> {
    pub host_name: &'v str,
    pub service: &'v str,
    pub zone: &'v str,
}

#[derive(Serialize, Versioned)]
pub struct OneHost {
    pub host: Vec<ResourceLine>,
}

#[derive(Serialize, Versioned)]
pub struct ResourceLine {
    pub resource: Resource,
}

#[derive(Serialize, Versioned)]
pub struct Resource {
    pub host: String,
    /// A project's id, or `(total)`, `(used_now)`, `(used_max)`.
    pub project: String,
    pub cpu: u64,
    pub memory_mb: u64,
    pub disk_gb: u64,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateHost {
    #[mv(one_of("enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"))]
    pub status: Option<String>,
    #[mv(one_of("enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"))]
    pub maintenance_mode: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct ChangedHost {
    pub host: String,
    pub status: &'static str,
}
