//! Snapshots of volumes.

mod end;
mod reset;
mod update_status;

use std::collections::BTreeMap;

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};
use workflow::Kind;

use super::words::{Flag, Link, Metadata, says_something, trimmed};
use super::{Call, Cx, find_by, has, listed_project, listing, next_links};
use crate::db::properties::{self, Properties};
use crate::db::store::{self, Tx};
use crate::db::{list as pages, types};
use crate::fault::Fault;
use crate::fields::SNAPSHOTS;
use crate::policy::{self, version};
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::snapshot::{Column, Entity, Model};
use crate::tables::{Owner, SnapshotStatus, Status, Word, volume};
use crate::work::snapshot::{Create, State};

pub use end::{How, delete, end, force_delete};
pub use reset::{ResetBody, reset_status};
pub use update_status::{UpdateStatusBody, update_status};

/// A snapshot.
#[derive(Debug, Serialize, Versioned)]
pub struct SnapshotView<'v> {
    pub id: &'v str,
    pub created_at: String,
    pub updated_at: Option<String>,
    pub name: Option<&'v str>,
    pub description: Option<&'v str>,
    pub volume_id: &'v str,
    pub status: String,
    pub size: i64,
    pub metadata: &'v Properties,
    #[mv(since = "3.14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_snapshot_id: Option<Option<&'v str>>,
    #[mv(since = "3.41")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'v str>,
    #[mv(since = "3.65")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumes_quota: Option<bool>,
    #[mv(wire = "os-extended-snapshot-attributes:project_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<&'v str>,
    #[mv(wire = "os-extended-snapshot-attributes:progress")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct SnapshotPage<'v> {
    pub snapshots: Vec<SnapshotView<'v>>,
    #[mv(wire = "snapshots_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A snapshot with its metadata.
pub struct Found {
    pub row: Model,
    pub metadata: Properties,
}

fn brief(one: &Found) -> SnapshotView<'_> {
    let row = &one.row;
    SnapshotView {
        id: &row.id,
        created_at: web::time::naive_micros(row.created_at),
        updated_at: row.updated_at.map(web::time::naive_micros),
        name: row.name.as_deref(),
        description: row.description.as_deref(),
        volume_id: &row.volume_id,
        status: row.status.word(),
        size: row.size,
        metadata: &one.metadata,
        group_snapshot_id: None,
        user_id: None,
        consumes_quota: None,
        project_id: None,
        progress: None,
    }
}

fn detail<'v>(volumes: &Volumes, cx: &Cx, one: &'v Found) -> SnapshotView<'v> {
    let row = &one.row;
    let target = policy::target(&row.project_id, &row.user_id);
    let rule = "volume_extension:extended_snapshot_attributes";
    let more = volumes.may(rule, &cx.caller, &target);
    SnapshotView {
        group_snapshot_id: Some(row.group_snapshot_id.as_deref()),
        user_id: Some(&row.user_id),
        consumes_quota: Some(row.consumes_quota),
        project_id: more.then_some(&row.project_id),
        progress: more.then(|| {
            let of_status = match row.status {
                SnapshotStatus::Creating => 0,
                _ => 100,
            };
            format!("{}%", row.progress.unwrap_or(of_status))
        }),
        ..brief(one)
    }
}

async fn gather(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<Vec<Found>, Fault> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut all = properties::of_many(db, Owner::Snapshot, &ids).await?;
    let found = rows.into_iter().map(|row| Found {
        metadata: all.remove(&row.id).unwrap_or_default(),
        row,
    });
    Ok(found.collect())
}

/// The snapshot, if it exists for the caller and the rule of the call lets the caller.
pub async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    let row = found.ok_or_else(|| Fault::no_snapshot(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("volume:get_snapshot", &cx.caller, &target)?;
    volumes.allow(cx, &target)?;
    Ok(row)
}

/// `GET /snapshots`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "snapshots").await?;
    call.render(&SnapshotPage {
        snapshots: found.iter().map(brief).collect(),
        next,
        count,
    })
}

/// `GET /snapshots/detail`.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "snapshots/detail").await?;
    call.render(&SnapshotPage {
        snapshots: found
            .iter()
            .map(|one| detail(&volumes, &call.cx, one))
            .collect(),
        next,
        count,
    })
}

type Page = (Vec<Found>, Option<u64>, Option<Vec<Link>>);

async fn page(volumes: &Volumes, call: &Call, path: &str) -> Result<Page, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asked = listing(volumes, call, &SNAPSHOTS)?;
    let project = listed_project(cx, &asked);
    let zone = asked.also.get("availability_zone").map(|zone| {
        let there = sql::sea_orm::sea_query::Query::select()
            .column(volume::Column::Id)
            .from(volume::Entity)
            .and_where(volume::Column::AvailabilityZone.eq(zone))
            .to_owned();
        Column::VolumeId.in_subquery(there)
    });
    let of = Condition::all()
        .add_option(project.map(|id| Column::ProjectId.eq(id)))
        .add_option(zone);
    let base = Entity::find().filter(of);
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => {
            let found = store::find::<Entity>(db, id).await?;
            let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
            Some(found.ok_or_else(|| Fault::no_snapshot(id))?)
        }
    };
    let count = match asked.with_count {
        true => Some(pages::count(db, base.clone(), &asked).await?),
        false => None,
    };
    let found = pages::page(db, base, &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.clone());
    let next = next_links(call, path, asked.limit, found.len(), last.as_deref());
    Ok((gather(db, found).await?, count, next))
}

/// `GET /snapshots/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    shown(&volumes, &call, row).await
}

/// The answer that shows a snapshot.
pub async fn shown(volumes: &Volumes, call: &Call, row: Model) -> Result<Answer, Fault> {
    let one = whole(volumes, row).await?;
    call.render_under("snapshot", &detail(volumes, &call.cx, &one))
}

async fn whole(volumes: &Volumes, row: Model) -> Result<Found, Fault> {
    let mut found = gather(volumes.db().read(), vec![row]).await?;
    found.pop().ok_or(Fault::Internal("a snapshot was lost"))
}

/// The answer to who made or changed a snapshot: Cinder shows its extended attributes in lists and by themselves alone.
async fn changed(volumes: &Volumes, call: &Call, row: Model) -> Result<Answer, Fault> {
    let one = whole(volumes, row).await?;
    let view = SnapshotView {
        project_id: None,
        progress: None,
        ..detail(volumes, &call.cx, &one)
    };
    call.render_under("snapshot", &view)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateSnapshot {
    pub snapshot: NewSnapshot,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewSnapshot {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    /// Required, but it may be `null`, which names no volume (404).
    #[mv(nullable, required_since = "3.0", format = "uuid")]
    pub volume_id: Option<String>,
    /// Also of a volume in use; since 3.66 that needs no word.
    #[mv(nullable)]
    pub force: Option<Flag>,
    #[mv(nullable)]
    pub metadata: Option<Metadata>,
}

/// From here on snapshots of volumes in use are made without force.
const IN_USE: microversion::Version = version(66);

/// `POST /snapshots`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateSnapshot { snapshot: new } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, new.volume_id.as_deref().unwrap_or("None")).await?;
    let force = new.force.is_some_and(|flag| flag.0);
    if has(&call, IN_USE) && new.force.is_some() && !force {
        return Err(Fault::BadRequest(
            "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, \
             when the 'force' flag is passed with a value evaluating to True, it is silently ignored."
                .to_owned(),
        ));
    }
    volumes.allow(&cx, &policy::target(&seen.project_id, &seen.user_id))?;
    let wish = Wish {
        name: trimmed(new.name.or(new.display_name)),
        description: trimmed(new.description),
        metadata: new.metadata.unwrap_or_default().0,
        in_use: force || has(&call, IN_USE),
    };
    let (row, nudge) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let made = begin(&volumes, &cx, &tx, &seen.id, &wish).await?;
        tx.commit().await?;
        Ok::<_, Fault>(made)
    })
    .await?;
    volumes.nudge(nudge);
    changed(&volumes, &call, row).await
}

/// What a new snapshot is to be.
pub struct Wish {
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Properties,
    /// Whether the volume may be in use.
    pub in_use: bool,
}

/// Begins to make a snapshot.
async fn begin(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    volume_id: &str,
    wish: &Wish,
) -> Result<(Model, workflow::WorkflowId), Fault> {
    let row = insert(volumes, cx, tx, volume_id, wish).await?;
    let state = State {
        asked: cx.asked(),
        snapshot_id: row.id.clone(),
        volume_id: row.volume_id.clone(),
        release: false,
    };
    let nudge = workflow::insert(tx, Kind::of::<Create>(), &row.id, &state).await?;
    Ok((row, nudge))
}

/// The row of a new snapshot, counted.
///
/// # Errors
/// 400: the volume's status; 413: the quota.
pub async fn insert(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    volume_id: &str,
    wish: &Wish,
) -> Result<Model, Fault> {
    let of = super::volumes::locked(tx, volume_id).await?;
    check(&of, wish.in_use)?;
    // A service works in the name of whoever has the volume.
    let own = policy::is_service(&cx.caller) || cx.caller.project_id.is_none();
    let project = match own {
        true => of.project_id.clone(),
        false => cx.project()?.to_owned(),
    };
    let kind = types::find(tx, &of.type_id)
        .await?
        .ok_or_else(|| Fault::no_type(&of.type_id))?;
    let more = More {
        snapshots: 1,
        gigabytes: if volumes.settings().snapshots_count {
            of.size
        } else {
            0
        },
        ..More::default()
    };
    let names = Some((kind.row.id.as_str(), kind.row.name.as_str()));
    quota::admit(volumes.settings(), tx, &project, names, more).await?;
    let row = Model {
        id: store::new_id(),
        project_id: project,
        user_id: if own {
            of.user_id.clone()
        } else {
            cx.caller.user_id.clone()
        },
        volume_id: of.id.clone(),
        name: wish.name.clone(),
        description: wish.description.clone(),
        status: SnapshotStatus::Creating,
        progress: None,
        size: of.size,
        type_id: of.type_id.clone(),
        group_snapshot_id: None,
        consumes_quota: true,
        created_at: store::now(),
        updated_at: None,
    };
    store::insert(tx, row.clone()).await?;
    properties::merge(tx, Owner::Snapshot, &row.id, &wish.metadata).await?;
    let image = properties::of(tx, Owner::Image, &of.id).await?;
    properties::merge(tx, Owner::SnapshotImage, &row.id, &image).await?;
    Ok(row)
}

fn check(of: &volume::Model, in_use: bool) -> Result<(), Fault> {
    let invalid = |why: &str| Err(Fault::InvalidVolume(why.to_owned()));
    if of.host.is_none() {
        return invalid(
            "The snapshot cannot be created because volume has not been scheduled to any host.",
        );
    }
    match of.status {
        Status::Maintenance => {
            invalid("The snapshot cannot be created when the volume is in maintenance mode.")
        }
        Status::Error => {
            invalid("The snapshot cannot be created when the volume is in error status.")
        }
        Status::Available => Ok(()),
        Status::InUse if in_use => Ok(()),
        other => Err(Fault::InvalidVolume(format!(
            "Volume {} status must be {}, but current status is: {}.",
            of.id,
            if in_use {
                "available, in-use"
            } else {
                "available"
            },
            other.word()
        ))),
    }
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateSnapshot {
    pub snapshot: Changes,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Changes {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_description: Option<String>,
}

/// `PUT /snapshots/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let sent = call.body["snapshot"].clone();
    let UpdateSnapshot { snapshot: changes } = call.admit()?;
    says_something("snapshot", &sent)?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let given: BTreeMap<&str, Option<String>> = [
        ("display_name", changes.display_name),
        ("name", changes.name),
        ("display_description", changes.display_description),
        ("description", changes.description),
    ]
    .into_iter()
    .filter(|(key, _)| sent.get(key).is_some())
    .collect();
    let row = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        for (key, value) in &given {
            let field = match key.ends_with("name") {
                true => &mut row.name,
                false => &mut row.description,
            };
            *field = trimmed(value.clone());
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row.clone()).await?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    changed(&volumes, &call, row).await
}

/// The snapshot, locked.
pub async fn locked(tx: &Tx, id: &str) -> Result<Model, Fault> {
    let found = store::locked::<Entity>(tx, id).await?;
    found.ok_or_else(|| Fault::no_snapshot(id))
}
