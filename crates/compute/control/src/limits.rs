//! Limits of a project and what it takes of them.

use std::collections::BTreeMap;

use compute_model::quota::Resource;

use crate::quota_sets::{Use, Whose, uses};
use crate::{Context, Control, Result, policy};

/// Limits and use of the caller's project, or for operators of `project`.
///
/// # Errors
/// Denied.
pub async fn show(
    control: &Control,
    cx: &Context,
    project: Option<&str>,
) -> Result<BTreeMap<Resource, Use>> {
    policy::allow(control, cx)?;
    if project.is_some() {
        policy::allow_rule(control, cx, "os_compute_api:limits:other_project")?;
    }
    let project = match project {
        Some(project) => project,
        None => cx.project()?,
    };
    let whose = Whose {
        project,
        user: None,
    };
    uses(control, control.db.read(), whose).await
}
