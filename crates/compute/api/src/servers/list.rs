//! `GET /servers`: what a list may be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compute_control::servers::{self, ListWanted, Listed};
use microversion::{Version, Versioned, parse_time};
use serde::{Deserialize, Serialize};

use super::show::HOST_STATUS;
use super::shown;
use super::view::{ServerSummary, ServerView};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::{IP6_FILTER, MOST_FILTERS, STATUS_FILTER_CHECKED};
use crate::words::{Limit, Link};

/// `GET /servers`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let page = page(&api, &call, false).await?;
    let servers = page.servers.iter().map(|server| ServerSummary {
        id: &server.id,
        name: &server.name,
        links: shown::links(&call, &server.id),
    });
    call.render(&Summaries {
        servers: servers.collect(),
        servers_links: next(&call, &page, "servers"),
    })
}

/// `GET /servers/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let page = page(&api, &call, true).await?;
    let servers = page.servers.iter();
    call.render(&Details {
        servers: servers
            .map(|server| shown::view(&call, server, page.sight, &page.hosts, None))
            .collect(),
        servers_links: next(&call, &page, "servers/detail"),
    })
}

#[derive(Serialize, Versioned)]
pub struct Summaries<'v> {
    pub servers: Vec<ServerSummary<'v>>,
    /// Where the next page is, after a full one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers_links: Vec<Link>,
}

#[derive(Serialize, Versioned)]
pub struct Details<'v> {
    pub servers: Vec<ServerView<'v>>,
    /// Where the next page is, after a full one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers_links: Vec<Link>,
}

async fn page(api: &Api, call: &Call, detailed: bool) -> Result<Listed, Fault> {
    let mut asked: ListServers = call.admit_query()?;
    if let Some(name) = asked.joined_table() {
        return Err(Fault::bad_request(format!("Invalid filter field: {name}.")));
    }
    let wanted = ListWanted {
        detailed,
        all_projects: all_projects(asked.all_tenants.as_deref())?,
        open: open(call.version),
        statuses: std::mem::take(&mut asked.status),
        statuses_checked: call.version.at_least(STATUS_FILTER_CHECKED),
        changes_since: asked.changes_since.as_deref().and_then(parse_time),
        changes_before: asked.changes_before.as_deref().and_then(parse_time),
        sort_keys: std::mem::take(&mut asked.sort_key),
        sort_dirs: std::mem::take(&mut asked.sort_dir),
        limit: asked.limit.map(|limit| limit.0),
        marker: asked.marker.take(),
        with_hosts: detailed && call.version.at_least(HOST_STATUS),
        filters: asked.filters(),
    };
    Ok(servers::list(&api.control, &call.cx, wanted).await?)
}

/// Filters that others than operators may use, with the version that opened them.
pub const OPEN: &[(Version, &[&str])] = &[
    (
        Version::new(2, 1),
        &["reservation_id", "name", "image", "flavor", "ip"],
    ),
    (IP6_FILTER, &["ip6"]),
    (
        Version::new(2, 26),
        &["tags", "tags-any", "not-tags", "not-tags-any"],
    ),
    (Version::new(2, 66), &["changes-before"]),
    (Version::new(2, 73), &["locked"]),
    (
        MOST_FILTERS,
        &[
            "availability_zone",
            "config_drive",
            "created_at",
            "key_name",
            "launched_at",
            "power_state",
            "progress",
            "task_state",
            "terminated_at",
            "user_id",
            "vm_state",
        ],
    ),
    (Version::new(2, 90), &["hostname"]),
];

fn open(version: Version) -> BTreeSet<&'static str> {
    OPEN.iter()
        .filter(|(since, _)| version.at_least(*since))
        .flat_map(|(_, names)| names.iter().copied())
        .collect()
}

/// `all_tenants`, also without a value.
pub(crate) fn all_projects(word: Option<&str>) -> Result<bool, Fault> {
    match word {
        None => Ok(false),
        Some("") => Ok(true),
        Some(word) => servers::truth(word).ok_or_else(|| {
            Fault::bad_request(format!("all_tenants must be a boolean, not '{word}'"))
        }),
    }
}

/// Where the next page is, if this one is full.
fn next(call: &Call, page: &Listed, path: &str) -> Vec<Link> {
    let Some(last) = page.servers.last().filter(|_| page.full) else {
        return Vec::new();
    };
    let mut query = call.pairs().with("marker", &last.id);
    query.0.sort();
    vec![Link {
        rel: "next",
        href: format!("{}?{}", call.link(path), query.encode()),
    }]
}

/// The parameters of both lists of servers. Whose filters count, and what they mean, is decided behind.
#[derive(Debug, Default, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75", key_pattern = "^_")]
#[serde(default)]
pub struct ListServers {
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub tenant_id: Option<String>,
    pub launch_index: Option<String>,
    pub image_ref: Option<String>,
    pub image: Option<String>,
    #[mv(format = "regex")]
    pub kernel_id: Option<String>,
    #[mv(format = "regex")]
    pub ramdisk_id: Option<String>,
    #[mv(format = "regex")]
    pub hostname: Option<String>,
    #[mv(format = "regex")]
    pub key_name: Option<String>,
    #[mv(format = "regex")]
    pub power_state: Option<String>,
    pub vm_state: Option<String>,
    pub task_state: Option<String>,
    pub host: Option<String>,
    #[mv(format = "regex")]
    pub node: Option<String>,
    #[mv(format = "regex")]
    pub flavor: Option<String>,
    #[mv(format = "regex")]
    pub reservation_id: Option<String>,
    #[mv(format = "regex")]
    pub launched_at: Option<String>,
    #[mv(format = "regex")]
    pub terminated_at: Option<String>,
    #[mv(format = "regex")]
    pub availability_zone: Option<String>,
    #[mv(format = "regex")]
    pub name: Option<String>,
    #[mv(format = "regex")]
    pub display_name: Option<String>,
    #[mv(format = "regex")]
    pub description: Option<String>,
    #[mv(format = "regex")]
    pub display_description: Option<String>,
    #[mv(format = "regex")]
    pub locked_by: Option<String>,
    pub uuid: Option<String>,
    #[mv(format = "regex")]
    pub root_device_name: Option<String>,
    #[mv(format = "regex")]
    pub config_drive: Option<String>,
    #[mv(format = "regex")]
    pub access_ip_v4: Option<String>,
    #[mv(format = "regex")]
    pub access_ip_v6: Option<String>,
    #[mv(format = "regex")]
    pub auto_disk_config: Option<String>,
    #[mv(format = "regex")]
    pub progress: Option<String>,
    // Keys that are known and ignored until 2.74 stand behind the ones that sort.
    #[mv(one_of(
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "availability_zone",
        "config_drive",
        "created_at",
        "display_description",
        "display_name",
        "host",
        "hostname",
        "image_ref",
        "instance_type_id",
        "kernel_id",
        "key_name",
        "launch_index",
        "launched_at",
        "locked_by",
        "node",
        "power_state",
        "progress",
        "project_id",
        "ramdisk_id",
        "root_device_name",
        "task_state",
        "terminated_at",
        "updated_at",
        "user_id",
        "uuid",
        "vm_state",
        "architecture",
        "cell_name",
        "cleaned",
        "default_ephemeral_device",
        "default_swap_device",
        "deleted",
        "deleted_at",
        "disable_terminate",
        "ephemeral_gb",
        "ephemeral_key_uuid",
        "id",
        "key_data",
        "launched_on",
        "locked",
        "memory_mb",
        "os_type",
        "reservation_id",
        "root_gb",
        "shutdown_terminate",
        "user_data",
        "vcpus",
        "vm_mode"
    ))]
    #[mv(
        since = "2.75",
        one_of(
            "access_ip_v4",
            "access_ip_v6",
            "auto_disk_config",
            "availability_zone",
            "config_drive",
            "created_at",
            "display_description",
            "display_name",
            "host",
            "hostname",
            "image_ref",
            "instance_type_id",
            "kernel_id",
            "key_name",
            "launch_index",
            "launched_at",
            "locked",
            "locked_by",
            "node",
            "power_state",
            "progress",
            "project_id",
            "ramdisk_id",
            "root_device_name",
            "task_state",
            "terminated_at",
            "updated_at",
            "user_id",
            "uuid",
            "vm_state"
        )
    )]
    pub sort_key: Vec<String>,
    pub sort_dir: Vec<String>,
    pub all_tenants: Option<String>,
    pub soft_deleted: Option<String>,
    pub deleted: Option<String>,
    pub status: Vec<String>,
    #[mv(wire = "changes-since", format = "date_time")]
    pub changes_since: Option<String>,
    #[mv(format = "regex")]
    pub ip: Option<String>,
    #[mv(format = "regex")]
    pub ip6: Option<String>,
    #[mv(format = "regex")]
    pub created_at: Option<String>,
    pub limit: Option<Limit>,
    pub marker: Option<String>,
    #[mv(since = "2.26", wire = "tags", format = "regex")]
    pub tags: Option<String>,
    #[mv(since = "2.26", wire = "tags-any", format = "regex")]
    pub tags_any: Option<String>,
    #[mv(since = "2.26", wire = "not-tags", format = "regex")]
    pub not_tags: Option<String>,
    #[mv(since = "2.26", wire = "not-tags-any", format = "regex")]
    pub not_tags_any: Option<String>,
    #[mv(since = "2.66", wire = "changes-before", format = "date_time")]
    pub changes_before: Option<String>,
    #[mv(since = "2.73")]
    pub locked: Option<String>,
    // Names of joined tables: known, so that they can be refused behind at every version.
    pub block_device_mapping: Option<String>,
    pub services: Option<String>,
    pub metadata: Option<String>,
    pub system_metadata: Option<String>,
    pub info_cache: Option<String>,
    pub security_groups: Option<String>,
    pub pci_devices: Option<String>,
}

impl ListServers {
    /// The filters that were sent, by name; `all_tenants` decides about `tenant_id`.
    pub fn filters(self) -> BTreeMap<&'static str, String> {
        let alias = self.tenant_id.filter(|_| self.all_tenants.is_some());
        let project = self.project_id.or(alias);
        let all = [
            ("access_ip_v4", self.access_ip_v4),
            ("access_ip_v6", self.access_ip_v6),
            ("auto_disk_config", self.auto_disk_config),
            ("availability_zone", self.availability_zone),
            ("config_drive", self.config_drive),
            ("created_at", self.created_at),
            ("deleted", self.deleted),
            ("description", self.description),
            ("display_description", self.display_description),
            ("display_name", self.display_name),
            ("flavor", self.flavor),
            ("host", self.host),
            ("hostname", self.hostname),
            ("image", self.image),
            ("image_ref", self.image_ref),
            ("ip", self.ip),
            ("ip6", self.ip6),
            ("kernel_id", self.kernel_id),
            ("key_name", self.key_name),
            ("launch_index", self.launch_index),
            ("launched_at", self.launched_at),
            ("locked", self.locked),
            ("locked_by", self.locked_by),
            ("name", self.name),
            ("node", self.node),
            ("not-tags", self.not_tags),
            ("not-tags-any", self.not_tags_any),
            ("power_state", self.power_state),
            ("progress", self.progress),
            ("project_id", project),
            ("ramdisk_id", self.ramdisk_id),
            ("reservation_id", self.reservation_id),
            ("root_device_name", self.root_device_name),
            ("soft_deleted", self.soft_deleted),
            ("tags", self.tags),
            ("tags-any", self.tags_any),
            ("task_state", self.task_state),
            ("terminated_at", self.terminated_at),
            ("user_id", self.user_id),
            ("uuid", self.uuid),
            ("vm_state", self.vm_state),
        ];
        let sent = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        sent.collect()
    }

    /// A parameter that names what is none of the client's business, if one was sent: a 400 at every version.
    pub fn joined_table(&self) -> Option<&'static str> {
        let tables = [
            ("block_device_mapping", &self.block_device_mapping),
            ("info_cache", &self.info_cache),
            ("metadata", &self.metadata),
            ("pci_devices", &self.pci_devices),
            ("security_groups", &self.security_groups),
            ("services", &self.services),
            ("system_metadata", &self.system_metadata),
        ];
        tables
            .into_iter()
            .find(|(_, sent)| sent.is_some())
            .map(|(name, _)| name)
    }
}
