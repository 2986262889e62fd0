//! Security groups. Every project has a default group, made when something first asks for it.

use std::collections::HashMap;

use serde_json::json;
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::sharing;
use crate::db::store::{self, Tx, among};
use crate::fault::{Fault, Result, kinds, missing};
use crate::matches::{self, Match};
use crate::quotas;
use crate::tables::{
    default_groups, port_security_groups, rbac_policies, security_group_rules, security_groups,
};
use crate::views::{self, View};
use crate::words::{Direction, Ethertype, Shareable};

/// The name that only the default group has.
pub const DEFAULT: &str = "default";

/// What a new group lets out, by a rule each.
const FREE_WAY_OUT: [Ethertype; 2] = [Ethertype::IPv4, Ethertype::IPv6];

/// Which groups the caller sees: its own and those shared with it.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    Condition::any()
        .add(security_groups::Column::ProjectId.eq(cx.project()))
        .add(sharing::group_is_shared(cx.project()))
}

/// Makes a group with the rules that let everything out, which count as the project's like others.
pub async fn create(tx: &Tx, attrs: &Attrs) -> Result<security_groups::Model> {
    let project = attrs.text("project_id");
    if attrs.text("name").eq_ignore_ascii_case(DEFAULT) {
        return Err(Fault::DefaultAlreadyExists);
    }
    ensure_default(tx, &project).await?;
    let rules = FREE_WAY_OUT.len() as u64;
    quotas::admit(tx, "security_group_rule", &project, rules).await?;
    let row = new_row(
        &project,
        &attrs.text("name"),
        &attrs.text("description"),
        attrs.flag("stateful", true),
    );
    store::insert(tx, row.clone()).await?;
    for ethertype in FREE_WAY_OUT {
        matches::add(tx, &row, Match::all(Direction::Egress, ethertype), "").await?;
    }
    Ok(row)
}

fn new_row(project: &str, name: &str, description: &str, stateful: bool) -> security_groups::Model {
    let now = store::now();
    security_groups::Model {
        id: store::new_id(),
        project_id: project.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        stateful,
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    }
}

/// The id of the project's default group, made now if need be: everything out, in only from its own members.
pub async fn ensure_default(tx: &Tx, project: &str) -> Result<String> {
    if let Some(row) = store::find::<default_groups::Entity>(tx, project).await? {
        return Ok(row.group_id);
    }
    let row = new_row(project, DEFAULT, "Default security group", true);
    store::insert(
        tx,
        default_groups::Model {
            project_id: project.to_owned(),
            group_id: row.id.clone(),
        },
    )
    .await?;
    store::insert(tx, row.clone()).await?;
    for ethertype in FREE_WAY_OUT {
        matches::add(tx, &row, Match::all(Direction::Egress, ethertype), "").await?;
        let members = Match {
            remote_group_id: Some(row.id.clone()),
            ..Match::all(Direction::Ingress, ethertype)
        };
        matches::add(tx, &row, members, "").await?;
    }
    Ok(row.id)
}

/// Makes the caller's default group if it has none yet; costs one read when it has.
pub async fn ensure_default_of_caller(cx: &Cx<'_>) -> Result<()> {
    let Some(project) = cx.caller.project_id.as_deref() else {
        return Ok(());
    };
    let db = cx.core.db.read();
    if store::find::<default_groups::Entity>(db, project)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let made = sql::retry(|| async {
        let tx = cx.core.db.begin().await?;
        ensure_default(&tx, project).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match made {
        // Another request made it in the meantime.
        Err(error) if error.is_duplicate() => Ok(()),
        other => other,
    }
}

/// Refuses groups that are missing or not for this caller.
pub async fn usable(cx: &Cx<'_>, tx: &Tx, ids: &[String], project: &str) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = security_groups::Entity::find()
        .filter(security_groups::Column::Id.is_in(ids.iter().cloned()))
        .all(tx)
        .await?;
    let mut shared = None;
    for id in ids {
        let row = rows
            .iter()
            .find(|row| &row.id == id)
            .ok_or_else(|| missing(&kinds::SECURITY_GROUP, id))?;
        if cx.is_admin() || row.project_id == project || row.project_id == cx.project() {
            continue;
        }
        if shared.is_none() {
            shared = Some(sharing::given(tx, Shareable::SecurityGroup, cx.project()).await?);
        }
        if !shared.iter().flatten().any(|object| object == id) {
            return Err(missing(&kinds::SECURITY_GROUP, id));
        }
    }
    Ok(())
}

/// Whether this is its project's default group.
pub async fn is_default(db: &impl ConnectionTrait, row: &security_groups::Model) -> Result<bool> {
    if row.name != DEFAULT {
        return Ok(false);
    }
    let default = store::find::<default_groups::Entity>(db, &row.project_id).await?;
    Ok(default.is_some_and(|default| default.group_id == row.id))
}

/// Whether ports use the group.
async fn in_use(tx: &Tx, id: &str) -> Result<bool> {
    let links =
        port_security_groups::Entity::find().filter(port_security_groups::Column::GroupId.eq(id));
    Ok(links.count(tx).await? > 0)
}

/// Changes a group.
pub async fn update(
    tx: &Tx,
    mut row: security_groups::Model,
    attrs: &Attrs,
) -> Result<security_groups::Model> {
    let renamed = attrs.opt_text("name").is_some_and(|name| name != row.name);
    if renamed && is_default(tx, &row).await? {
        return Err(Fault::CannotUpdateDefault);
    }
    if renamed && attrs.text("name").eq_ignore_ascii_case(DEFAULT) {
        return Err(Fault::DefaultAlreadyExists);
    }
    let stateful = attrs.flag("stateful", row.stateful);
    if stateful != row.stateful && in_use(tx, &row.id).await? {
        return Err(Fault::SecurityGroupInUse(row.id));
    }
    row.stateful = stateful;
    attrs.put_text("name", &mut row.name);
    attrs.put_text("description", &mut row.description);
    store::save(tx, row).await
}

/// Removes a group, its rules, and the rules of others that name it.
pub async fn delete(cx: &Cx<'_>, tx: &Tx, row: &security_groups::Model) -> Result<()> {
    if in_use(tx, &row.id).await? {
        return Err(Fault::SecurityGroupInUse(row.id.clone()));
    }
    if is_default(tx, row).await? {
        if !cx.is_admin() {
            return Err(Fault::CannotRemoveDefault);
        }
        store::delete::<default_groups::Entity>(tx, &row.project_id).await?;
    }
    let about = Condition::any()
        .add(security_group_rules::Column::SecurityGroupId.eq(&row.id))
        .add(security_group_rules::Column::RemoteGroupId.eq(&row.id));
    security_group_rules::Entity::delete_many()
        .filter(about)
        .exec(tx)
        .await?;
    rbac_policies::Entity::delete_many()
        .filter(rbac_policies::Column::ObjectId.eq(&row.id))
        .exec(tx)
        .await?;
    store::delete::<security_groups::Entity>(tx, &row.id).await
}

/// Groups as shown, with their rules.
pub async fn show(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    rows: Vec<security_groups::Model>,
) -> Result<Vec<View>> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut of_group: HashMap<String, Vec<View>> = HashMap::new();
    let found = security_group_rules::Entity::find()
        .filter(among(security_group_rules::Column::SecurityGroupId, &ids))
        .order_by_asc(security_group_rules::Column::CreatedAt)
        .order_by_asc(security_group_rules::Column::Id)
        .all(db)
        .await?;
    for rule in found {
        of_group
            .entry(rule.security_group_id.clone())
            .or_default()
            .push(matches::show(rule));
    }
    let policies = sharing::of_objects(db, &ids).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let open = policies.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let mut view = views::standard(&row);
            views::fill(
                &mut view,
                json!({
                    "name": row.name, "description": row.description, "stateful": row.stateful,
                    "shared": open.iter().any(|policy| sharing::reaches(policy, cx.project())),
                    "security_group_rules": of_group.remove(&row.id).unwrap_or_default(),
                }),
            );
            view
        })
        .collect())
}
