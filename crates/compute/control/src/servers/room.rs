//! What the quotas of a project and of its user have room for.

use std::collections::BTreeMap;

use compute_db::{quotas, servers};
use compute_model::quota::{self, Resource, ServerLimits, ServerUsage};
use compute_model::{Flavor, Server};
use sql::sea_orm::DatabaseTransaction;

use crate::{Control, Result};

/// How many more servers like this one there is room for, of so many that are wanted: the least, and the most. The caller
/// holds the project's quotas.
///
/// # Errors
/// 403 when not even the least fit.
pub(super) async fn for_servers(
    control: &Control,
    tx: &DatabaseTransaction,
    server: &Server,
    (least, most): (u32, u32),
) -> Result<u32> {
    let defaults = &control.settings.quotas;
    let (project, user) = (server.project_id.as_str(), server.user_id.as_str());
    let of_project = quotas::limits(tx, defaults, quotas::Owner::Project(project)).await?;
    let used = servers::usage(tx, project, None).await?;
    let fits = fit(&of_project, used, &server.flavor, (least, most))?;
    let of_user = quotas::limits(tx, defaults, quotas::Owner::User(project, user)).await?;
    if of_user == of_project {
        return Ok(fits);
    }
    let used = servers::usage(tx, project, Some(user)).await?;
    fit(&of_user, used, &server.flavor, (least, fits))
}

fn fit(
    limits: &BTreeMap<Resource, i64>,
    used: ServerUsage,
    flavor: &Flavor,
    counts: (u32, u32),
) -> Result<u32> {
    let limits = ServerLimits {
        instances: limits[&Resource::Instances],
        cores: limits[&Resource::Cores],
        ram: limits[&Resource::Ram],
    };
    Ok(quota::fit(
        limits,
        used,
        flavor.vcpus.into(),
        flavor.ram.into(),
        counts,
    )?)
}
