//! Security groups of servers: a list, and the actions that add and remove one.

use std::sync::Arc;

use compute_control::servers::security_groups::{self, Group, Rule};
use microversion::Versioned;
use serde::Serialize;

use super::actions::ChangeSecurityGroup;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// `GET /servers/{id}/os-security-groups`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let groups = security_groups::list(&api.control, &call.cx, id).await?;
    call.render(&Groups {
        security_groups: groups.iter().map(|group| view(group, &groups)).collect(),
    })
}

/// The actions `addSecurityGroup` and `removeSecurityGroup`.
pub async fn change(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: ChangeSecurityGroup = call.admit()?;
    let (name, add) = match (request.add, request.remove) {
        (Some(group), _) => (group.name, true),
        (None, Some(group)) => (group.name, false),
        (None, None) => return Err(Fault::bad_request("Missing parameter dict")),
    };
    let id = call.path("id");
    security_groups::change(&api.control, &call.cx, id, &name, add).await?;
    Ok(Answer::empty())
}

#[derive(Serialize, Versioned)]
pub struct Groups<'v> {
    pub security_groups: Vec<GroupView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct GroupView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub description: &'v str,
    pub tenant_id: &'v str,
    pub rules: Vec<RuleView<'v>>,
}

/// A rule as the old network service had it: only of what comes in.
#[derive(Serialize, Versioned)]
pub struct RuleView<'v> {
    pub id: &'v str,
    pub parent_group_id: &'v str,
    pub ip_protocol: Option<&'v str>,
    pub from_port: Option<i32>,
    pub to_port: Option<i32>,
    /// Empty where the rule is about addresses.
    pub group: SourceGroup<'v>,
    /// Empty where the rule is about a group.
    pub ip_range: SourceRange<'v>,
}

#[derive(Serialize, Versioned)]
pub struct SourceGroup<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct SourceRange<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<&'v str>,
}

pub(crate) fn view<'v>(group: &'v Group, known: &'v [Group]) -> GroupView<'v> {
    let incoming = group
        .rules
        .iter()
        .filter(|rule| rule.direction == "ingress");
    GroupView {
        id: &group.id,
        name: &group.name,
        description: &group.description,
        tenant_id: &group.project_id,
        rules: incoming.map(|rule| rule_view(rule, known)).collect(),
    }
}

pub(crate) fn rule_view<'v>(rule: &'v Rule, known: &'v [Group]) -> RuleView<'v> {
    let (from_port, to_port) = ports(rule);
    let source = rule.remote_group_id.as_deref();
    let group = source.and_then(|id| known.iter().find(|group| group.id == id));
    let anywhere = match rule.ethertype.as_str() {
        "IPv6" => "::/0",
        _ => "0.0.0.0/0",
    };
    RuleView {
        id: &rule.id,
        parent_group_id: &rule.security_group_id,
        ip_protocol: rule.protocol.as_deref(),
        from_port,
        to_port,
        group: SourceGroup {
            // A group of another server is not looked up: its id tells as much.
            name: group.map(|group| group.name.as_str()).or(source),
            tenant_id: group.map(|group| group.project_id.as_str()),
        },
        ip_range: SourceRange {
            cidr: match source {
                Some(_) => None,
                None => Some(rule.remote_ip_prefix.as_deref().unwrap_or(anywhere)),
            },
        },
    }
}

/// A protocol without ports has all of them.
fn ports(rule: &Rule) -> (Option<i32>, Option<i32>) {
    match (
        rule.protocol.as_deref(),
        rule.port_range_min,
        rule.port_range_max,
    ) {
        (Some("tcp" | "udp"), None, None) => (Some(1), Some(65535)),
        (Some(_), None, None) => (Some(-1), Some(-1)),
        (_, from, to) => (from, to),
    }
}
