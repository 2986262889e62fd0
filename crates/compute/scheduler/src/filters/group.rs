//! Filters on where the other servers of a server group are.
//!
//! What they say is asked again when the place is claimed, since two members may be placed at once.

use compute_model::server_group::GroupPolicy;

use super::{AFFINITY, ANTI_AFFINITY, Question};
use crate::Host;

/// No more members on a host than the group allows.
pub fn apart(host: &Host, question: &Question) -> Result<(), String> {
    admitted(host, question, GroupPolicy::AntiAffinity)
}

/// On the host of the other members.
pub fn together(host: &Host, question: &Question) -> Result<(), String> {
    admitted(host, question, GroupPolicy::Affinity)
}

fn admitted(host: &Host, question: &Question, policy: GroupPolicy) -> Result<(), String> {
    match &question.request.group {
        Some(group) if group.policy == policy => group.admits(&host.node.host),
        _ => Ok(()),
    }
}

/// A policy that nobody keeps is refused, not forgotten.
pub fn kept(_host: &Host, question: &Question) -> Result<(), String> {
    let filter = match question.request.group.as_ref().map(|group| group.policy) {
        Some(GroupPolicy::AntiAffinity) => ANTI_AFFINITY,
        Some(GroupPolicy::Affinity) => AFFINITY,
        _ => return Ok(()),
    };
    let enabled = &question.settings.enabled_filters;
    match enabled.iter().any(|name| name == filter) {
        true => Ok(()),
        false => Err(format!(
            "ServerGroup policy is not supported: {filter} not configured"
        )),
    }
}
