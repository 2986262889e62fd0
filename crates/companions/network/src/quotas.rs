//! Quotas: how many objects of a kind a project may have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};

use crate::db::store::Tx;
use crate::fault::{Fault, Result, invalid};
use crate::tables::*;
use crate::views::View;

/// Neutron's default quotas; -1 is no limit.
pub const DEFAULTS: &[(&str, i64)] = &[
    ("address_scope", -1),
    ("floatingip", 50),
    ("network", 100),
    ("port", 500),
    ("rbac_policy", 10),
    ("router", 10),
    ("security_group", 10),
    ("security_group_rule", 100),
    ("subnet", 100),
    ("subnetpool", -1),
];

/// The limits of a project.
pub async fn limits(
    db: &impl ConnectionTrait,
    project: &str,
) -> Result<BTreeMap<&'static str, i64>> {
    let mut limits: BTreeMap<&'static str, i64> = DEFAULTS.iter().copied().collect();
    for row in quotas::Entity::find()
        .filter(quotas::Column::ProjectId.eq(project))
        .all(db)
        .await?
    {
        if let Some((_, limit)) = limits.iter_mut().find(|(name, _)| **name == row.resource) {
            *limit = row.limit_value;
        }
    }
    Ok(limits)
}

/// How many objects of a kind a project has.
pub async fn used(db: &impl ConnectionTrait, resource: &str, project: &str) -> Result<u64> {
    /// Counts the rows of one table; the columns have the same name everywhere, but other types.
    macro_rules! count {
        ($table:ident) => {
            $table::Entity::find()
                .filter($table::Column::ProjectId.eq(project))
                .count(db)
                .await?
        };
    }
    Ok(match resource {
        "address_scope" => count!(address_scopes),
        "floatingip" => count!(floatingips),
        "network" => count!(networks),
        "port" => count!(ports),
        "rbac_policy" => count!(rbac_policies),
        "router" => count!(routers),
        "security_group" => count!(security_groups),
        "security_group_rule" => count!(security_group_rules),
        "subnet" => count!(subnets),
        _ => count!(subnetpools),
    })
}

/// Refuses `more` objects beyond the project's limit. Others who count the same project's objects of
/// this kind wait until the transaction ends: what is counted stays true until the objects are written.
pub async fn admit(tx: &Tx, resource: &str, project: &str, more: u64) -> Result<()> {
    let limit = limits(tx, project)
        .await?
        .get(resource)
        .copied()
        .unwrap_or(-1);
    if limit < 0 {
        return Ok(());
    }
    hold(tx, resource, project).await?;
    if used(tx, resource, project).await? + more <= limit as u64 {
        return Ok(());
    }
    Err(Fault::OverQuota(vec![resource.to_owned()]))
}

/// What the name of a row begins with that is no limit, but the turn to count objects of a kind.
const TURN: &str = "(turn) ";

/// Locks the turn of a project to count. (On SQLite the transaction itself is the lock.)
async fn hold(tx: &Tx, resource: &str, project: &str) -> Result<()> {
    if tx.get_database_backend() == sql::sea_orm::DbBackend::Sqlite {
        return Ok(());
    }
    put(tx, project, format!("{TURN}{resource}"), 0).await
}

/// Writes a row, or the limit of the one that is there: either way it is locked until the transaction ends.
async fn put(tx: &Tx, project: &str, resource: String, limit_value: i64) -> Result<()> {
    let row = quotas::Model {
        project_id: project.to_owned(),
        resource,
        limit_value,
    };
    let replace = OnConflict::columns([quotas::Column::ProjectId, quotas::Column::Resource])
        .update_column(quotas::Column::LimitValue)
        .to_owned();
    quotas::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Limits as an object.
pub fn show(limits: &BTreeMap<&'static str, i64>) -> View {
    limits
        .iter()
        .map(|(name, limit)| ((*name).to_owned(), json!(limit)))
        .collect()
}

/// Limits and use as an object.
pub async fn details(db: &impl ConnectionTrait, project: &str) -> Result<View> {
    let mut view = Map::new();
    for (name, limit) in limits(db, project).await? {
        let used = used(db, name, project).await?;
        view.insert(
            name.to_owned(),
            json!({"limit": limit, "used": used, "reserved": 0}),
        );
    }
    Ok(view)
}

/// All projects whose quotas differ from the defaults.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<View>> {
    let mut projects: Vec<String> = quotas::Entity::find()
        .all(db)
        .await?
        .into_iter()
        .filter(|row| !row.resource.starts_with(TURN))
        .map(|row| row.project_id)
        .collect();
    projects.sort();
    projects.dedup();
    let mut all = Vec::new();
    for project in projects {
        let mut view = show(&limits(db, &project).await?);
        view.insert("project_id".to_owned(), json!(project));
        view.insert("tenant_id".to_owned(), json!(project));
        all.push(view);
    }
    Ok(all)
}

/// Sets quotas of a project.
///
/// # Errors
/// 400 for unknown resources and numbers below -1; with `check_limit` 409-like when less than what is in use.
pub async fn set(tx: &Tx, project: &str, body: &Map<String, Value>) -> Result<View> {
    let check = body
        .get("check_limit")
        .is_some_and(|flag| flag == true || flag == "True" || flag == "true");
    let control = ["check_limit", "force", "project_id", "tenant_id"];
    for (name, value) in body {
        if control.contains(&name.as_str()) {
            continue;
        }
        if !DEFAULTS.iter().any(|(known, _)| known == name) {
            return Err(Fault::BadRequest(format!(
                "Unrecognized attribute(s) '{name}'"
            )));
        }
        let limit = crate::attributes::kinds::number(value).map_err(|why| invalid(name, why))?;
        let limit = limit
            .as_i64()
            .filter(|limit| (-1..=i64::from(i32::MAX)).contains(limit));
        let limit = limit.ok_or_else(|| {
            invalid(
                name,
                format!("'{value}' is not in the range -1 to 2147483647"),
            )
        })?;
        if check && limit >= 0 {
            hold(tx, name, project).await?;
            let used = used(tx, name, project).await?;
            if used > limit as u64 {
                return Err(Fault::InvalidInput(format!(
                    "Quota limit {limit} for {name} must be greater than or equal to already used {used}"
                )));
            }
        }
        put(tx, project, name.clone(), limit).await?;
    }
    Ok(show(&limits(tx, project).await?))
}

/// Back to the defaults.
pub async fn reset(tx: &Tx, project: &str) -> Result<()> {
    quotas::Entity::delete_many()
        .filter(quotas::Column::ProjectId.eq(project))
        .exec(tx)
        .await?;
    Ok(())
}
