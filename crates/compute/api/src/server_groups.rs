//! Server groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::server_groups::{self, NewServerGroup as Wanted};
use compute_model::server_group::{GroupPolicy, ServerGroup};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{Limit, Name, NoQuery};

/// `GET /os-server-groups`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListServerGroups = call.admit_query()?;
    let most = api.control.settings.max_limit;
    // No limit, and a limit of nothing, mean the largest page.
    let limit = asked.limit.filter(|limit| limit.0 > 0);
    let limit = limit.map_or(most, |limit| limit.0.min(most));
    let offset = asked.offset.map_or(0, |offset| offset.0);
    let (all, cx) = (asked.all_projects.is_some(), call.cx.clone());
    let found = server_groups::list(&api.control, &cx, all, (offset, limit)).await?;
    let views: Vec<_> = found.iter().map(view).collect();
    call.render_under("server_groups", &views)
}

/// `POST /os-server-groups`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateServerGroup { server_group: new } = call.admit()?;
    let listed = new.policies.unwrap_or_default().into_iter().next();
    // One of them is required at every version.
    let policy = new.policy.or(listed).ok_or_else(Fault::malformed)?;
    let wanted = Wanted {
        name: new.name.0.trim().to_owned(),
        policy: policy.into(),
        max_server_per_host: new.rules.and_then(|rules| rules.max_server_per_host),
    };
    let made = server_groups::create(&api.control, &call.cx, wanted).await?;
    call.render_under("server_group", &view(&made))
}

/// `GET /os-server-groups/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let found = server_groups::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("server_group", &view(&found))
}

/// `DELETE /os-server-groups/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    server_groups::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

fn view(group: &ServerGroup) -> ServerGroupView<'_> {
    ServerGroupView {
        id: &group.id,
        name: &group.name,
        policies: [group.policy.as_str()],
        metadata: BTreeMap::new(),
        policy: group.policy.as_str(),
        rules: RulesView {
            max_server_per_host: group.max_server_per_host,
        },
        members: &group.members,
        project_id: &group.project_id,
        user_id: &group.user_id,
    }
}

/// A group of servers.
#[derive(Serialize, Versioned)]
pub struct ServerGroupView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    #[mv(until = "2.63")]
    pub policies: [&'static str; 1],
    /// Always empty.
    #[mv(until = "2.63")]
    pub metadata: BTreeMap<String, String>,
    #[mv(since = "2.64")]
    pub policy: &'static str,
    #[mv(since = "2.64")]
    pub rules: RulesView,
    /// Ids of servers.
    pub members: &'v [String],
    #[mv(since = "2.13")]
    pub project_id: &'v str,
    #[mv(since = "2.13")]
    pub user_id: &'v str,
}

/// What a policy is told more exactly.
#[derive(Serialize, Versioned)]
pub struct RulesView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_server_per_host: Option<u32>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateServerGroup {
    pub server_group: NewServerGroup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewServerGroup {
    pub name: Name,
    #[mv(
        until = "2.63",
        required_since = "2.0",
        min_items = 1,
        max_items = 1,
        unique_items
    )]
    pub policies: Option<Vec<PolicyWord>>,
    #[mv(since = "2.64", required_since = "2.64")]
    pub policy: Option<PolicyWord>,
    #[mv(since = "2.64")]
    pub rules: Option<NewRules>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyWord {
    AntiAffinity,
    Affinity,
    #[mv(since = "2.15")]
    SoftAntiAffinity,
    #[mv(since = "2.15")]
    SoftAffinity,
}

impl From<PolicyWord> for GroupPolicy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::AntiAffinity => GroupPolicy::AntiAffinity,
            PolicyWord::Affinity => GroupPolicy::Affinity,
            PolicyWord::SoftAntiAffinity => GroupPolicy::SoftAntiAffinity,
            PolicyWord::SoftAffinity => GroupPolicy::SoftAffinity,
        }
    }
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewRules {
    #[mv(lenient, minimum = 1)]
    pub max_server_per_host: Option<u32>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListServerGroups {
    /// Whatever it says.
    pub all_projects: Option<String>,
    pub limit: Option<Limit>,
    pub offset: Option<Limit>,
}
