//! Limits and use of a project.

use std::sync::Arc;

use compute_control::limits;
use compute_model::quota::Resource;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// `GET /limits`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let ShowLimits { tenant_id } = call.admit_query()?;
    let uses = limits::show(&api.control, &call.cx, tenant_id.as_deref()).await?;
    let max = |resource| uses.get(&resource).map_or(-1, |at| at.limit);
    let used = |resource| uses.get(&resource).map_or(0, |at| at.in_use);
    let absolute = AbsoluteLimits {
        max_image_meta: max(Resource::MetadataItems),
        max_personality: max(Resource::InjectedFiles),
        max_personality_size: max(Resource::InjectedFileContentBytes),
        max_security_groups: max(Resource::SecurityGroups),
        max_security_group_rules: max(Resource::SecurityGroupRules),
        max_server_meta: max(Resource::MetadataItems),
        max_server_groups: max(Resource::ServerGroups),
        max_server_group_members: max(Resource::ServerGroupMembers),
        max_total_cores: max(Resource::Cores),
        max_total_floating_ips: max(Resource::FloatingIps),
        max_total_instances: max(Resource::Instances),
        max_total_keypairs: max(Resource::KeyPairs),
        max_total_ram_size: max(Resource::Ram),
        total_cores_used: used(Resource::Cores),
        total_floating_ips_used: used(Resource::FloatingIps),
        total_instances_used: used(Resource::Instances),
        total_ram_used: used(Resource::Ram),
        total_security_groups_used: used(Resource::SecurityGroups),
        total_server_groups_used: used(Resource::ServerGroups),
    };
    call.render_under("limits", &LimitsView { absolute, rate: [] })
}

/// `{"limits": …}`.
#[derive(Serialize, Versioned)]
pub struct LimitsView {
    pub absolute: AbsoluteLimits,
    /// Always empty: there are no rate limits.
    pub rate: [(); 0],
}

/// -1 means no limit.
#[derive(Debug, Clone, Default, Serialize, Versioned)]
pub struct AbsoluteLimits {
    #[mv(wire = "maxImageMeta", until = "2.38")]
    pub max_image_meta: i64,
    #[mv(wire = "maxPersonality", until = "2.56")]
    pub max_personality: i64,
    #[mv(wire = "maxPersonalitySize", until = "2.56")]
    pub max_personality_size: i64,
    #[mv(wire = "maxSecurityGroups", until = "2.35")]
    pub max_security_groups: i64,
    #[mv(wire = "maxSecurityGroupRules", until = "2.35")]
    pub max_security_group_rules: i64,
    #[mv(wire = "maxServerMeta")]
    pub max_server_meta: i64,
    #[mv(wire = "maxServerGroups")]
    pub max_server_groups: i64,
    #[mv(wire = "maxServerGroupMembers")]
    pub max_server_group_members: i64,
    #[mv(wire = "maxTotalCores")]
    pub max_total_cores: i64,
    #[mv(wire = "maxTotalFloatingIps", until = "2.35")]
    pub max_total_floating_ips: i64,
    #[mv(wire = "maxTotalInstances")]
    pub max_total_instances: i64,
    #[mv(wire = "maxTotalKeypairs")]
    pub max_total_keypairs: i64,
    #[mv(wire = "maxTotalRAMSize")]
    pub max_total_ram_size: i64,
    #[mv(wire = "totalCoresUsed")]
    pub total_cores_used: i64,
    #[mv(wire = "totalFloatingIpsUsed", until = "2.35")]
    pub total_floating_ips_used: i64,
    #[mv(wire = "totalInstancesUsed")]
    pub total_instances_used: i64,
    #[mv(wire = "totalRAMUsed")]
    pub total_ram_used: i64,
    #[mv(wire = "totalSecurityGroupsUsed", until = "2.35")]
    pub total_security_groups_used: i64,
    #[mv(wire = "totalServerGroupsUsed")]
    pub total_server_groups_used: i64,
}

/// Whose limits; administrators may ask for any project's.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ShowLimits {
    pub tenant_id: Option<String>,
}
