//! Snapshots of groups: a snapshot of each volume.

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use web::Query;
use workflow::{Kind, WorkflowId};

use super::groups::{ResetBody, named};
use super::words::{Link, trimmed};
use super::{Call, Cx, groups, has, listed_project, next_links, snapshots};
use crate::db::store::{self, Tx};
use crate::db::{groups as rows, list as pages};
use crate::fault::Fault;
use crate::fields::GROUP_SNAPSHOTS;
use crate::listing::{self, Asker};
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::group::{self, GroupStatus};
use crate::tables::group_snapshot::{Column, Entity, Model};
use crate::tables::{SnapshotStatus, Word, snapshot, volume};
use crate::work::group::{Follow, Following, What};
use crate::work::snapshot as work;

/// A snapshot of a group.
#[derive(Debug, Serialize, Versioned)]
pub struct GroupSnapshotView<'v> {
    pub id: &'v str,
    pub group_id: &'v str,
    pub group_type_id: &'v str,
    pub status: String,
    pub created_at: String,
    pub name: Option<&'v str>,
    pub description: Option<&'v str>,
    /// For administrators.
    #[mv(since = "3.58")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<&'v str>,
}

/// A snapshot of a group without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Brief<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
    /// In the answer to who makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_type_id: Option<&'v str>,
}

/// A page of the list with details.
#[derive(Debug, Serialize, Versioned)]
pub struct Page<'v> {
    pub group_snapshots: Vec<GroupSnapshotView<'v>>,
    #[mv(wire = "group_snapshot_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// A page of the list without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Briefs<'v> {
    pub group_snapshots: Vec<Brief<'v>>,
    #[mv(wire = "group_snapshot_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

fn view<'v>(volumes: &Volumes, cx: &Cx, row: &'v Model) -> GroupSnapshotView<'v> {
    let target = policy::target(&row.project_id, &row.user_id);
    let rule = "group:group_snapshot_project_attribute";
    let more = volumes.may(rule, &cx.caller, &target);
    GroupSnapshotView {
        id: &row.id,
        group_id: &row.group_id,
        group_type_id: &row.group_type_id,
        status: row.status.word(),
        created_at: web::time::naive_micros(row.created_at),
        name: row.name.as_deref(),
        description: row.description.as_deref(),
        project_id: more.then_some(&row.project_id),
    }
}

/// The snapshot of a group, if it exists for the caller and the rule of the call lets the caller.
async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let row = find_by(volumes, cx, id).await?;
    volumes.allow(cx, &policy::target(&row.project_id, &row.user_id))?;
    Ok(row)
}

/// The snapshot of a group, if the caller may see it, before the rule of the call.
pub async fn find_by(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    let row = found.ok_or_else(|| missing(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("group:get_group_snapshot", &cx.caller, &target)?;
    Ok(row)
}

/// No snapshot of a group has this id.
pub fn missing(id: &str) -> Fault {
    Fault::NotFound(format!("GroupSnapshot {id} could not be found."))
}

async fn locked(tx: &Tx, id: &str) -> Result<Model, Fault> {
    let found = store::locked::<Entity>(tx, id).await?;
    found.ok_or_else(|| missing(id))
}

/// The snapshots of volumes that a snapshot of a group is made of, locked, each behind its volume.
///
/// # Errors
/// 400: one is of another project than the group and its snapshot, whose snapshots nobody of these may touch.
pub async fn locked_parts(tx: &Tx, row: &Model) -> Result<Vec<snapshot::Model>, Fault> {
    let group = store::find::<group::Entity>(tx, &row.group_id).await?;
    let mut all = Vec::new();
    for seen in rows::snapshots(tx, &row.id).await? {
        store::locked::<volume::Entity>(tx, &seen.volume_id).await?;
        let Some(part) = store::locked::<snapshot::Entity>(tx, &seen.id).await? else {
            continue;
        };
        let of_group = group
            .as_ref()
            .is_some_and(|group| group.project_id == part.project_id);
        if !of_group && part.project_id != row.project_id {
            return Err(Fault::InvalidSnapshot(format!(
                "Snapshot {} of group snapshot {} belongs to another project.",
                part.id, row.id
            )));
        }
        all.push(part);
    }
    Ok(all)
}

/// `GET /group_snapshots`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call).await?;
    let briefs = found.iter().map(|row| Brief {
        id: &row.id,
        name: row.name.as_deref(),
        group_type_id: None,
    });
    call.render(&Briefs {
        group_snapshots: briefs.collect(),
        next,
    })
}

/// `GET /group_snapshots/detail`.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call).await?;
    let views = found.iter().map(|row| view(&volumes, &call.cx, row));
    call.render(&Page {
        group_snapshots: views.collect(),
        next,
    })
}

/// From here on the list has pages, filters and an order.
const PAGES: microversion::Version = version(29);

async fn page(volumes: &Volumes, call: &Call) -> Result<(Vec<Model>, Option<Vec<Link>>), Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asker = Asker {
        admin: volumes.is_admin(&cx.caller),
        version: call.version,
        max_page: volumes.settings().max_page,
    };
    let query = match has(call, PAGES) {
        true => call.pairs(),
        false => Query::parse(""),
    };
    let asked = listing::read(&query, &GROUP_SNAPSHOTS, asker)?;
    let project = listed_project(cx, &asked);
    let of = Condition::all().add_option(project.map(|id| Column::ProjectId.eq(id)));
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find_by(volumes, cx, id).await?),
    };
    let found = pages::page(db, Entity::find().filter(of), &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.as_str());
    let next = next_links(call, "group_snapshots", asked.limit, found.len(), last);
    Ok((found, next))
}

/// `GET /group_snapshots/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    call.render_under("group_snapshot", &view(&volumes, &call.cx, &row))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateGroupSnapshot {
    pub group_snapshot: NewGroupSnapshot,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewGroupSnapshot {
    #[mv(format = "uuid")]
    pub group_id: String,
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
}

/// `POST /group_snapshots`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateGroupSnapshot {
        group_snapshot: new,
    } = call.admit()?;
    let cx = call.cx.clone();
    let group = groups::find_by(&volumes, &cx, &new.group_id).await?;
    volumes.allow(&cx, &policy::target(&group.project_id, &group.user_id))?;
    let row = Model {
        id: store::new_id(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        group_id: group.id.clone(),
        group_type_id: group.group_type_id.clone(),
        name: trimmed(new.name),
        description: trimmed(new.description),
        status: GroupStatus::Creating,
        created_at: store::now(),
        updated_at: None,
    };
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = begin(&volumes, &cx, &tx, (&group, &row)).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    let brief = Brief {
        id: &row.id,
        name: row.name.as_deref(),
        group_type_id: Some(&row.group_type_id),
    };
    call.render_under("group_snapshot", &brief)
}

async fn begin(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    (group, row): (&group::Model, &Model),
) -> Result<Vec<WorkflowId>, Fault> {
    let wish = snapshots::Wish {
        name: row.name.clone(),
        description: row.description.clone(),
        metadata: Default::default(),
        in_use: true,
    };
    let mut nudges = Vec::new();
    for volume in groups::locked_volumes(tx, group).await? {
        let made = snapshots::insert(volumes, cx, tx, &volume.id, &wish).await?;
        let state = work::State {
            asked: cx.asked(),
            snapshot_id: made.id.clone(),
            volume_id: made.volume_id.clone(),
            release: false,
        };
        let kind = Kind::of::<work::Create>();
        nudges.push(workflow::insert(tx, kind, &made.id, &state).await?);
        let group_snapshot_id = Some(row.id.clone());
        let made = snapshot::Model {
            group_snapshot_id,
            ..made
        };
        store::save(tx, made).await?;
    }
    // Whoever deletes the group waits, and sees that there is a snapshot of it.
    groups::locked(tx, &row.group_id).await?;
    store::insert(tx, row.clone()).await?;
    let state = Following {
        asked: cx.asked(),
        what: What::SnapshotMade,
        id: row.id.clone(),
    };
    nudges.push(workflow::insert(tx, Kind::of::<Follow>(), &row.id, &state).await?);
    Ok(nudges)
}

/// `DELETE /group_snapshots/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = end(&call.cx, &tx, &seen).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    Ok(Answer::empty())
}

/// Statuses of snapshots that go with their group's: nobody makes, reads or removes them.
const AT_REST: [SnapshotStatus; 3] = [
    SnapshotStatus::Available,
    SnapshotStatus::Error,
    SnapshotStatus::ErrorDeleting,
];

async fn end(cx: &Cx, tx: &Tx, seen: &Model) -> Result<Vec<WorkflowId>, Fault> {
    let id = seen.id.as_str();
    let all = locked_parts(tx, seen).await?;
    let mut row = locked(tx, id).await?;
    let rest = matches!(row.status, GroupStatus::Available | GroupStatus::Error);
    if !rest || rows::is_source(tx, id).await? {
        return Err(Fault::BadRequest(
            "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently \
             using it as source for its creation."
                .to_owned(),
        ));
    }
    if let Some(busy) = all.iter().find(|one| !AT_REST.contains(&one.status)) {
        return Err(Fault::InvalidSnapshot(format!(
            "Snapshot {} of group snapshot {id} is {}.",
            busy.id,
            busy.status.word()
        )));
    }
    let mut nudges = Vec::new();
    for mut snapshot in all {
        snapshot.status = SnapshotStatus::Deleting;
        snapshot.updated_at = Some(store::now());
        let state = work::State {
            asked: cx.asked(),
            snapshot_id: snapshot.id.clone(),
            volume_id: snapshot.volume_id.clone(),
            release: false,
        };
        let kind = Kind::of::<work::Delete>();
        nudges.push(workflow::insert(tx, kind, &snapshot.id, &state).await?);
        store::save(tx, snapshot).await?;
    }
    row.status = GroupStatus::Deleting;
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    let state = Following {
        asked: cx.asked(),
        what: What::SnapshotGone,
        id: id.to_owned(),
    };
    nudges.push(workflow::insert(tx, Kind::of::<Follow>(), id, &state).await?);
    Ok(nudges)
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
