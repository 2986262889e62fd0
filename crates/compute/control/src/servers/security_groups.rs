//! Security groups of a server's ports, through the network service and in the caller's name.

use clients::ClientError;
use clients::image::segment;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::load;
use crate::{Context, Control, ControlError, Result};

/// A group with its rules.
#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub project_id: String,
    #[serde(default, rename = "security_group_rules")]
    pub rules: Vec<Rule>,
}

/// A rule of a group.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    pub id: String,
    pub security_group_id: String,
    pub direction: String,
    #[serde(default)]
    pub ethertype: String,
    pub protocol: Option<String>,
    pub port_range_min: Option<i32>,
    pub port_range_max: Option<i32>,
    pub remote_group_id: Option<String>,
    pub remote_ip_prefix: Option<String>,
}

/// The part of a port that names its groups, and says whether it can have any.
#[derive(Debug, Clone, Deserialize)]
struct Guarded {
    id: String,
    #[serde(default)]
    security_groups: Vec<String>,
    #[serde(default = "yes")]
    port_security_enabled: bool,
    #[serde(default)]
    fixed_ips: Vec<Value>,
    /// `deferred` where addresses come with the host.
    ip_allocation: Option<String>,
}

fn yes() -> bool {
    true
}

impl Guarded {
    fn can_have_groups(&self) -> bool {
        let deferred = self.ip_allocation.as_deref() == Some("deferred");
        self.port_security_enabled && (deferred || !self.fixed_ips.is_empty())
    }
}

/// The groups of a server's ports.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<Vec<Group>> {
    load(control, cx, id).await?;
    let mut ids: Vec<String> = ports(control, cx, id)
        .await?
        .into_iter()
        .flat_map(|port| port.security_groups)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query: Vec<String> = ids.iter().map(|id| format!("id={}", segment(id))).collect();
    groups(control, cx, &query.join("&")).await
}

/// Adds a group to all ports of a server, or takes it away from them.
///
/// # Errors
/// 404 for server or group, for a server without ports, and for one that does not have the group; 400 for ports that
/// cannot have groups; 409 for a name that several groups have, and for groups that do not go together; 403 by policy.
pub async fn change(
    control: &Control,
    cx: &Context,
    id: &str,
    name: &str,
    add: bool,
) -> Result<()> {
    let server = load(control, cx, id).await?;
    let group = named(control, cx, name).await?;
    let ports = ports(control, cx, id).await?;
    if ports.is_empty() {
        return Err(ControlError::NotFound {
            why: format!("instance_id {id} could not be found as device id on any ports"),
        });
    }
    if add && !ports.iter().all(Guarded::can_have_groups) {
        return Err(ControlError::Invalid {
            why: "Network requires port_security_enabled and subnet associated in order to apply security groups."
                .to_owned(),
        });
    }
    let mut found = false;
    for port in ports {
        let has = port.security_groups.contains(&group.id);
        found |= has;
        if has == add {
            continue;
        }
        let mut groups = port.security_groups;
        match add {
            true => groups.push(group.id.clone()),
            false => groups.retain(|one| *one != group.id),
        }
        let body = json!({"port": {"security_groups": groups}});
        let path = format!("/v2.0/ports/{}", segment(&port.id));
        control
            .network
            .json::<Value>(Method::PUT, &path, cx.token(), Some(&body))
            .await
            .map_err(refused)?;
    }
    if !add && !found {
        return Err(ControlError::NotFound {
            why: format!(
                "Security group {} not associated with the instance {id}",
                group.name
            ),
        });
    }
    note(control, &server.id, &group.name, add).await
}

/// What the network service has against a change of the caller's own ports is the caller's to know.
fn refused(error: ClientError) -> ControlError {
    let why = error.message();
    match error.status() {
        Some(StatusCode::BAD_REQUEST) => ControlError::Invalid { why },
        Some(StatusCode::CONFLICT) => ControlError::Conflict { why },
        _ => error.into(),
    }
}

/// The names that the server shows.
async fn note(control: &Control, id: &str, name: &str, add: bool) -> Result<()> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = match compute_db::servers::lock(&tx, id).await {
            Err(compute_db::DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        server.security_groups.retain(|one| one != name);
        if add {
            server.security_groups.push(name.to_owned());
        }
        compute_db::servers::save(&tx, &mut server).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(())
    })
    .await
}

async fn named(control: &Control, cx: &Context, name: &str) -> Result<Group> {
    let project = segment(cx.project()?);
    let query = format!("project_id={project}");
    let known = groups(control, cx, &query).await?;
    let missing = || ControlError::NotFound {
        why: format!("Security group {name} not found."),
    };
    let (by_id, by_name): (Vec<Group>, Vec<Group>) = known
        .into_iter()
        .filter(|group| group.id == name || group.name == name)
        .partition(|group| group.id == name);
    if let Some(group) = by_id.into_iter().next() {
        return Ok(group);
    }
    if by_name.len() > 1 {
        return Err(ControlError::Conflict {
            why: format!(
                "Multiple security groups found matching '{name}'. Use an ID to be more specific."
            ),
        });
    }
    by_name.into_iter().next().ok_or_else(missing)
}

async fn ports(control: &Control, cx: &Context, server_id: &str) -> Result<Vec<Guarded>> {
    #[derive(Deserialize)]
    struct Ports {
        ports: Vec<Guarded>,
    }
    let path = format!("/v2.0/ports?device_id={}", segment(server_id));
    let answer: Ports = control
        .network
        .json(Method::GET, &path, cx.token(), None)
        .await?;
    Ok(answer.ports)
}

pub(crate) async fn groups(control: &Control, cx: &Context, query: &str) -> Result<Vec<Group>> {
    #[derive(Deserialize)]
    struct Groups {
        security_groups: Vec<Group>,
    }
    let path = format!("/v2.0/security-groups?{query}");
    let answer: Groups = control
        .network
        .json(Method::GET, &path, cx.token(), None)
        .await?;
    Ok(answer.security_groups)
}
