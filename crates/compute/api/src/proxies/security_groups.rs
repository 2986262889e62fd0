//! Security groups and their rules as compute had them, until 2.35; the network service keeps them.

use std::sync::Arc;

use compute_control::proxies::security_groups::{self, NewRule as Wanted};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::servers::security_groups::{GroupView, Groups, RuleView, rule_view, view};
use crate::words::{Flag, Limit};

/// `GET /os-security-groups`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListGroups = call.admit_query()?;
    let all = asked.all_tenants.is_some_and(|flag| flag.0);
    let groups = security_groups::list(&api.control, &call.cx, all).await?;
    let size = |limit: Option<Limit>| limit.and_then(|limit| usize::try_from(limit.0).ok());
    let page = groups
        .iter()
        .skip(size(asked.offset).unwrap_or_default())
        .take(size(asked.limit).unwrap_or(usize::MAX));
    call.render(&Groups {
        security_groups: page.map(|group| view(group, &groups)).collect(),
    })
}

/// `GET /os-security-groups/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let group = security_groups::show(&api.control, &call.cx, call.path("id")).await?;
    call.render(&OneGroup {
        security_group: view(&group, std::slice::from_ref(&group)),
    })
}

/// `POST /os-security-groups`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateGroup {
        security_group: new,
    } = call.admit()?;
    let (cx, description) = (call.cx.clone(), new.description.unwrap_or_default());
    let group = security_groups::create(&api.control, &cx, &new.name, &description).await?;
    call.render(&OneGroup {
        security_group: view(&group, &[]),
    })
}

/// `PUT /os-security-groups/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateGroup {
        security_group: new,
    } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let (name, description) = (new.name.as_deref(), new.description.as_deref());
    let group = security_groups::update(&api.control, &cx, id, name, description).await?;
    call.render(&OneGroup {
        security_group: view(&group, std::slice::from_ref(&group)),
    })
}

/// `DELETE /os-security-groups/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    security_groups::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// `POST /os-security-group-rules`.
pub async fn create_rule(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateRule {
        security_group_rule: new,
    } = call.admit()?;
    let wanted = Wanted {
        parent_group_id: new.parent_group_id,
        protocol: new.ip_protocol,
        from_port: new.from_port.map(|port| port.0),
        to_port: new.to_port.map(|port| port.0),
        cidr: new.cidr,
        group_id: new.group_id,
    };
    let (rule, source) = security_groups::create_rule(&api.control, &call.cx, wanted).await?;
    call.render(&OneRule {
        security_group_rule: rule_view(&rule, source.as_slice()),
    })
}

/// `DELETE /os-security-group-rules/{id}`.
pub async fn delete_rule(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    security_groups::delete_rule(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

#[derive(Serialize, Versioned)]
pub struct OneGroup<'v> {
    pub security_group: GroupView<'v>,
}

#[derive(Serialize, Versioned)]
pub struct OneRule<'v> {
    pub security_group_rule: RuleView<'v>,
}

/// The parameters of the list.
#[derive(Debug, Deserialize, Versioned)]
pub struct ListGroups {
    pub limit: Option<Limit>,
    pub offset: Option<Limit>,
    pub all_tenants: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateGroup {
    pub security_group: NewGroup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewGroup {
    #[mv(max_length = 255)]
    pub name: String,
    #[mv(max_length = 255)]
    pub description: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateGroup {
    pub security_group: ChangedGroup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ChangedGroup {
    #[mv(max_length = 255)]
    pub name: Option<String>,
    #[mv(max_length = 255)]
    pub description: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateRule {
    pub security_group_rule: NewRule,
}

/// A rule for what comes in; without a source group, from `cidr` or from anywhere.
#[derive(Debug, Deserialize, Versioned)]
pub struct NewRule {
    pub parent_group_id: Option<String>,
    pub ip_protocol: Option<String>,
    pub from_port: Option<PortNumber>,
    pub to_port: Option<PortNumber>,
    pub cidr: Option<String>,
    pub group_id: Option<String>,
}

/// A port, or a type or code of ICMP; -1 for any. Clients also write it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[mv(lenient, pattern = "^-?[0-9]+$", minimum = -1, maximum = 0x7FFF_FFFF)]
pub struct PortNumber(pub i64);
