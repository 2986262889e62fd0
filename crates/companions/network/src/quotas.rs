//! Quotas: how many objects of a kind a project may have.

use std::collections::{BTreeMap, HashMap};

use rest::accepted::Fate;
use serde_json::{Map, Value, json};
use sql::sea_orm::sea_query::{
    Asterisk, Expr, ExprTrait, Func, OnConflict, Query, SelectStatement,
};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use web::Query as Asked;

use crate::core::Cx;
use crate::db::fields::{self, Listing};
use crate::db::pages::{self, Reading};
use crate::db::selection::Selection;
use crate::db::store::{Tx, among};
use crate::fault::{Fault, Result, invalid};
use crate::list::{self, Paging};
use crate::tables::*;
use crate::views::View;

/// A kind of object whose number is limited.
pub struct Limited {
    pub resource: &'static str,
    /// Neutron's default; -1 is no limit.
    pub default: i64,
    /// Counts those of a project.
    count: fn(&str) -> SelectStatement,
}

/// Everything that is limited.
pub const LIMITED: &[Limited] = &[
    limited::<address_scopes::Entity>("address_scope", -1),
    limited::<floatingips::Entity>("floatingip", 50),
    limited::<networks::Entity>("network", 100),
    limited::<ports::Entity>("port", 500),
    limited::<rbac_policies::Entity>("rbac_policy", 10),
    limited::<routers::Entity>("router", 10),
    limited::<security_groups::Entity>("security_group", 10),
    limited::<security_group_rules::Entity>("security_group_rule", 100),
    limited::<subnets::Entity>("subnet", 100),
    limited::<subnetpools::Entity>("subnetpool", -1),
];

const fn limited<E: EntityTrait>(resource: &'static str, default: i64) -> Limited {
    Limited {
        resource,
        default,
        count: count::<E>,
    }
}

/// Counts a project's rows of a table; the column has the same name in all of them.
fn count<E: EntityTrait>(project: &str) -> SelectStatement {
    let mut rows = Query::select();
    rows.expr_as(Func::count(Expr::col(Asterisk)), USED)
        .from(E::default().table_ref())
        .and_where(Expr::col("project_id").eq(project));
    rows
}

/// What the number of rows is called where they are counted.
const USED: &str = "used";

fn find(resource: &str) -> Option<&'static Limited> {
    LIMITED.iter().find(|limited| limited.resource == resource)
}

/// The limits that a project has unless it has its own.
pub fn defaults() -> BTreeMap<&'static str, i64> {
    let all = LIMITED.iter();
    all.map(|limited| (limited.resource, limited.default))
        .collect()
}

/// The limits of a project.
pub async fn limits(
    db: &impl ConnectionTrait,
    project: &str,
) -> Result<BTreeMap<&'static str, i64>> {
    let own = own_limits(db, &[project.to_owned()]).await?;
    Ok(with_defaults(own.get(project).map_or(&[], Vec::as_slice)))
}

/// The rows of several projects, by project.
async fn own_limits(
    db: &impl ConnectionTrait,
    projects: &[String],
) -> Result<HashMap<String, Vec<quotas::Model>>> {
    let rows = quotas::Entity::find()
        .filter(among(quotas::Column::ProjectId, projects))
        .all(db)
        .await?;
    let mut by_project: HashMap<String, Vec<quotas::Model>> = HashMap::new();
    for row in rows {
        let all = by_project.entry(row.project_id.clone()).or_default();
        all.push(row);
    }
    Ok(by_project)
}

fn with_defaults(own: &[quotas::Model]) -> BTreeMap<&'static str, i64> {
    let mut limits = defaults();
    for row in own {
        if let Some(limit) = limits.get_mut(row.resource.as_str()) {
            *limit = row.limit_value;
        }
    }
    limits
}

/// How many objects of a kind a project has.
async fn used(db: &impl ConnectionTrait, limited: &Limited, project: &str) -> Result<i64> {
    let row = db.query_one(&(limited.count)(project)).await?;
    let row = row.ok_or_else(|| Fault::Broken(format!("{} is not counted", limited.resource)))?;
    Ok(row.try_get("", USED)?)
}

/// Refuses `more` objects beyond the project's limit. Others who count the same project's objects of
/// this kind wait until the transaction ends: what is counted stays true until the objects are written.
pub async fn admit(tx: &Tx, resource: &str, project: &str, more: u64) -> Result<()> {
    let Some(limited) = find(resource) else {
        return Ok(());
    };
    let limit = limits(tx, project).await?[limited.resource];
    if limit < 0 {
        return Ok(());
    }
    hold(tx, resource, project).await?;
    let used = u64::try_from(used(tx, limited, project).await?).unwrap_or(u64::MAX);
    if used.saturating_add(more) <= limit.unsigned_abs() {
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
    let limits = limits(db, project).await?;
    for limited in LIMITED {
        let (name, used) = (limited.resource, used(db, limited, project).await?);
        let detail = json!({"limit": limits[name], "used": used, "reserved": 0});
        view.insert(name.to_owned(), detail);
    }
    Ok(view)
}

/// How the list of projects is looked for.
pub static LISTING: Listing = Listing {
    key: "project_id",
    ..Listing::of(fields::QUOTA)
};

/// A page of the projects that have limits of their own. Those whose quotas the caller may not see are left out.
pub async fn page(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    query: &Asked,
    paging: &Paging,
) -> Result<Vec<View>> {
    list::validate(query, LISTING.filters())?;
    let wanted = Selection::read(cx.project(), LISTING, query, &|_| false)?;
    let scope = || Condition::all().add(quotas::Column::Resource.not_like(format!("{TURN}%")));
    pages::check_marker::<quotas::Entity>(db, &wanted, scope(), paging).await?;
    let mut reading = Reading::of(paging);
    while let Some(cut) = reading.next_cut() {
        let projects: Vec<String> = wanted
            .select::<quotas::Entity>(scope(), cut)
            .select_only()
            .column(quotas::Column::ProjectId)
            .distinct()
            .into_tuple()
            .all(db)
            .await?;
        let own = own_limits(db, &projects).await?;
        let views = projects.iter().map(|project| {
            let mut view = show(&with_defaults(own.get(project).map_or(&[], Vec::as_slice)));
            view.insert("project_id".to_owned(), json!(project));
            view.insert("tenant_id".to_owned(), json!(project));
            view
        });
        reading.take(views.collect(), |view| cx.may(cx.guard.rule(), view));
    }
    Ok(reading.page())
}

/// What a body that sets quotas may name beside the limits.
const CONTROL: &[(&str, Fate)] = &[
    (
        "check_limit",
        Fate::Within("a limit below what is in use is refused with 400"),
    ),
    (
        "force",
        Fate::Hint("a limit is not compared with what is in use unless `check_limit` asks"),
    ),
    (
        "project_id",
        Fate::Hint("the project is that of the path, as in Neutron"),
    ),
    (
        "tenant_id",
        Fate::Hint("the project is that of the path, as in Neutron"),
    ),
];

/// What becomes of the parts of a body that sets quotas.
pub fn accepted() -> Vec<(&'static str, Fate)> {
    let limits = LIMITED
        .iter()
        .map(|limited| (limited.resource, Fate::Honoured));
    limits.chain(CONTROL.iter().copied()).collect()
}

/// Sets quotas of a project.
///
/// # Errors
/// 400 for unknown resources and numbers below -1; with `check_limit` 409-like when less than what is in use.
pub async fn set(tx: &Tx, project: &str, body: &Map<String, Value>) -> Result<View> {
    let check = body
        .get("check_limit")
        .is_some_and(|flag| flag == true || flag == "True" || flag == "true");
    for (name, value) in body {
        if CONTROL.iter().any(|(control, _)| control == name) {
            continue;
        }
        let limited = find(name)
            .ok_or_else(|| Fault::BadRequest(format!("Unrecognized attribute(s) '{name}'")))?;
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
            let used = used(tx, limited, project).await?;
            if used > limit {
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
