//! Backups: list, show, update, delete.

pub mod create;
pub mod record;
pub mod restore;
mod view;

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use workflow::Kind;

use super::words::{Link, Metadata, trimmed};
use super::{Call, Cx, listed_project, listing, next_links};
use crate::db::store::{self, Tx};
use crate::db::{backups as rows, list as pages, properties};
use crate::fault::Fault;
use crate::fields::BACKUPS;
use crate::policy;
use crate::service::Volumes;
use crate::tables::backup::{Column, Entity, Model};
use crate::tables::{BackupStatus, Owner, Word};
use crate::work::backup::{Delete, Gone, service};

/// The backup, if it exists for the caller and the rule of the call lets the caller.
pub async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let row = find_by(volumes, cx, id).await?;
    volumes.allow(cx, &policy::target(&row.project_id, &row.user_id))?;
    Ok(row)
}

/// The backup, if the caller may see it, before the rule of the call.
pub async fn find_by(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    let row = found.ok_or_else(|| Fault::no_backup(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("backup:get", &cx.caller, &target)?;
    Ok(row)
}

/// The backup, locked.
pub async fn locked(tx: &Tx, id: &str) -> Result<Model, Fault> {
    let found = store::locked::<Entity>(tx, id).await?;
    found.ok_or_else(|| Fault::no_backup(id))
}

/// `GET /backups`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "backups").await?;
    let backups = found.iter().map(|row| view::brief(&call, row)).collect();
    call.render(&view::Briefs {
        backups,
        next,
        count,
    })
}

/// `GET /backups/detail`.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, count, next) = page(&volumes, &call, "backups/detail").await?;
    let found = view::gather(volumes.db().read(), found).await?;
    let backups = found
        .iter()
        .map(|one| view::detail(&volumes, &call, one))
        .collect();
    call.render(&view::Page {
        backups,
        next,
        count,
    })
}

type Page = (Vec<Model>, Option<u64>, Option<Vec<Link>>);

async fn page(volumes: &Volumes, call: &Call, path: &str) -> Result<Page, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asked = listing(volumes, call, &BACKUPS)?;
    let project = listed_project(cx, &asked);
    let of = Condition::all().add_option(project.map(|id| Column::ProjectId.eq(id)));
    let base = Entity::find().filter(of);
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => {
            let found = store::find::<Entity>(db, id).await?;
            let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
            Some(found.ok_or_else(|| Fault::no_backup(id))?)
        }
    };
    let count = match asked.with_count {
        true => Some(pages::count(db, base.clone(), &asked).await?),
        false => None,
    };
    let found = pages::page(db, base, &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.clone());
    let next = next_links(call, path, asked.limit, found.len(), last.as_deref());
    Ok((found, count, next))
}

/// `GET /backups/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    let mut found = view::gather(volumes.db().read(), vec![row]).await?;
    let one = found.pop().ok_or(Fault::Internal("a backup was lost"))?;
    call.render_under("backup", &view::detail(&volumes, &call, &one))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateBackup {
    #[mv(nullable)]
    pub backup: Option<Changes>,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Changes {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(since = "3.43")]
    pub metadata: Option<Metadata>,
}

/// `PUT /backups/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let sent = call.body["backup"].clone();
    let UpdateBackup { backup: changes } = call.admit()?;
    let changes = changes.unwrap_or_default();
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let row = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        if sent.get("name").is_some() {
            row.name = trimmed(changes.name.clone());
        }
        if sent.get("description").is_some() {
            row.description = trimmed(changes.description.clone());
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row.clone()).await?;
        if let Some(metadata) = &changes.metadata {
            properties::replace(&tx, Owner::Backup, &row.id, &metadata.0).await?;
        }
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    call.render_under("backup", &view::brief(&call, &row))
}

/// The service that keeps backups of a zone is there.
///
/// # Errors
/// 404, as in Cinder.
pub async fn served(volumes: &Volumes, zone: Option<&str>) -> Result<(), Fault> {
    match service(volumes.db().read(), zone).await? {
        Some(_) => Ok(()),
        None => Err(Fault::NotFound(NO_SERVICE.to_owned())),
    }
}

const NO_SERVICE: &str = "Service cinder-backup could not be found.";

/// `DELETE /backups/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    end(&volumes, &call, false).await
}

/// `os-force_delete`: whatever its status.
pub async fn force_delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    end(&volumes, &call, true).await
}

async fn end(volumes: &Volumes, call: &Call, force: bool) -> Result<Answer, Fault> {
    let seen = find(volumes, &call.cx, call.path("id")).await?;
    let target = policy::target(&seen.project_id, &seen.user_id);
    volumes.allow_rule("backup:delete", &call.cx.caller, &target)?;
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        let rest = matches!(row.status, BackupStatus::Available | BackupStatus::Error);
        if !force && !rest {
            let why = "Backup status must be available or error";
            return Err(Fault::InvalidBackup(why.to_owned()));
        }
        if rows::has_children(&tx, &row.id).await? {
            let why = "Incremental backups exist for this backup.";
            return Err(Fault::InvalidBackup(why.to_owned()));
        }
        served(volumes, row.availability_zone.as_deref()).await?;
        let mut nudges = match force && !rest {
            true => workflow::request_cancel(&tx, &row.id).await?,
            false => Vec::new(),
        };
        row.status = BackupStatus::Deleting;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        let state = Gone {
            asked: call.cx.asked(),
            backup_id: seen.id.clone(),
        };
        nudges.push(workflow::insert(&tx, Kind::of::<Delete>(), &seen.id, &state).await?);
        tx.commit().await?;
        Ok(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ResetBody {
    #[mv(wire = "os-reset_status")]
    pub reset: Reset,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Reset {
    pub status: String,
}

/// `os-reset_status`.
pub async fn reset_status(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ResetBody {
        reset: Reset { status: word },
    } = call.admit()?;
    let given = BackupStatus::from_word(&word.to_lowercase()).ok_or_else(|| {
        Fault::BadRequest(format!(
            "Must specify a valid status: '{word}' is none of a backup."
        ))
    })?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    served(&volumes, seen.availability_zone.as_deref()).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        row.status = given;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}
