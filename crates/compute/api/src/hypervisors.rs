//! Hypervisors: the hosts, as operators see them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use compute_control::hypervisors::{self, HypervisorStatus, Listing, Named};
use compute_model::host::Node;
use microversion::Versioned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::{HYPERVISOR_PAGES, IDS_OF_HOSTS, SERVERS_ALWAYS};
use crate::paging;
use crate::services::{state, status};
use crate::words::{Flag, Limit, Link};

/// `GET /os-hypervisors`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "os-hypervisors").await?;
    call.render(&HypervisorPage {
        hypervisors: found.iter().map(|seen| summary(&call, seen)).collect(),
        next,
    })
}

/// `GET /os-hypervisors/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "os-hypervisors/detail").await?;
    call.render(&HypervisorPage {
        hypervisors: found.iter().map(|seen| view(&call, seen)).collect(),
        next,
    })
}

/// `GET /os-hypervisors/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let ShowHypervisor { with_servers } = call.admit_query()?;
    let with_servers = with_servers.is_some_and(|Flag(with)| with);
    let cx = call.cx.clone();
    let seen = hypervisors::show(&api.control, &cx, named(&call), with_servers).await?;
    call.render_under("hypervisor", &view(&call, &seen))
}

/// `GET /os-hypervisors/{id}/uptime`, until 2.87.
pub async fn uptime(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let seen = hypervisors::uptime(&api.control, &call.cx, named(&call)).await?;
    let view = HypervisorSummary {
        uptime: seen.node.facts.booted_at.map(uptime_text),
        ..summary(&call, &seen)
    };
    call.render_under("hypervisor", &view)
}

/// `GET /os-hypervisors/{part of a name}/search`, until 2.52.
pub async fn search(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    matching(&api, &call, false).await
}

/// `GET /os-hypervisors/{part of a name}/servers`, until 2.52.
pub async fn servers(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    matching(&api, &call, true).await
}

/// `GET /os-hypervisors/statistics`, until 2.87.
pub async fn statistics(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let nodes = hypervisors::enabled(&api.control, &call.cx).await?;
    let mut total = Statistics::default();
    for node in &nodes {
        let of = Room::of(node);
        total.count += 1;
        total.disk_available_least += of.free_disk_gb;
        total.free_disk_gb += of.free_disk_gb;
        total.free_ram_mb += of.free_ram_mb;
        total.local_gb += of.local_gb;
        total.local_gb_used += of.local_gb_used;
        total.memory_mb += of.memory_mb;
        total.memory_mb_used += of.memory_mb_used;
        total.running_vms += of.servers;
        total.vcpus += of.vcpus;
        total.vcpus_used += of.vcpus_used;
    }
    call.render_under("hypervisor_statistics", &total)
}

async fn matching(api: &Api, call: &Call, with_servers: bool) -> Result<Answer, Fault> {
    let wanted = Listing {
        pattern: Some(call.path("id")),
        with_servers,
        ..Listing::default()
    };
    let found = hypervisors::list(&api.control, &call.cx, wanted).await?;
    let views: Vec<_> = found.iter().map(|seen| summary(call, seen)).collect();
    call.render_under("hypervisors", &views)
}

/// The hypervisors of a page and the link to the next.
async fn page(
    api: &Api,
    call: &Call,
    path: &str,
) -> Result<(Vec<HypervisorStatus>, Option<Vec<Link>>), Fault> {
    let asked: ListHypervisors = call.admit_query()?;
    let pattern = asked.hypervisor_hostname_pattern.as_deref();
    if pattern.is_some() && (asked.limit.is_some() || asked.marker.is_some()) {
        return Err(Fault::bad_request(
            "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.",
        ));
    }
    let pages = call.version.at_least(HYPERVISOR_PAGES) && pattern.is_none();
    let size = pages.then(|| paging::size(api, asked.limit));
    let wanted = Listing {
        pattern,
        marker: asked.marker.as_deref().map(|marker| by(call, marker)),
        limit: size,
        with_servers: asked.with_servers.is_some_and(|Flag(with)| with),
    };
    let found = hypervisors::list(&api.control, &call.cx, wanted).await?;
    let next = size.and_then(|size| {
        let node = &found.last()?.node;
        let last = match call.version.at_least(IDS_OF_HOSTS) {
            true => node.id.clone(),
            false => node.seq.to_string(),
        };
        paging::next(call, path, size, found.len(), Some(&last))
    });
    Ok((found, next))
}

fn named(call: &Call) -> Named<'_> {
    by(call, call.path("id"))
}

fn by<'a>(call: &Call, name: &'a str) -> Named<'a> {
    match call.version.at_least(IDS_OF_HOSTS) {
        true => Named::Id(name),
        false => Named::Number(name),
    }
}

/// As the command `uptime` begins its line: the time of day, and for how long the machine runs.
fn uptime_text(booted_at: DateTime<Utc>) -> String {
    let now = Utc::now();
    let minutes = (now - booted_at).num_minutes().max(0);
    let (days, hours) = (minutes / (24 * 60), minutes / 60 % 24);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        many => format!("{many} days, "),
    };
    format!(
        "{} up {days}{hours:2}:{:02}",
        now.format("%H:%M:%S"),
        minutes % 60
    )
}

fn summary<'v>(call: &Call, seen: &'v HypervisorStatus) -> HypervisorSummary<'v> {
    HypervisorSummary {
        number: seen.node.seq,
        id: &seen.node.id,
        hypervisor_hostname: &seen.node.name,
        state: state(seen.up),
        status: status(!seen.node.service.disabled),
        servers: servers_on(call, seen),
        uptime: None,
    }
}

fn view<'v>(call: &Call, seen: &'v HypervisorStatus) -> HypervisorView<'v> {
    let Node { facts, service, .. } = &seen.node;
    let room = Room::of(&seen.node);
    HypervisorView {
        number: seen.node.seq,
        id: &seen.node.id,
        hypervisor_hostname: &seen.node.name,
        state: state(seen.up),
        status: status(!service.disabled),
        hypervisor_type: &facts.hypervisor_type,
        hypervisor_version: facts.hypervisor_version.into(),
        host_ip: Some(facts.host_ip.as_str()).filter(|ip| !ip.is_empty()),
        service: ServiceOf {
            number: service.seq,
            id: &service.id,
            host: &seen.node.host,
            disabled_reason: service.disabled_reason.as_deref(),
        },
        cpu_info_text: facts.cpu_info.to_string(),
        cpu_info: &facts.cpu_info,
        current_workload: Some(0),
        disk_available_least: Some(room.free_disk_gb),
        free_disk_gb: room.free_disk_gb,
        free_ram_mb: room.free_ram_mb,
        local_gb: room.local_gb,
        local_gb_used: room.local_gb_used,
        memory_mb: room.memory_mb,
        memory_mb_used: room.memory_mb_used,
        running_vms: room.servers,
        vcpus: room.vcpus,
        vcpus_used: room.vcpus_used,
        servers: servers_on(call, seen),
        uptime: facts.booted_at.map(uptime_text),
    }
}

/// Until 2.74 an empty list is left out.
fn servers_on<'v>(call: &Call, seen: &'v HypervisorStatus) -> Option<Vec<ServerOn<'v>>> {
    let servers = seen.servers.as_ref()?;
    if servers.is_empty() && !call.version.at_least(SERVERS_ALWAYS) {
        return None;
    }
    let views = servers.iter().map(|server| ServerOn {
        name: server.instance_name(),
        uuid: &server.id,
    });
    Some(views.collect())
}

/// What a hypervisor has and what is taken of it, what is kept from servers included.
struct Room {
    vcpus: i64,
    vcpus_used: i64,
    memory_mb: i64,
    memory_mb_used: i64,
    free_ram_mb: i64,
    local_gb: i64,
    local_gb_used: i64,
    free_disk_gb: i64,
    servers: i64,
}

impl Room {
    fn of(node: &Node) -> Self {
        let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let (facts, used) = (&node.facts, &node.used);
        let memory_mb = whole(facts.memory_mb);
        let memory_mb_used = whole(used.memory_mb + facts.reserved_memory_mb);
        let local_gb = whole(facts.disk_gb);
        let local_gb_used = whole(used.disk_gb + facts.reserved_disk_gb);
        Room {
            vcpus: facts.vcpus.into(),
            vcpus_used: whole(used.vcpus + u64::from(facts.reserved_vcpus)),
            memory_mb,
            memory_mb_used,
            free_ram_mb: memory_mb - memory_mb_used,
            local_gb,
            local_gb_used,
            free_disk_gb: local_gb - local_gb_used,
            servers: whole(used.servers),
        }
    }
}

/// A page of either list.
#[derive(Serialize, Versioned)]
pub struct HypervisorPage<H> {
    pub hypervisors: Vec<H>,
    #[mv(wire = "hypervisors_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// A hypervisor in full.
#[derive(Serialize, Versioned)]
pub struct HypervisorView<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub hypervisor_hostname: &'v str,
    /// `up` or `down`.
    pub state: &'static str,
    /// `enabled` or `disabled`.
    pub status: &'static str,
    pub hypervisor_type: &'v str,
    pub hypervisor_version: i64,
    pub host_ip: Option<&'v str>,
    pub service: ServiceOf<'v>,
    /// JSON inside a text.
    #[mv(wire = "cpu_info", until = "2.27")]
    pub cpu_info_text: String,
    #[mv(since = "2.28", until = "2.87")]
    pub cpu_info: &'v Value,
    #[mv(until = "2.87")]
    pub current_workload: Option<i64>,
    #[mv(until = "2.87")]
    pub disk_available_least: Option<i64>,
    #[mv(until = "2.87")]
    pub free_disk_gb: i64,
    #[mv(until = "2.87")]
    pub free_ram_mb: i64,
    #[mv(until = "2.87")]
    pub local_gb: i64,
    #[mv(until = "2.87")]
    pub local_gb_used: i64,
    #[mv(until = "2.87")]
    pub memory_mb: i64,
    #[mv(until = "2.87")]
    pub memory_mb_used: i64,
    #[mv(until = "2.87")]
    pub running_vms: i64,
    #[mv(until = "2.87")]
    pub vcpus: i64,
    #[mv(until = "2.87")]
    pub vcpus_used: i64,
    /// When asked for; until 2.74 left out when there are none.
    #[mv(since = "2.53")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<ServerOn<'v>>>,
    #[mv(since = "2.88")]
    pub uptime: Option<String>,
}

/// A hypervisor in a brief list, and in the searches that ended with 2.52.
#[derive(Serialize, Versioned)]
pub struct HypervisorSummary<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub hypervisor_hostname: &'v str,
    pub state: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<ServerOn<'v>>>,
    /// Under `/uptime` only, which ended with 2.87.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<String>,
}

/// The service that drives a hypervisor.
#[derive(Serialize, Versioned)]
pub struct ServiceOf<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub host: &'v str,
    pub disabled_reason: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct ServerOn<'v> {
    /// The hypervisor's own name for it.
    pub name: String,
    pub uuid: &'v str,
}

/// Totals over all hypervisors, until 2.87.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Versioned)]
pub struct Statistics {
    pub count: i64,
    pub current_workload: i64,
    pub disk_available_least: i64,
    pub free_disk_gb: i64,
    pub free_ram_mb: i64,
    pub local_gb: i64,
    pub local_gb_used: i64,
    pub memory_mb: i64,
    pub memory_mb_used: i64,
    pub running_vms: i64,
    pub vcpus: i64,
    pub vcpus_used: i64,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.53")]
pub struct ListHypervisors {
    #[mv(since = "2.33")]
    #[mv(since = "2.53", max_items = 1)]
    pub limit: Option<Limit>,
    #[mv(since = "2.33")]
    #[mv(since = "2.53", max_items = 1)]
    pub marker: Option<String>,
    #[mv(
        since = "2.53",
        max_items = 1,
        pattern = "^[a-zA-Z0-9-._]*$",
        min_length = 1,
        max_length = 255
    )]
    pub hypervisor_hostname_pattern: Option<String>,
    #[mv(since = "2.53", max_items = 1)]
    pub with_servers: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.53")]
pub struct ShowHypervisor {
    #[mv(since = "2.53", max_items = 1)]
    pub with_servers: Option<Flag>,
}
