//! Records of backups: what another database needs to know of one whose files are in the folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Utc};
use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NO_SERVICE, find, served, view};
use crate::api::words::{check_id, check_name};
use crate::api::{Call, Cx};
use crate::db::store::{self, Tx};
use crate::driver::Id;
use crate::fault::Fault;
use crate::listing::MOST;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::backup::{Entity, Model};
use crate::tables::{BackupStatus, Word};
use crate::work::backup::{OLDER_SERVICE, SERVICE, service};
use crate::work::import::{copy, in_vault};

/// A record, as JSON below base64. The names are Cinder's.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: Option<String>,
    size: Option<i64>,
    volume_id: Option<String>,
    snapshot_id: Option<String>,
    parent_id: Option<String>,
    display_name: Option<String>,
    display_description: Option<String>,
    container: Option<String>,
    object_count: Option<i64>,
    /// The id under which the files lie; that of the record itself where it is missing.
    service_metadata: Option<String>,
    data_timestamp: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
}

/// `GET /backups/{id}/export_record`.
pub async fn export(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    if row.status != BackupStatus::Available {
        return Err(Fault::InvalidBackup(format!(
            "Backup status must be available and not {}.",
            row.status.word()
        )));
    }
    served(&volumes, row.availability_zone.as_deref()).await?;
    let record = Record {
        service_metadata: Some(row.id.clone()),
        id: Some(row.id),
        size: Some(row.size),
        volume_id: Some(row.volume_id),
        snapshot_id: row.snapshot_id,
        parent_id: row.parent_id,
        display_name: row.name,
        display_description: row.description,
        container: row.container,
        object_count: Some(row.object_count),
        data_timestamp: Some(row.data_timestamp),
        created_at: Some(row.created_at),
    };
    let text = serde_json::to_vec(&record);
    let text = text.map_err(|_| Fault::Internal("a record cannot be written"))?;
    Ok(Answer::of(&json!({"backup-record": {
        "backup_service": row.service,
        "backup_url": STANDARD.encode(text),
    }})))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ImportBody {
    #[mv(wire = "backup-record")]
    pub record: Given,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Given {
    #[mv(max_length = 255)]
    pub backup_service: String,
    #[mv(min_length = 1)]
    pub backup_url: String,
}

/// `POST /backups/import_record`.
pub async fn import(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ImportBody { record: given } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let keeper = service(volumes.db().read(), None).await?;
    let keeper = keeper.ok_or_else(|| Fault::Unavailable(NO_SERVICE.to_owned()))?;
    let record = decoded(&given.backup_url)?;
    let missing =
        |what: &str| Fault::InvalidInput(format!("Provided backup record is missing {what}"));
    let id = record.id.as_deref().ok_or_else(|| missing("an id"))?;
    let id = id_of(id)?;
    let files = record.service_metadata.as_deref().map_or(Ok(id), id_of)?;
    let size = record.size.ok_or_else(|| missing("size attribute"))?;
    let why = why_not(&volumes, files, &given.backup_service).await?;
    let copied = why.is_none() && files != id;
    let now = store::now();
    let mut row = Model {
        id: id.to_string(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        volume_id: record
            .volume_id
            .unwrap_or_else(|| uuid::Uuid::nil().to_string()),
        snapshot_id: record.snapshot_id,
        parent_id: record.parent_id,
        name: record.display_name,
        description: record.display_description,
        status: match why.is_none() && !copied {
            true => BackupStatus::Available,
            false => BackupStatus::Error,
        },
        size,
        object_count: record.object_count.unwrap_or(0),
        container: record.container,
        availability_zone: Some(keeper.zone),
        host: Some(keeper.host),
        service: Some(SERVICE.to_owned()),
        fail_reason: why.or_else(|| copied.then(|| UNFINISHED.to_owned())),
        restore_volume_id: None,
        data_timestamp: record.data_timestamp.map_or(now, sql::micros),
        created_at: record.created_at.map_or(now, sql::micros),
        updated_at: None,
    };
    let accepted = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        accept(&volumes, &cx, &tx, &row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match accepted {
        // Another project imported it at the same moment.
        Err(Fault::Database(error)) if error.is_duplicate() => return Err(there()),
        other => other?,
    }
    if copied {
        // The row is there first: what an import leaves that is killed here can be deleted.
        copy(volumes.core(), files, id, &mut row).await?;
    }
    call.render_under("backup", &view::brief(&call, &row))
}

/// What is said of a backup whose import did not come to its end.
const UNFINISHED: &str = "Its import did not come to its end.";

fn id_of(text: &str) -> Result<Id, Fault> {
    text.parse()
        .map_err(|_| Fault::InvalidInput("Can't parse backup record.".to_owned()))
}

fn decoded(text: &str) -> Result<Record, Fault> {
    let bad = |why: &str| Fault::InvalidInput(why.to_owned());
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|_| bad("Can't decode backup record."))?;
    let unparsed = || bad("Can't parse backup record.");
    let record: Value = serde_json::from_slice(&bytes).map_err(|_| unparsed())?;
    // What a request may not say does not come in under base64 either.
    web::text::no_nul(&record).map_err(|_| unparsed())?;
    let record: Record = serde_json::from_value(record).map_err(|_| unparsed())?;
    let numbers = [record.size, record.object_count];
    let moments = [record.data_timestamp, record.created_at];
    let counts = |number: &i64| (0..=MOST).contains(number);
    let is_kept = |moment: &DateTime<Utc>| YEARS.contains(&moment.year());
    if !numbers.iter().flatten().all(counts) || !moments.iter().flatten().all(is_kept) {
        return Err(unparsed());
    }
    fits(&record)?;
    Ok(record)
}

/// Years of moments that every database keeps.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// Refuses texts that are longer than the columns that they go to.
fn fits(record: &Record) -> Result<(), Fault> {
    for (field, id) in [
        ("volume_id", &record.volume_id),
        ("snapshot_id", &record.snapshot_id),
        ("parent_id", &record.parent_id),
    ] {
        check_id(field, id.as_deref().unwrap_or_default())?;
    }
    for (field, name) in [
        ("display_name", &record.display_name),
        ("container", &record.container),
    ] {
        check_name(field, name.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// Why the backup of a record cannot be used, if so: it is kept by another service, or its files are not there.
async fn why_not(volumes: &Volumes, id: Id, keeper: &str) -> Result<Option<String>, Fault> {
    if ![SERVICE, OLDER_SERVICE].contains(&keeper) {
        return Ok(Some(format!(
            "Import record failed, cannot find backup service to perform the import. Request service {keeper}."
        )));
    }
    let found = in_vault(volumes.core(), move |vault| vault.manifest(id)).await?;
    Ok(found.err().map(|error| error.to_string()))
}

async fn accept(volumes: &Volumes, cx: &Cx, tx: &Tx, row: &Model) -> Result<(), Fault> {
    let more = More {
        backups: 1,
        backup_gigabytes: row.size,
        ..More::default()
    };
    quota::admit(volumes.settings(), tx, cx.project()?, None, more).await?;
    if store::find::<Entity>(tx, &row.id).await?.is_some() {
        return Err(there());
    }
    Ok(store::insert(tx, row.clone()).await?)
}

fn there() -> Fault {
    Fault::InvalidBackup("Backup already exists in database.".to_owned())
}
