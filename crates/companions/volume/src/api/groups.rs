//! Groups of volumes: list, show, update, and what is done with them.

pub mod create;
pub mod end;
pub mod from_src;
pub mod update;
mod view;

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::words::Link;
use super::{Call, Cx, has, listed_project, listing, next_links};
use crate::db::store::{self, Tx};
use crate::db::{groups as rows, list as pages};
use crate::fault::Fault;
use crate::fields::GROUPS;
use crate::listing::truthy;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::group::{Column, Entity, GroupStatus, Model};
use crate::tables::{Word, volume};

/// The group, if it exists for the caller and the rule of the call lets the caller.
pub async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let row = find_by(volumes, cx, id).await?;
    volumes.allow(cx, &policy::target(&row.project_id, &row.user_id))?;
    Ok(row)
}

/// The group, if the caller may see it, before the rule of the call.
pub async fn find_by(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    let row = found.ok_or_else(|| Fault::no_group(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("group:get", &cx.caller, &target)?;
    Ok(row)
}

/// The group, locked.
pub async fn locked(tx: &Tx, id: &str) -> Result<Model, Fault> {
    let found = store::locked::<Entity>(tx, id).await?;
    found.ok_or_else(|| Fault::no_group(id))
}

/// The volumes of a group, locked.
///
/// # Errors
/// 400: one is of another project, whose volumes nobody of this one may touch.
pub async fn locked_volumes(tx: &Tx, group: &Model) -> Result<Vec<volume::Model>, Fault> {
    let mut all = Vec::new();
    for seen in rows::volumes(tx, &group.id).await? {
        let found = store::locked::<volume::Entity>(tx, &seen.id).await?;
        // It may have left the group in the meantime.
        let Some(row) = found.filter(|row| row.group_id.as_ref() == Some(&group.id)) else {
            continue;
        };
        if row.project_id != group.project_id {
            return Err(Fault::InvalidGroup(format!(
                "Volume {} in group {} belongs to another project.",
                row.id, group.id
            )));
        }
        all.push(row);
    }
    Ok(all)
}

/// `GET /groups`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call).await?;
    let groups = found.iter().map(view::brief).collect();
    call.render(&view::Briefs { groups, next })
}

/// `GET /groups/detail`.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call).await?;
    let found = view::gather(volumes.db().read(), found, members(&call)).await?;
    let groups = found
        .iter()
        .map(|one| view::detail(&volumes, &call, one))
        .collect();
    call.render(&view::Page { groups, next })
}

/// Whether the volumes of groups are asked for.
fn members(call: &Call) -> bool {
    let asked = call.pairs();
    has(call, version(25)) && asked.last("list_volume").is_some_and(truthy)
}

async fn page(volumes: &Volumes, call: &Call) -> Result<(Vec<Model>, Option<Vec<Link>>), Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asked = listing(volumes, call, &GROUPS)?;
    let project = listed_project(cx, &asked);
    let of = Condition::all().add_option(project.map(|id| Column::ProjectId.eq(id)));
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find_by(volumes, cx, id).await?),
    };
    let found = pages::page(db, Entity::find().filter(of), &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.as_str());
    let next = next_links(call, "groups", asked.limit, found.len(), last);
    Ok((found, next))
}

/// `GET /groups/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    let found = view::gather(volumes.db().read(), vec![row], members(&call)).await;
    let one = found?.pop().ok_or(Fault::Internal("a group was lost"))?;
    call.render_under("group", &view::detail(&volumes, &call, &one))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ResetBody {
    pub reset_status: Reset,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Reset {
    pub status: String,
}

/// The status that an administrator names.
///
/// # Errors
/// 400.
pub fn named(reset: &Reset) -> Result<GroupStatus, Fault> {
    let found = GroupStatus::from_word(&reset.status.to_lowercase());
    found.ok_or_else(|| {
        Fault::BadRequest(format!(
            "Must specify a valid status: '{}' is none of a group.",
            reset.status
        ))
    })
}

/// `reset_status`.
pub async fn reset_status(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ResetBody { reset_status } = call.admit()?;
    let status = named(&reset_status)?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        row.status = status;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

/// `enable_replication` and its like: no group is replicated.
pub async fn replication(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    Err(Fault::BadRequest(format!(
        "Invalid group type: Group {} is not a replication group type.",
        row.id
    )))
}
