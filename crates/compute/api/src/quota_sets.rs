//! Quotas of a project, or of one user in it.

use std::sync::Arc;

use compute_control::quota_sets::{self, Limits, Whose};
use compute_model::quota::Resource;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Flag;

/// `GET /os-quota-sets/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: OfUser = call.admit_query()?;
    let whose = whose(&call, &asked);
    let limits = quota_sets::show(&api.control, &call.cx, whose).await?;
    shown(&call, Some(whose.project), &limits)
}

/// `GET /os-quota-sets/{id}/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: OfUser = call.admit_query()?;
    let whose = whose(&call, &asked);
    let uses = quota_sets::detail(&api.control, &call.cx, whose).await?;
    let view = QuotaSet::of(Some(whose.project), |resource| {
        let of = uses.get(&resource);
        QuotaUse {
            in_use: of.map_or(0, |of| of.in_use),
            limit: of.map_or(-1, |of| of.limit),
            reserved: 0,
        }
    });
    call.render_under("quota_set", &view)
}

/// `GET /os-quota-sets/{id}/defaults`.
pub async fn defaults(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let project = call.path("id");
    let limits = quota_sets::defaults(&api.control, &call.cx, project).await?;
    shown(&call, Some(project), &limits)
}

/// `PUT /os-quota-sets/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateQuotaSet { quota_set } = call.admit()?;
    let asked: OfUser = call.admit_query()?;
    let force = quota_set.force.is_some_and(|Flag(force)| force);
    let (cx, wanted) = (call.cx.clone(), quota_set.limits());
    let whose = whose(&call, &asked);
    let limits = quota_sets::update(&api.control, &cx, whose, &wanted, force).await?;
    shown(&call, None, &limits)
}

/// `DELETE /os-quota-sets/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: OfUser = call.admit_query()?;
    quota_sets::delete(&api.control, &call.cx, whose(&call, &asked)).await?;
    Ok(Answer::empty())
}

fn whose<'a>(call: &'a Call, asked: &'a OfUser) -> Whose<'a> {
    Whose {
        project: call.path("id"),
        user: asked.user_id.as_deref().filter(|user| !user.is_empty()),
    }
}

fn shown(call: &Call, id: Option<&str>, limits: &Limits) -> Result<Answer, Fault> {
    let view = QuotaSet::of(id, |resource| limits.get(&resource).copied().unwrap_or(-1));
    call.render_under("quota_set", &view)
}

/// The limits that a request names.
pub(crate) fn given(named: &[(Resource, Option<NewLimit>)]) -> Limits {
    let given = named
        .iter()
        .filter_map(|(resource, limit)| Some((*resource, (*limit)?.0)));
    given.collect()
}

/// A quota of every resource that a quota set has: limits in one view, limits with their use in another. -1 means no
/// limit.
#[derive(Debug, Clone, Serialize, Versioned)]
pub struct QuotaSet<T> {
    /// The project; left out in the answer to an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub cores: T,
    #[mv(until = "2.35")]
    pub fixed_ips: T,
    #[mv(until = "2.35")]
    pub floating_ips: T,
    #[mv(until = "2.56")]
    pub injected_file_content_bytes: T,
    #[mv(until = "2.56")]
    pub injected_file_path_bytes: T,
    #[mv(until = "2.56")]
    pub injected_files: T,
    pub instances: T,
    pub key_pairs: T,
    pub metadata_items: T,
    pub ram: T,
    #[mv(until = "2.35")]
    pub security_group_rules: T,
    #[mv(until = "2.35")]
    pub security_groups: T,
    pub server_group_members: T,
    pub server_groups: T,
}

impl<T> QuotaSet<T> {
    fn of(id: Option<&str>, of: impl Fn(Resource) -> T) -> Self {
        QuotaSet {
            id: id.map(str::to_owned),
            cores: of(Resource::Cores),
            fixed_ips: of(Resource::FixedIps),
            floating_ips: of(Resource::FloatingIps),
            injected_file_content_bytes: of(Resource::InjectedFileContentBytes),
            injected_file_path_bytes: of(Resource::InjectedFilePathBytes),
            injected_files: of(Resource::InjectedFiles),
            instances: of(Resource::Instances),
            key_pairs: of(Resource::KeyPairs),
            metadata_items: of(Resource::MetadataItems),
            ram: of(Resource::Ram),
            security_group_rules: of(Resource::SecurityGroupRules),
            security_groups: of(Resource::SecurityGroups),
            server_group_members: of(Resource::ServerGroupMembers),
            server_groups: of(Resource::ServerGroups),
        }
    }
}

/// A limit and how much of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Versioned)]
pub struct QuotaUse {
    pub in_use: i64,
    pub limit: i64,
    pub reserved: i64,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateQuotaSet {
    pub quota_set: QuotaUpdate,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct QuotaUpdate {
    pub cores: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub fixed_ips: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub floating_ips: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_file_content_bytes: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_file_path_bytes: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_files: Option<NewLimit>,
    pub instances: Option<NewLimit>,
    pub key_pairs: Option<NewLimit>,
    pub metadata_items: Option<NewLimit>,
    pub ram: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub security_group_rules: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub security_groups: Option<NewLimit>,
    pub server_group_members: Option<NewLimit>,
    pub server_groups: Option<NewLimit>,
    /// Below what is in use already, too.
    pub force: Option<Flag>,
}

impl QuotaUpdate {
    fn limits(&self) -> Limits {
        given(&[
            (Resource::Cores, self.cores),
            (Resource::FixedIps, self.fixed_ips),
            (Resource::FloatingIps, self.floating_ips),
            (
                Resource::InjectedFileContentBytes,
                self.injected_file_content_bytes,
            ),
            (
                Resource::InjectedFilePathBytes,
                self.injected_file_path_bytes,
            ),
            (Resource::InjectedFiles, self.injected_files),
            (Resource::Instances, self.instances),
            (Resource::KeyPairs, self.key_pairs),
            (Resource::MetadataItems, self.metadata_items),
            (Resource::Ram, self.ram),
            (Resource::SecurityGroupRules, self.security_group_rules),
            (Resource::SecurityGroups, self.security_groups),
            (Resource::ServerGroupMembers, self.server_group_members),
            (Resource::ServerGroups, self.server_groups),
        ])
    }
}

/// A limit; -1 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[mv(lenient, pattern = "^-?[0-9]+$", minimum = -1, maximum = 0x7FFF_FFFF)]
pub struct NewLimit(pub i64);

/// Whose quotas: the project's, or one user's in it.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct OfUser {
    pub user_id: Option<String>,
}
