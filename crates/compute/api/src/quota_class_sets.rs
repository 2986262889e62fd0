//! Quotas that hold where nobody set others.

use std::sync::Arc;

use compute_control::quota_sets::{self, Limits};
use compute_model::quota::Resource;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::quota_sets::NewLimit;
use crate::words::NoQuery;

/// `GET /os-quota-class-sets/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let class = call.path("id");
    let limits = quota_sets::show_class(&api.control, &call.cx, class).await?;
    call.render_under("quota_class_set", &view(Some(class), &limits))
}

/// `PUT /os-quota-class-sets/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateQuotaClassSet { quota_class_set } = call.admit()?;
    let wanted = quota_class_set.limits();
    let (cx, class) = (call.cx.clone(), call.path("id"));
    let limits = quota_sets::update_class(&api.control, &cx, class, &wanted).await?;
    call.render_under("quota_class_set", &view(None, &limits))
}

/// As a quota set, with a history of its own.
#[derive(Serialize, Versioned)]
pub struct QuotaClassSet<'v> {
    /// The class; left out in the answer to an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'v str>,
    pub cores: i64,
    #[mv(until = "2.49")]
    pub fixed_ips: i64,
    #[mv(until = "2.49")]
    pub floating_ips: i64,
    #[mv(until = "2.56")]
    pub injected_file_content_bytes: i64,
    #[mv(until = "2.56")]
    pub injected_file_path_bytes: i64,
    #[mv(until = "2.56")]
    pub injected_files: i64,
    pub instances: i64,
    pub key_pairs: i64,
    pub metadata_items: i64,
    pub ram: i64,
    #[mv(until = "2.49")]
    pub security_group_rules: i64,
    #[mv(until = "2.49")]
    pub security_groups: i64,
    #[mv(since = "2.50")]
    pub server_group_members: i64,
    #[mv(since = "2.50")]
    pub server_groups: i64,
}

fn view<'v>(id: Option<&'v str>, limits: &Limits) -> QuotaClassSet<'v> {
    let of = |resource| limits.get(&resource).copied().unwrap_or(-1);
    QuotaClassSet {
        id,
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

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateQuotaClassSet {
    pub quota_class_set: QuotaClassUpdate,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct QuotaClassUpdate {
    pub cores: Option<NewLimit>,
    #[mv(until = "2.49")]
    pub fixed_ips: Option<NewLimit>,
    #[mv(until = "2.49")]
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
    #[mv(until = "2.49")]
    pub security_group_rules: Option<NewLimit>,
    #[mv(until = "2.49")]
    pub security_groups: Option<NewLimit>,
    pub server_group_members: Option<NewLimit>,
    pub server_groups: Option<NewLimit>,
}

impl QuotaClassUpdate {
    fn limits(&self) -> Limits {
        let named = [
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
        ];
        crate::quota_sets::given(&named)
    }
}
