//! Volumes: list, show, update, delete.

mod create;
mod view;

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sql::sea_orm::{ColumnTrait, QueryFilter};
use workflow::{Kind, WorkflowId};

use super::words::{Metadata, says_something, trimmed};
use super::{Call, Cx, find, find_by, has, listed_project, listing, next_links};
use crate::db::store::{self, Tx};
use crate::db::{list as pages, properties, volumes as rows};
use crate::fault::Fault;
use crate::fields::VOLUMES;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::{MigrationStatus, Owner, SnapshotStatus, Status, Word, snapshot, volume};
use crate::work::busy;
use crate::work::delete::{self, Delete};

pub use create::{CREATE, create, provisioning};
use view::Page;

/// `GET /volumes`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "volumes").await?;
    let items = found.iter().map(|one| view::brief(&call, one)).collect();
    call.render(&view::Briefs {
        volumes: items,
        next,
        count,
    })
}

/// `GET /volumes/detail`.
pub async fn detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "volumes/detail").await?;
    let items = found
        .iter()
        .map(|one| view::detail(&volumes, &call, one))
        .collect();
    call.render(&Page {
        volumes: items,
        next,
        count,
    })
}

type Found = (
    Vec<rows::Volume>,
    Option<u64>,
    Option<Vec<super::words::Link>>,
);

async fn page(volumes: &Volumes, call: &Call, path: &str) -> Result<Found, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asked = listing(volumes, call, &VOLUMES)?;
    let db = volumes.db().read();
    let base = rows::of_project(listed_project(cx, &asked));
    let moves = volume::Column::MigrationStatus;
    let base = match asked.also.get("migration_status").map(String::as_str) {
        None => base,
        Some(none) if none.eq_ignore_ascii_case("none") => base.filter(moves.is_null()),
        Some(status) => match MigrationStatus::from_word(status) {
            Some(status) => base.filter(moves.eq(status)),
            None => base.filter(volume::Column::Id.is_null()),
        },
    };
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find_by(volumes, cx, id).await?),
    };
    let count = match asked.with_count {
        true => Some(pages::count(db, base.clone(), &asked).await?),
        false => None,
    };
    let found = pages::page(db, base, &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.clone());
    let next = next_links(call, path, asked.limit, found.len(), last.as_deref());
    Ok((rows::gather(db, found).await?, count, next))
}

/// `GET /volumes/summary`.
pub async fn summary(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let admin = volumes.is_admin(&cx.caller);
    let all = call
        .pairs()
        .last("all_tenants")
        .is_some_and(crate::listing::truthy);
    let own = cx.caller.project_id.as_deref().unwrap_or_default();
    let base = rows::of_project((!(admin && all)).then_some(own));
    let db = volumes.db().read();
    let (count, size) = rows::sizes(db, base.clone()).await?;
    let mut summary = json!({"total_count": count, "total_size": size});
    if has(&call, version(36)) {
        summary["metadata"] = json!(rows::metadata(db, base).await?);
    }
    Ok(Answer::of(&json!({"volume-summary": summary})))
}

/// `GET /volumes/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    let one = rows::one(volumes.db().read(), row).await?;
    call.render_under("volume", &view::detail(&volumes, &call, &one))
}

/// The answer that shows a volume.
///
/// # Errors
/// It cannot be written.
pub fn shown(volumes: &Volumes, call: &Call, one: &rows::Volume) -> Result<Answer, Fault> {
    call.render_under("volume", &view::plain(volumes, call, one))
}

/// What `PUT` may change.
#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateVolume {
    pub volume: VolumeChanges,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct VolumeChanges {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_description: Option<String>,
    pub metadata: Option<Metadata>,
}

/// `PUT /volumes/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let id = call.path("id").to_owned();
    let sent = call.body["volume"].clone();
    let UpdateVolume { volume: changes } = call.admit()?;
    if has(&call, version(53)) {
        says_something("volume", &sent)?;
    }
    find(&volumes, &call.cx, &id).await?;
    let changed = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &id).await?;
        if row.status == Status::Maintenance {
            let why = "The volume cannot be updated during maintenance.";
            return Err(Fault::InvalidVolume(why.to_owned()));
        }
        for (key, value) in [
            ("display_name", &changes.display_name),
            ("name", &changes.name),
        ] {
            if sent.get(key).is_some() {
                row.name = trimmed(value.clone());
            }
        }
        for (key, value) in [
            ("display_description", &changes.display_description),
            ("description", &changes.description),
        ] {
            if sent.get(key).is_some() {
                row.description = trimmed(value.clone());
            }
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row.clone()).await?;
        if let Some(metadata) = &changes.metadata {
            properties::replace(&tx, Owner::Volume, &id, &metadata.0).await?;
        }
        let one = rows::one(&tx, row).await?;
        tx.commit().await?;
        Ok(one)
    })
    .await?;
    call.render_under("volume", &view::plain(&volumes, &call, &changed))
}

/// The volume, locked.
pub async fn locked(tx: &Tx, id: &str) -> Result<volume::Model, Fault> {
    let found = store::locked::<volume::Entity>(tx, id).await?;
    found.ok_or_else(|| Fault::no_volume(id))
}

/// `DELETE /volumes/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let query = call.pairs();
    let set = |key: &str| query.last(key).is_some_and(crate::listing::truthy);
    let cascade = set("cascade");
    let force = has(&call, version(23)) && set("force");
    let row = find_by(&volumes, &call.cx, call.path("id")).await?;
    let target = policy::target(&row.project_id, &row.user_id);
    if force {
        volumes.allow_rule("volume:force_delete", &call.cx.caller, &target)?;
    }
    volumes.allow(&call.cx, &target)?;
    begin(
        &volumes,
        &call.cx,
        &row.id,
        How {
            cascade,
            force,
            release: false,
        },
    )
    .await?;
    Ok(Answer::empty())
}

/// How a volume is to go.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// With its snapshots.
    pub cascade: bool,
    /// Whatever its status.
    pub force: bool,
    /// Its bytes stay.
    pub release: bool,
}

/// Begins to delete a volume.
///
/// # Errors
/// It is used, or something depends on it.
pub async fn begin(volumes: &Volumes, cx: &Cx, id: &str, how: How) -> Result<(), Fault> {
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = accept(volumes, cx, &tx, id, how).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    Ok(())
}

const DELETABLE: [Status; 5] = [
    Status::Available,
    Status::Error,
    Status::ErrorRestoring,
    Status::ErrorExtending,
    Status::ErrorManaging,
];

async fn accept(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    id: &str,
    how: How,
) -> Result<Vec<WorkflowId>, Fault> {
    let mut row = locked(tx, id).await?;
    let attached = rows::attachments(tx, id).await?;
    let attached = attached
        .iter()
        .any(|one| one.status == crate::tables::AttachStatus::Attached);
    let snapshots = delete::locked_snapshots(tx, id).await?;
    let admin = volumes.is_admin(&cx.caller);
    let keeps = |snapshot: &snapshot::Model| {
        let status = matches!(
            snapshot.status,
            SnapshotStatus::Available | SnapshotStatus::Error | SnapshotStatus::Deleting
        );
        let other = snapshot.project_id != row.project_id && !admin;
        snapshot.group_snapshot_id.is_some() || (!how.force && (!status || other))
    };
    let fits = !attached
        && !row.is_moving()
        && row.group_id.is_none()
        && (how.force || DELETABLE.contains(&row.status))
        && match how.cascade {
            true => !snapshots.iter().any(keeps),
            false => snapshots.is_empty(),
        };
    if !fits {
        let status = match how.force {
            true => "",
            false => {
                "status must be available or error or error_restoring or error_extending or error_managing and "
            }
        };
        return Err(Fault::InvalidVolume(format!(
            "Volume {status}must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, \
             or be disassociated from snapshots after volume transfer."
        )));
    }
    // Whatever still makes or writes it turns round; the work that deletes it waits for that.
    let mut nudges = match how.force {
        true => busy::turn_round_volume(tx, id).await?,
        false => Vec::new(),
    };
    if row.host.is_none() {
        delete::forget(tx, id).await?;
        return Ok(nudges);
    }
    for mut snapshot in snapshots {
        if how.force {
            nudges.extend(busy::turn_round(tx, &snapshot.id).await?);
        }
        snapshot.status = SnapshotStatus::Deleting;
        store::save(tx, snapshot).await?;
    }
    row.status = Status::Deleting;
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    let state = delete::State {
        asked: cx.asked(),
        volume_id: id.to_owned(),
        release: how.release,
    };
    nudges.push(workflow::insert(tx, Kind::of::<Delete>(), id, &state).await?);
    Ok(nudges)
}

/// A volume in a list without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Brief<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
    pub links: Vec<super::words::Link>,
}
