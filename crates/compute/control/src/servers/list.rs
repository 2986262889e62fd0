//! Lists of servers: whose filters count, and what they mean.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use compute_db::{DbError, servers};
use compute_model::listing::{Deleted, Direction, Paging, Searched, ServerFilter, SortKey};
use compute_model::state::{PowerState, TaskState, VmState};
use compute_model::{Server, status};

use super::show::{HostStatuses, Sight, host_statuses, sight};
use crate::{Context, Control, ControlError, Result, policy};

/// What a list is asked for, words still as they were sent.
#[derive(Debug, Clone, Default)]
pub struct ListWanted {
    /// With all fields rather than id and name: has a rule of its own.
    pub detailed: bool,
    /// Filters by name, except those below.
    pub filters: BTreeMap<&'static str, String>,
    /// Filters that others than operators may use.
    pub open: BTreeSet<&'static str>,
    pub statuses: Vec<String>,
    /// Whether statuses of which none exists are refused; else they find nothing.
    pub statuses_checked: bool,
    pub all_projects: bool,
    pub changes_since: Option<DateTime<Utc>>,
    pub changes_before: Option<DateTime<Utc>>,
    pub sort_keys: Vec<String>,
    pub sort_dirs: Vec<String>,
    pub limit: Option<u64>,
    pub marker: Option<String>,
    /// Whether states of hosts are shown.
    pub with_hosts: bool,
}

/// A page of servers.
#[derive(Debug, Clone)]
pub struct Listed {
    pub servers: Vec<Server>,
    pub sight: Sight,
    pub hosts: HostStatuses,
    /// Whether another page may follow.
    pub full: bool,
}

/// A page of servers that the caller may see.
///
/// # Errors
/// 400 for filters and orders that make no sense, 403 by policy.
pub async fn list(control: &Control, cx: &Context, wanted: ListWanted) -> Result<Listed> {
    policy::allow(control, cx)?;
    let sight = sight(control, cx);
    let limit = wanted
        .limit
        .unwrap_or(control.settings.max_limit)
        .min(control.settings.max_limit);
    let page = |servers: Vec<Server>, hosts| Listed {
        full: servers.len() as u64 == limit && limit > 0,
        servers,
        sight,
        hosts,
    };
    let Some(filter) = filter(control, cx, &wanted)? else {
        return Ok(page(Vec::new(), HostStatuses::new()));
    };
    let paging = Paging {
        sort: order(&wanted, sight.admin)?,
        limit,
        marker: wanted.marker.clone(),
    };
    let servers = servers::list(control.db.read(), &filter, &paging)
        .await
        .map_err(refused)?;
    let hosts = match wanted.with_hosts {
        true => host_statuses(control, sight, &servers).await?,
        false => HostStatuses::new(),
    };
    Ok(page(servers, hosts))
}

fn refused(error: DbError) -> ControlError {
    match error {
        DbError::Marker(_) | DbError::Pattern(_) => ControlError::Invalid {
            why: error.to_string(),
        },
        other => other.into(),
    }
}

/// The filter that the words mean; `None` when nothing can match.
fn filter(control: &Control, cx: &Context, wanted: &ListWanted) -> Result<Option<ServerFilter>> {
    let everything = policy::may(control, cx, "os_compute_api:servers:allow_all_filters");
    let usable = |name: &str| everything || wanted.open.contains(name);
    let mut filter = ServerFilter::default();
    if !wanted.statuses.is_empty() {
        let Some((vm_states, task_states)) = status::states_of(&wanted.statuses) else {
            return match wanted.statuses_checked {
                true => Err(invalid("Invalid status value")),
                false => Ok(None),
            };
        };
        if vm_states == [VmState::Deleted] {
            if !policy::is_admin(control, cx) {
                return Err(ControlError::Forbidden {
                    why: "Only administrators may list deleted instances".to_owned(),
                });
            }
            filter.deleted = Deleted::Only;
            filter.soft_deleted = Some(false);
        } else {
            filter.vm_states = Some(vm_states);
            filter.task_states = (!task_states.is_empty()).then_some(task_states);
        }
    }
    changes(wanted, usable("changes-before"), &mut filter)?;
    for (name, value) in &wanted.filters {
        if usable(name) && !one(name, value, &mut filter)? {
            return Ok(None);
        }
    }
    if wanted.all_projects {
        let rule = match wanted.detailed {
            true => "os_compute_api:servers:detail:get_all_tenants",
            false => "os_compute_api:servers:index:get_all_tenants",
        };
        policy::allow_rule(control, cx, rule)?;
    } else {
        match &cx.caller.project_id {
            Some(project) => filter.project_id = Some(project.clone()),
            None => filter.user_id = Some(cx.caller.user_id.clone()),
        }
    }
    Ok(Some(filter))
}

fn changes(wanted: &ListWanted, before: bool, filter: &mut ServerFilter) -> Result<()> {
    filter.changes_since = wanted.changes_since;
    filter.changes_before = wanted.changes_before.filter(|_| before);
    if filter.changes_since.is_none() && filter.changes_before.is_none() {
        return Ok(());
    }
    if filter.deleted == Deleted::No {
        filter.deleted = Deleted::Both;
    }
    match (filter.changes_since, filter.changes_before) {
        (Some(since), Some(before)) if since > before => Err(invalid(
            "The value of changes-since must be less than or equal to changes-before.",
        )),
        _ => Ok(()),
    }
}

/// What is searched by regular expression, by the names that filters have.
const SEARCHED: &[(&str, Searched)] = &[
    ("access_ip_v4", Searched::AccessIpV4),
    ("access_ip_v6", Searched::AccessIpV6),
    ("auto_disk_config", Searched::DiskConfig),
    ("availability_zone", Searched::AvailabilityZone),
    ("created_at", Searched::CreatedAt),
    ("description", Searched::Description),
    ("display_description", Searched::Description),
    ("display_name", Searched::Name),
    ("hostname", Searched::Hostname),
    ("kernel_id", Searched::KernelId),
    ("key_name", Searched::KeyName),
    ("launched_at", Searched::LaunchedAt),
    ("locked_by", Searched::LockedBy),
    ("name", Searched::Name),
    ("node", Searched::Node),
    ("ramdisk_id", Searched::RamdiskId),
    ("reservation_id", Searched::ReservationId),
    ("root_device_name", Searched::RootDeviceName),
    ("terminated_at", Searched::TerminatedAt),
];

/// Applies one filter; false when nothing can match it.
fn one(name: &str, value: &str, filter: &mut ServerFilter) -> Result<bool> {
    if let Some((_, what)) = SEARCHED.iter().find(|(known, _)| *known == name) {
        filter.matches.push((*what, value.to_owned()));
        return Ok(true);
    }
    let tags = || value.split(',').map(str::to_owned).collect();
    match name {
        "project_id" | "tenant_id" => filter.project_id = Some(value.to_owned()),
        "user_id" => filter.user_id = Some(value.to_owned()),
        "uuid" => filter.ids = Some(vec![value.to_owned()]),
        "host" => filter.host = Some(value.to_owned()),
        "image" | "image_ref" => filter.image_id = Some(value.to_owned()),
        "flavor" => filter.flavor_id = Some(value.to_owned()),
        "ip" => filter.ip4 = Some(value.to_owned()),
        "ip6" => filter.ip6 = Some(value.to_owned()),
        "tags" => filter.tags = tags(),
        "tags-any" => filter.tags_any = tags(),
        "not-tags" => filter.not_tags = tags(),
        "not-tags-any" => filter.not_tags_any = tags(),
        "config_drive" => filter.config_drive = Some(truth(value).unwrap_or(false)),
        "deleted" => {
            filter.deleted = match truth(value).unwrap_or(false) {
                true => Deleted::Only,
                false => Deleted::No,
            }
        }
        "soft_deleted" => filter.soft_deleted = Some(truth(value).unwrap_or(false)),
        "locked" => {
            let wrong = || invalid(&format!("Unrecognized value '{value}'"));
            filter.locked = Some(truth(value).ok_or_else(wrong)?);
        }
        "vm_state" => match value.parse::<VmState>() {
            Ok(state) => filter.vm_states = Some(vec![state]),
            Err(_) => return Ok(false),
        },
        "task_state" => match value.parse::<TaskState>() {
            Ok(state) => filter.task_states = Some(vec![state]),
            Err(_) => return Ok(false),
        },
        "power_state" => match power(value) {
            Some(state) => filter.power_state = Some(state),
            None => return Ok(false),
        },
        "launch_index" => match value.parse() {
            Ok(index) => filter.launch_index = Some(index),
            Err(_) => return Ok(false),
        },
        "progress" => match value.parse() {
            Ok(progress) => filter.progress = Some(progress),
            Err(_) => return Ok(false),
        },
        other => {
            return Err(ControlError::Unsupported {
                why: format!("Servers cannot be filtered by {other}."),
            });
        }
    }
    Ok(true)
}

/// A power state by its number or its name.
fn power(value: &str) -> Option<PowerState> {
    if let Ok(number) = value.parse::<u8>() {
        return PowerState::try_from(number).ok();
    }
    Some(match value.to_ascii_uppercase().as_str() {
        "NOSTATE" => PowerState::NoState,
        "RUNNING" => PowerState::Running,
        "PAUSED" => PowerState::Paused,
        "SHUTDOWN" => PowerState::Shutdown,
        "CRASHED" => PowerState::Crashed,
        "SUSPENDED" => PowerState::Suspended,
        _ => return None,
    })
}

/// The words for true and false that OpenStack knows.
pub fn truth(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Keys that sort; `true` marks those for operators only.
const SORTED: &[(&str, SortKey, bool)] = &[
    ("access_ip_v4", SortKey::AccessIpV4, false),
    ("access_ip_v6", SortKey::AccessIpV6, false),
    ("availability_zone", SortKey::AvailabilityZone, false),
    ("config_drive", SortKey::ConfigDrive, false),
    ("created_at", SortKey::CreatedAt, false),
    ("display_description", SortKey::Description, false),
    ("display_name", SortKey::Name, false),
    ("host", SortKey::Host, true),
    ("hostname", SortKey::Hostname, false),
    ("image_ref", SortKey::ImageId, false),
    ("instance_type_id", SortKey::FlavorId, false),
    ("key_name", SortKey::KeyName, false),
    ("launch_index", SortKey::LaunchIndex, false),
    ("launched_at", SortKey::LaunchedAt, false),
    ("locked", SortKey::Locked, false),
    ("locked_by", SortKey::LockedBy, false),
    ("node", SortKey::Node, true),
    ("power_state", SortKey::PowerState, false),
    ("progress", SortKey::Progress, false),
    ("project_id", SortKey::ProjectId, false),
    ("root_device_name", SortKey::RootDeviceName, false),
    ("task_state", SortKey::TaskState, false),
    ("terminated_at", SortKey::TerminatedAt, false),
    ("updated_at", SortKey::UpdatedAt, false),
    ("user_id", SortKey::UserId, false),
    ("uuid", SortKey::Id, false),
    ("vm_state", SortKey::VmState, false),
];

/// The order asked for. Keys that are known and sort nothing are passed over.
fn order(wanted: &ListWanted, admin: bool) -> Result<Vec<(SortKey, Direction)>> {
    if wanted.sort_dirs.len() > wanted.sort_keys.len().max(1) {
        return Err(invalid(
            "Sort direction array size exceeds sort key array size.",
        ));
    }
    let mut directions = Vec::with_capacity(wanted.sort_dirs.len());
    for word in &wanted.sort_dirs {
        directions.push(match word.as_str() {
            "asc" => Direction::Ascending,
            "desc" => Direction::Descending,
            _ => return Err(invalid("Unknown sort direction, must be 'desc' or 'asc'.")),
        });
    }
    let default = directions.first().copied().unwrap_or(Direction::Descending);
    let mut order = Vec::new();
    for (position, key) in wanted.sort_keys.iter().enumerate() {
        let Some((_, column, operators)) = SORTED.iter().find(|(known, _, _)| known == key) else {
            continue;
        };
        if *operators && !admin {
            return Err(ControlError::Forbidden {
                why: "Only administrators can sort servers by host or node.".to_owned(),
            });
        }
        order.push((
            *column,
            directions.get(position).copied().unwrap_or(default),
        ));
    }
    if order.is_empty() {
        order.push((SortKey::CreatedAt, default));
    }
    Ok(order)
}

fn invalid(why: &str) -> ControlError {
    ControlError::Invalid {
        why: why.to_owned(),
    }
}
