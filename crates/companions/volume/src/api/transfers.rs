//! Volumes that go from one project to another: offered with a key that is told once, accepted by who has it.

use microversion::Versioned;
use rand::RngExt;
use rest::Answer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::words::{Flag, Link, links, trimmed};
use super::{Call, Cx, find_by, listed_project, listing, next_links};
use crate::db::store::{self, Tx};
use crate::db::{list as pages, transfers as rows, types, volumes as volume_rows};
use crate::exports;
use crate::fault::Fault;
use crate::fields::TRANSFERS;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::transfer::{Column, Entity, Model};
use crate::tables::{SnapshotStatus, Status, snapshot, volume};
use crate::work::delete;

/// A transfer.
#[derive(Debug, Serialize, Versioned)]
pub struct TransferView<'v> {
    pub id: &'v str,
    pub volume_id: &'v str,
    pub name: Option<&'v str>,
    pub links: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_key: Option<&'v str>,
    #[mv(since = "3.55")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_snapshots: Option<bool>,
    #[mv(since = "3.57")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_project_id: Option<&'v str>,
    /// Always `null`: what was accepted is no transfer any more.
    #[mv(since = "3.57")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_project_id: Option<Option<String>>,
    #[mv(since = "3.57")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct TransferPage<'v> {
    pub transfers: Vec<TransferView<'v>>,
    #[mv(wire = "transfers_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// The path that the client used: the old one, or the one since 3.55.
fn path(call: &Call) -> &'static str {
    match call.whole_path.contains("/volume-transfers") {
        true => "volume-transfers",
        false => "os-volume-transfer",
    }
}

fn brief<'v>(call: &Call, row: &'v Model) -> TransferView<'v> {
    TransferView {
        id: &row.id,
        volume_id: &row.volume_id,
        name: row.name.as_deref(),
        links: links(call, &format!("{}/{}", path(call), row.id)),
        created_at: None,
        auth_key: None,
        no_snapshots: None,
        source_project_id: None,
        destination_project_id: None,
        accepted: None,
    }
}

fn detail<'v>(call: &Call, row: &'v Model) -> TransferView<'v> {
    TransferView {
        created_at: Some(web::time::naive_micros(row.created_at)),
        no_snapshots: Some(row.no_snapshots),
        source_project_id: Some(&row.project_id),
        destination_project_id: Some(None),
        accepted: Some(false),
        ..brief(call, row)
    }
}

fn missing(id: &str) -> Fault {
    Fault::NotFound(format!("Transfer {id} could not be found."))
}

/// The transfer, if it exists for the caller and the rule of the call lets the caller.
async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    let row = found.ok_or_else(|| missing(id))?;
    volumes.allow(cx, &policy::target(&row.project_id, ""))?;
    Ok(row)
}

/// `GET /volume-transfers`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call, "").await?;
    call.render(&TransferPage {
        transfers: found.iter().map(|row| brief(&call, row)).collect(),
        next,
    })
}

/// `GET /volume-transfers/detail`.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&volumes, &call, "/detail").await?;
    call.render(&TransferPage {
        transfers: found.iter().map(|row| detail(&call, row)).collect(),
        next,
    })
}

async fn page(
    volumes: &Volumes,
    call: &Call,
    below: &str,
) -> Result<(Vec<Model>, Option<Vec<Link>>), Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let asked = listing(volumes, call, &TRANSFERS)?;
    let project = listed_project(cx, &asked);
    let of = Condition::all().add_option(project.map(|id| Column::ProjectId.eq(id)));
    let base = Entity::find().filter(of);
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => {
            let found = store::find::<Entity>(db, id).await?;
            let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
            Some(found.ok_or_else(|| missing(id))?)
        }
    };
    let found = pages::page(db, base, &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.clone());
    let at = format!("{}{below}", path(call));
    let next = next_links(call, &at, asked.limit, found.len(), last.as_deref());
    Ok((found, next))
}

/// `GET /volume-transfers/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    call.render_under("transfer", &detail(&call, &row))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateTransfer {
    pub transfer: NewTransfer,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewTransfer {
    #[mv(format = "uuid")]
    pub volume_id: String,
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    pub no_snapshots: Option<Flag>,
}

/// At the older path snapshots always go with their volume.
#[derive(Debug, Deserialize, Versioned)]
pub struct CreatePlainTransfer {
    pub transfer: PlainTransfer,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct PlainTransfer {
    #[mv(format = "uuid")]
    pub volume_id: String,
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
}

/// Bytes of keys and salts, before they are written in hexadecimal.
const KEY: usize = 8;

fn random() -> String {
    let bytes: [u8; KEY] = rand::rng().random();
    hex::encode(bytes)
}

fn digest(salt: &str, key: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(salt);
    digest.update(key);
    hex::encode(digest.finalize())
}

/// `POST /volume-transfers`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateTransfer { transfer: new } = call.admit()?;
    offer(&volumes, &call, new).await
}

/// `POST /os-volume-transfer`.
pub async fn create_plain(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreatePlainTransfer { transfer: new } = call.admit()?;
    let new = NewTransfer {
        volume_id: new.volume_id,
        name: new.name,
        no_snapshots: None,
    };
    offer(&volumes, &call, new).await
}

async fn offer(volumes: &Volumes, call: &Call, new: NewTransfer) -> Result<Answer, Fault> {
    let cx = call.cx.clone();
    let seen = find_by(volumes, &cx, &new.volume_id).await?;
    volumes.allow(&cx, &policy::target(&seen.project_id, &seen.user_id))?;
    let no_snapshots = new.no_snapshots.is_some_and(|flag| flag.0);
    let (salt, key) = (random(), random());
    let made = Model {
        id: store::new_id(),
        volume_id: seen.id.clone(),
        project_id: seen.project_id.clone(),
        name: trimmed(new.name),
        digest: digest(&salt, &key),
        salt,
        no_snapshots,
        created_at: store::now(),
    };
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = super::volumes::locked(&tx, &seen.id).await?;
        // Whatever an administrator made of its status: a server of this project would keep a volume of another one.
        let used = !volume_rows::attachments(&tx, &row.id).await?.is_empty();
        if row.status != Status::Available || used {
            return Err(Fault::InvalidVolume("status must be available".to_owned()));
        }
        let all = going(&tx, &row, no_snapshots).await?;
        let busy = all
            .iter()
            .find(|one| one.status != SnapshotStatus::Available);
        if let Some(one) = busy {
            let why = format!("snapshot: {} status must be available", one.id);
            return Err(Fault::InvalidSnapshot(why));
        }
        // An administrator may have taken the volume from an offer of before.
        rows::forget(&tx, &row.id).await?;
        store::insert(&tx, made.clone()).await?;
        row.status = Status::AwaitingTransfer;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    let view = TransferView {
        auth_key: Some(&key),
        ..detail(call, &made)
    };
    call.render_under("transfer", &view)
}

/// The snapshots that go with a volume to another project, locked.
///
/// # Errors
/// 400: the volume or a snapshot is part of a group, whose owner would keep a hand on it.
async fn going(
    tx: &Tx,
    row: &volume::Model,
    no_snapshots: bool,
) -> Result<Vec<snapshot::Model>, Fault> {
    if row.group_id.is_some() {
        let why = "volume must not be part of a group";
        return Err(Fault::InvalidVolume(why.to_owned()));
    }
    if no_snapshots {
        return Ok(Vec::new());
    }
    let all = delete::locked_snapshots(tx, &row.id).await?;
    match all.iter().find(|one| one.group_snapshot_id.is_some()) {
        Some(one) => Err(Fault::InvalidSnapshot(format!(
            "snapshot: {} must not be part of a group snapshot",
            one.id
        ))),
        None => Ok(all),
    }
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AcceptTransfer {
    pub accept: Accept,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Accept {
    #[mv(lenient, min_length = 1, max_length = 255)]
    pub auth_key: String,
}

/// `POST /volume-transfers/{id}/accept`.
pub async fn accept(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let AcceptTransfer {
        accept: Accept { auth_key },
    } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let id = call.path("id").to_owned();
    let seen = store::find::<Entity>(volumes.db().read(), &id).await?;
    let seen = seen.ok_or_else(|| missing(&id))?;
    if !same(&digest(&seen.salt, &auth_key), &seen.digest) {
        return Err(Fault::BadRequest(format!(
            "Invalid auth key: Attempt to transfer {id} with invalid auth key."
        )));
    }
    let row = store::find::<volume::Entity>(volumes.db().read(), &seen.volume_id).await?;
    if row.is_none_or(|row| row.status != Status::AwaitingTransfer) {
        return Err(missing(&id));
    }
    // Hosts of the project that had it: none begins to reach a volume that awaits a transfer.
    exports::end_hosts(volumes.core(), &seen.volume_id).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        take(&volumes, &cx, &tx, &seen).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    call.render_under("transfer", &brief(&call, &seen))
}

/// Compares without telling by its time where texts differ.
fn same(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Gives the volume to the caller's project, which must have room for it.
async fn take(volumes: &Volumes, cx: &Cx, tx: &Tx, seen: &Model) -> Result<(), Fault> {
    let project = cx.project()?;
    let mut row = super::volumes::locked(tx, &seen.volume_id).await?;
    let there = store::locked::<Entity>(tx, &seen.id).await?;
    if there.is_none() || row.status != Status::AwaitingTransfer {
        return Err(missing(&seen.id));
    }
    let all = going(tx, &row, seen.no_snapshots).await?;
    if project != row.project_id {
        quota::size(volumes.settings(), tx, project, row.size).await?;
        let kind = types::find(tx, &row.type_id).await?;
        let kind = kind.ok_or_else(|| Fault::no_type(&row.type_id))?;
        let snapshots: i64 = match volumes.settings().snapshots_count {
            true => all.iter().map(|one| one.size).sum(),
            false => 0,
        };
        let more = More {
            volumes: 1,
            snapshots: i64::try_from(all.len()).unwrap_or(i64::MAX),
            gigabytes: row.size + snapshots,
            ..More::default()
        };
        let names = Some((kind.row.id.as_str(), kind.row.name.as_str()));
        quota::admit(volumes.settings(), tx, project, names, more).await?;
    }
    for snapshot in all {
        let moved = snapshot::Model {
            project_id: project.to_owned(),
            user_id: cx.caller.user_id.clone(),
            updated_at: Some(store::now()),
            ..snapshot
        };
        store::save(tx, moved).await?;
    }
    project.clone_into(&mut row.project_id);
    cx.caller.user_id.clone_into(&mut row.user_id);
    row.status = Status::Available;
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    store::remove::<Entity>(tx, &seen.id).await?;
    Ok(())
}

/// `DELETE /volume-transfers/{id}`.
pub async fn withdraw(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<volume::Entity>(&tx, &seen.volume_id).await?;
        if !store::remove::<Entity>(&tx, &seen.id).await? {
            return Err(missing(&seen.id));
        }
        if let Some(mut row) = row.filter(|row| row.status == Status::AwaitingTransfer) {
            row.status = Status::Available;
            row.updated_at = Some(store::now());
            store::save(&tx, row).await?;
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}
