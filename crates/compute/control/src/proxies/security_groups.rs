//! Security groups under compute's own old routes, through the network service and in the caller's name.
//!
//! The network service keeps the groups; here they look as they did when compute had them: only rules for what comes
//! in, and 400 where the network service sees a conflict.

use std::net::IpAddr;

use clients::ClientError;
use clients::image::segment;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::servers::security_groups::groups;
pub use crate::servers::security_groups::{Group, Rule};
use crate::{Context, Control, ControlError, Result, policy};

/// A rule as the user asks for it.
#[derive(Debug, Clone, Default)]
pub struct NewRule {
    pub parent_group_id: Option<String>,
    pub protocol: Option<String>,
    pub from_port: Option<i64>,
    pub to_port: Option<i64>,
    /// From where; anywhere when neither this nor a group is given.
    pub cidr: Option<String>,
    pub group_id: Option<String>,
}

/// The groups of the caller's project, by name; of all projects for an administrator who says so.
///
/// # Errors
/// 403 by policy.
pub async fn list(control: &Control, cx: &Context, all_projects: bool) -> Result<Vec<Group>> {
    policy::allow(control, cx)?;
    let query = match all_projects && policy::is_admin(control, cx) {
        true => String::new(),
        false => format!("project_id={}", segment(cx.project()?)),
    };
    let mut found = groups(control, cx, &query).await?;
    found.sort_by(|a, b| (&a.project_id, &a.name).cmp(&(&b.project_id, &b.name)));
    Ok(found)
}

/// One group.
///
/// # Errors
/// 400 for what is no id, 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Group> {
    policy::allow(control, cx)?;
    find(control, cx, id).await
}

/// Makes a group.
///
/// # Errors
/// 400 for what the network service does not accept, 403 by policy or quota.
pub async fn create(
    control: &Control,
    cx: &Context,
    name: &str,
    description: &str,
) -> Result<Group> {
    policy::allow(control, cx)?;
    let body = json!({"security_group": {"name": name, "description": description}});
    let made: OneGroup = call(
        control,
        cx,
        Method::POST,
        "/v2.0/security-groups",
        Some(&body),
    )
    .await?;
    Ok(made.security_group)
}

/// Renames or describes a group; what is not given stays.
///
/// # Errors
/// 400 for what is no id and what the network service does not accept, 404, 403 by policy.
pub async fn update(
    control: &Control,
    cx: &Context,
    id: &str,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<Group> {
    policy::allow(control, cx)?;
    let path = format!("/v2.0/security-groups/{}", identified(id)?);
    let mut group = serde_json::Map::new();
    for (key, value) in [("name", name), ("description", description)] {
        if let Some(value) = value {
            group.insert(key.to_owned(), json!(value));
        }
    }
    let body = json!({"security_group": group});
    let changed: OneGroup = call(control, cx, Method::PUT, &path, Some(&body)).await?;
    Ok(changed.security_group)
}

/// Removes a group.
///
/// # Errors
/// 400 for what is no id, for a group in use and for a project's default group, 404, 403 by policy.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let path = format!("/v2.0/security-groups/{}", identified(id)?);
    call::<Value>(control, cx, Method::DELETE, &path, None).await?;
    Ok(())
}

/// Adds a rule for what comes in. The second answer is the group that it names as source.
///
/// # Errors
/// 400 for parameters that make no rule and for a rule that is there already, 404 for groups, 403 by policy or quota.
pub async fn create_rule(
    control: &Control,
    cx: &Context,
    new: NewRule,
) -> Result<(Rule, Option<Group>)> {
    policy::allow(control, cx)?;
    let parent = new.parent_group_id.as_deref().unwrap_or_default();
    let parent = find(control, cx, parent).await?;
    let source = match new.group_id.as_deref() {
        Some(id) => Some(find(control, cx, id).await?),
        None => None,
    };
    let mut rule = wanted(&new)?;
    rule["security_group_id"] = json!(parent.id);
    let body = json!({"security_group_rule": rule});
    let made: OneRule = call(
        control,
        cx,
        Method::POST,
        "/v2.0/security-group-rules",
        Some(&body),
    )
    .await?;
    Ok((made.security_group_rule, source))
}

/// Removes a rule.
///
/// # Errors
/// 400 for what is no id, 404, 403 by policy.
pub async fn delete_rule(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let path = format!("/v2.0/security-group-rules/{}", identified(id)?);
    call::<Value>(control, cx, Method::DELETE, &path, None).await?;
    Ok(())
}

#[derive(Deserialize)]
struct OneGroup {
    security_group: Group,
}

#[derive(Deserialize)]
struct OneRule {
    security_group_rule: Rule,
}

async fn find(control: &Control, cx: &Context, id: &str) -> Result<Group> {
    let path = format!("/v2.0/security-groups/{}", identified(id)?);
    let found: OneGroup = call(control, cx, Method::GET, &path, None).await?;
    Ok(found.security_group)
}

/// Names are no ids here: the network service would look for them in vain, and say 404.
fn identified(id: &str) -> Result<&str> {
    match id.len() == 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        true => Ok(id),
        false => Err(invalid("Security group id should be uuid")),
    }
}

async fn call<T: DeserializeOwned>(
    control: &Control,
    cx: &Context,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<T> {
    let answer = control.network.json(method, path, cx.token(), body).await;
    answer.map_err(refused)
}

/// What the old routes answer for a refusal of the network service.
fn refused(error: ClientError) -> ControlError {
    let ClientError::Refused {
        status, message, ..
    } = &error
    else {
        return error.into();
    };
    let why = message.clone();
    match *status {
        StatusCode::NOT_FOUND => ControlError::NotFound { why },
        StatusCode::FORBIDDEN => ControlError::Forbidden { why },
        // Quotas of the network service.
        StatusCode::CONFLICT if why.starts_with("Quota exceeded") => {
            ControlError::Forbidden { why }
        }
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT => ControlError::Invalid { why },
        _ => error.into(),
    }
}

/// The rule in the network service's words.
fn wanted(new: &NewRule) -> Result<Value> {
    let mut rule = json!({"direction": "ingress"});
    match (&new.group_id, new.cidr.as_deref()) {
        (Some(group), _) => rule["remote_group_id"] = json!(group),
        (None, cidr) => {
            let (prefix, ethertype) = network(cidr.unwrap_or("0.0.0.0/0"))?;
            rule["remote_ip_prefix"] = json!(prefix);
            rule["ethertype"] = json!(ethertype);
        }
    }
    match matched(new)? {
        Some((protocol, from, to)) => {
            rule["protocol"] = json!(protocol);
            // -1 is "any" here; there it is nothing.
            rule["port_range_min"] = json!((from != -1).then_some(from));
            rule["port_range_max"] = json!((to != -1).then_some(to));
        }
        None if new.group_id.is_some() => {}
        None => return Err(invalid("Not enough parameters to build a valid rule.")),
    }
    Ok(rule)
}

/// Protocol and ports, or type and code. A rule about a group may leave them out: it means all then.
fn matched(new: &NewRule) -> Result<Option<(&'static str, i64, i64)>> {
    let Some(given) = new.protocol.as_deref() else {
        return Ok(None);
    };
    let protocol = match given.to_ascii_lowercase().as_str() {
        "tcp" => "tcp",
        "udp" => "udp",
        "icmp" => "icmp",
        _ => return Err(invalid(&format!("Invalid IP protocol {given}."))),
    };
    let all = match protocol {
        "icmp" => (-1, -1),
        _ => (1, 65535),
    };
    let (from, to) = match (new.from_port, new.to_port) {
        (Some(from), Some(to)) => (from, to),
        (None, None) if new.group_id.is_some() => all,
        _ => return Ok(None),
    };
    let problem = match protocol {
        "icmp" if !(-1..=255).contains(&from) || !(-1..=255).contains(&to) => {
            "For ICMP, the type:code must be valid".to_owned()
        }
        "icmp" => return Ok(Some((protocol, from, to))),
        _ if from > to => "Former value cannot be greater than the later".to_owned(),
        _ if from < 1 || to > 65535 => {
            format!(
                "Valid {} ports should be between 1-65535",
                protocol.to_uppercase()
            )
        }
        _ => return Ok(Some((protocol, from, to))),
    };
    Err(invalid(&format!(
        "Invalid port range {from}:{to}. {problem}"
    )))
}

/// An address or a network, as a network, and of which family it is.
fn network(cidr: &str) -> Result<(String, &'static str)> {
    let wrong = || invalid(&format!("Invalid cidr {cidr}."));
    let (address, length) = cidr
        .split_once('/')
        .map_or((cidr, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (most, ethertype) = match address {
        IpAddr::V4(_) => (32, "IPv4"),
        IpAddr::V6(_) => (128, "IPv6"),
    };
    let length: u8 = match length {
        Some(length) => length.parse().map_err(|_| wrong())?,
        None => most,
    };
    if length > most {
        return Err(wrong());
    }
    if length == 0 && !address.is_unspecified() {
        return Err(invalid(&format!("Bad prefix for network in cidr {cidr}")));
    }
    Ok((format!("{address}/{length}"), ethertype))
}

fn invalid(why: &str) -> ControlError {
    ControlError::Invalid {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: &str, from: i64, to: i64) -> NewRule {
        NewRule {
            protocol: Some(protocol.to_owned()),
            from_port: Some(from),
            to_port: Some(to),
            ..NewRule::default()
        }
    }

    #[test]
    fn a_rule_without_source_is_for_everybody() {
        let made = wanted(&rule("TCP", 22, 22)).expect("a rule");
        assert_eq!(made["remote_ip_prefix"], "0.0.0.0/0");
        assert_eq!(made["protocol"], "tcp");
        assert_eq!(made["direction"], "ingress");
    }

    #[test]
    fn minus_one_is_any_type_and_code() {
        let made = wanted(&rule("icmp", -1, -1)).expect("a rule");
        assert!(made["port_range_min"].is_null() && made["port_range_max"].is_null());
    }

    #[test]
    fn ports_may_be_left_out_only_where_a_group_is_the_source() {
        let mut new = NewRule {
            protocol: Some("udp".to_owned()),
            ..NewRule::default()
        };
        assert!(wanted(&new).is_err());
        new.group_id = Some("g".to_owned());
        let made = wanted(&new).expect("a rule");
        assert_eq!(
            (&made["port_range_min"], &made["port_range_max"]),
            (&json!(1), &json!(65535))
        );
        assert!(made["remote_ip_prefix"].is_null());
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        for wrong in [
            rule("tcp", 22, 21),
            rule("tcp", 0, 80),
            rule("udp", 1, 65536),
            rule("icmp", 256, 0),
            rule("gre", 1, 1),
        ] {
            assert!(
                matches!(wanted(&wrong), Err(ControlError::Invalid { .. })),
                "{wrong:?}"
            );
        }
        for cidr in ["10.0.0.0/33", "10.0.0.0/0", "here", "::1/129", ""] {
            let new = NewRule {
                cidr: Some(cidr.to_owned()),
                ..rule("tcp", 22, 22)
            };
            assert!(
                matches!(wanted(&new), Err(ControlError::Invalid { .. })),
                "{cidr}"
            );
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(
            network("10.0.0.1").expect("v4"),
            ("10.0.0.1/32".to_owned(), "IPv4")
        );
        assert_eq!(network("::/0").expect("v6"), ("::/0".to_owned(), "IPv6"));
    }
}
