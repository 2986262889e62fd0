//! What projects used in a period: `os-simple-tenant-usage`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use compute_control::tenant_usages::{self, Page};
use compute_model::Server;
use compute_model::usage::{self, Period, ProjectUsage, Wanted};
use microversion::{Version, Versioned};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::paging;
use crate::words::{Limit, Link};

/// From here on in pages; before, the first page is all there is, as in Nova.
const PAGED: Version = Version::new(2, 40);

/// `GET /os-simple-tenant-usage`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListUsages = call.admit_query()?;
    let now = Utc::now();
    let page = page(&api, &call, &asked);
    let (start, end) = (asked.start.as_deref(), asked.end.as_deref());
    let wanted = Wanted { start, end, now };
    let (period, found) = tenant_usages::list(&api.control, &call.cx, wanted, &page).await?;
    let detailed = asked.detailed.as_deref() == Some("1");
    let next = next(&call, "os-simple-tenant-usage", &page, &found);
    let tenant_usages = found.iter().map(|usage| view(usage, period, detailed, now));
    call.render(&Usages {
        tenant_usages: tenant_usages.collect(),
        next,
    })
}

/// `GET /os-simple-tenant-usage/{project}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListUsages = call.admit_query()?;
    let now = Utc::now();
    let page = page(&api, &call, &asked);
    let (start, end) = (asked.start.as_deref(), asked.end.as_deref());
    let wanted = Wanted { start, end, now };
    let project = call.path("id");
    let shown = tenant_usages::show(&api.control, &call.cx, project, wanted, &page).await;
    let (period, found) = shown?;
    let path = format!("os-simple-tenant-usage/{project}");
    let next = next(&call, &path, &page, found.as_slice());
    let usage = found.as_ref().map(|usage| view(usage, period, true, now));
    call.render(&OneUsage {
        usage: usage.unwrap_or_default(),
        next,
    })
}

fn page(api: &Api, call: &Call, asked: &ListUsages) -> Page {
    match call.version.at_least(PAGED) {
        true => Page {
            marker: asked.marker.clone(),
            limit: paging::size(api, asked.limit),
        },
        false => Page {
            marker: None,
            limit: paging::size(api, None),
        },
    }
}

fn next(call: &Call, path: &str, page: &Page, found: &[ProjectUsage]) -> Option<Vec<Link>> {
    if !call.version.at_least(PAGED) {
        return None;
    }
    let servers = || found.iter().flat_map(|usage| &usage.servers);
    let last = servers().map(|server| server.id.as_str()).max();
    paging::next(call, path, page.limit, servers().count(), last)
}

fn view(usage: &ProjectUsage, period: Period, detailed: bool, now: DateTime<Utc>) -> UsageView<'_> {
    let servers = usage.servers.iter();
    UsageView {
        tenant_id: Some(&usage.project_id),
        total_hours: Some(usage.hours),
        total_memory_mb_usage: Some(usage.memory_mb),
        total_local_gb_usage: Some(usage.local_gb),
        total_vcpus_usage: Some(usage.vcpus),
        start: Some(web::time::naive_micros(period.start)),
        stop: Some(web::time::naive_micros(period.end)),
        server_usages: detailed.then(|| {
            let used = servers.map(|server| server_view(server, period, now));
            used.collect()
        }),
    }
}

fn server_view(server: &Server, period: Period, now: DateTime<Utc>) -> ServerUsage<'_> {
    let (started, ended) = (server.launched_at, server.terminated_at);
    let up = started.map(|started| (ended.unwrap_or(now) - started).num_seconds());
    ServerUsage {
        instance_id: &server.id,
        name: &server.name,
        tenant_id: &server.project_id,
        flavor: &server.flavor.name,
        hours: period.hours(server),
        memory_mb: server.flavor.ram,
        local_gb: usage::local_gb(server),
        vcpus: server.flavor.vcpus,
        started_at: started.map(web::time::naive_micros),
        ended_at: ended.map(web::time::naive_micros),
        state: match ended {
            Some(_) => "terminated",
            None => server.vm_state.as_str(),
        },
        uptime: up.unwrap_or_default().max(0),
    }
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListUsages {
    pub start: Option<String>,
    pub end: Option<String>,
    /// `1` for the servers too; anything else is no.
    pub detailed: Option<String>,
    #[mv(since = "2.40")]
    pub limit: Option<Limit>,
    #[mv(since = "2.40")]
    pub marker: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct Usages<'v> {
    pub tenant_usages: Vec<UsageView<'v>>,
    #[mv(since = "2.40", wire = "tenant_usages_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

#[derive(Serialize, Versioned)]
pub struct OneUsage<'v> {
    #[mv(wire = "tenant_usage")]
    pub usage: UsageView<'v>,
    #[mv(since = "2.40", wire = "tenant_usage_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// Of a project without servers there is nothing to say.
#[derive(Default, Serialize, Versioned)]
pub struct UsageView<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_hours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_memory_mb_usage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_local_gb_usage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_vcpus_usage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_usages: Option<Vec<ServerUsage<'v>>>,
}

#[derive(Serialize, Versioned)]
pub struct ServerUsage<'v> {
    pub instance_id: &'v str,
    pub name: &'v str,
    pub tenant_id: &'v str,
    /// Its name.
    pub flavor: &'v str,
    pub hours: f64,
    pub memory_mb: u32,
    pub local_gb: u32,
    pub vcpus: u32,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub state: &'v str,
    /// Seconds since the first start, or between that and the end.
    pub uptime: i64,
}
