//! What only administrators do with volumes.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::Value;

use super::attach::end;
use crate::api::volumes::{How, begin, locked};
use crate::api::words::Flag;
use crate::api::{Call, find};
use crate::attach;
use crate::db::{store, transfers, volumes as rows};
use crate::exports::{self, Whom};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{AttachStatus, MigrationStatus, Status, Word};

#[derive(Debug, Deserialize, Versioned)]
pub struct ResetBody {
    #[mv(wire = "os-reset_status")]
    pub reset: Reset,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Reset {
    #[mv(nullable)]
    pub status: Option<String>,
    #[mv(nullable)]
    pub attach_status: Option<String>,
    #[mv(nullable)]
    pub migration_status: Option<String>,
}

/// Statuses that an administrator may give.
const GIVEN: [Status; 21] = [
    Status::Creating,
    Status::Available,
    Status::Deleting,
    Status::Error,
    Status::ErrorDeleting,
    Status::ErrorManaging,
    Status::Managing,
    Status::Attaching,
    Status::Detaching,
    Status::InUse,
    Status::Maintenance,
    Status::RestoringBackup,
    Status::ErrorRestoring,
    Status::Reserved,
    Status::AwaitingTransfer,
    Status::BackingUp,
    Status::ErrorBackingUp,
    Status::ErrorExtending,
    Status::Downloading,
    Status::Uploading,
    Status::Retyping,
];

fn invalid(field: &str, value: &str) -> Fault {
    Fault::BadRequest(format!(
        "Must specify a valid status: {field} '{value}' is none."
    ))
}

/// What an administrator may say of a move: how it ended, or nothing. That one is under way is for its work alone to say.
fn moved(word: &str) -> Result<Option<MigrationStatus>, Fault> {
    let lower = word.to_lowercase();
    match (lower.as_str(), MigrationStatus::from_word(&lower)) {
        ("none", _) => Ok(None),
        (_, Some(status)) if status.is_passing() => Err(Fault::NotBuilt(format!(
            "The migration status {word} cannot be set: only a migration that is under way has it."
        ))),
        (_, Some(status)) => Ok(Some(status)),
        (_, None) => Err(invalid("migration_status", word)),
    }
}

/// `os-reset_status`.
pub async fn reset_status(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ResetBody { reset } = call.admit()?;
    if reset.status.is_none() && reset.attach_status.is_none() && reset.migration_status.is_none() {
        return Err(Fault::BadRequest(
            "Must specify 'status', 'attach_status' or 'migration_status' for update.".to_owned(),
        ));
    }
    let status = match &reset.status {
        None => None,
        Some(word) => {
            let found = Status::from_word(&word.to_lowercase());
            let found = found.filter(|status| GIVEN.contains(status));
            Some(found.ok_or_else(|| invalid("status", word))?)
        }
    };
    let attach_status = reset.attach_status.as_deref().map(str::to_lowercase);
    if let Some(word) = attach_status
        .as_deref()
        .filter(|word| !["attached", "detached"].contains(word))
    {
        return Err(invalid("attach_status", word));
    }
    let moved = match &reset.migration_status {
        None => None,
        Some(word) => Some(moved(word)?),
    };
    if matches!(
        status,
        Some(Status::Deleting | Status::ErrorDeleting | Status::Detaching)
    ) {
        let word = status.map(|status| status.word()).unwrap_or_default();
        return Err(Fault::BadRequest(format!("Cannot reset-state to {word}")));
    }
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = locked(&tx, &seen.id).await?;
        attach::decided(&tx, &call.cx.caller, &row).await?;
        let all = rows::attachments(&tx, &seen.id).await?;
        if status == Some(Status::InUse) && all.is_empty() {
            return Err(Fault::BadRequest(
                "Cannot reset-state to in-use because volume does not have any attachments."
                    .to_owned(),
            ));
        }
        let attached = all.iter().any(|one| one.status == AttachStatus::Attached);
        match attach_status.as_deref() {
            // Attachments say that, and only who attaches makes one.
            Some("attached") if !attached => {
                return Err(Fault::BadRequest(
                    "Cannot reset-state to attached because volume does not have any attachments."
                        .to_owned(),
                ));
            }
            Some("detached") => {
                for one in &all {
                    match attach::remove(&tx, None, &seen.id, &one.id).await {
                        // Somebody was quicker.
                        Ok(_) | Err(Fault::NotFound(_)) => {}
                        Err(other) => return Err(other),
                    }
                }
            }
            _ => {}
        }
        let mut row = locked(&tx, &seen.id).await?;
        if let Some(status) = status {
            // Who has the key of an offer would take a volume that is used for something else by then.
            if row.status == Status::AwaitingTransfer && status != Status::AwaitingTransfer {
                transfers::forget(&tx, &row.id).await?;
            }
            row.reset(status);
        }
        if let Some(moved) = moved {
            row.migration_status = moved;
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}

/// `os-force_delete`: whatever its status.
pub async fn force_delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let how = How {
        cascade: false,
        force: true,
        release: false,
    };
    begin(&volumes, &call.cx, &seen.id, how).await?;
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ForceDetachBody {
    #[mv(wire = "os-force_detach")]
    pub detach: ForceDetach,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ForceDetach {
    #[mv(opaque)]
    pub connector: Option<Value>,
    #[mv(nullable, format = "uuid")]
    pub attachment_id: Option<String>,
}

/// `os-force_detach`: an attachment goes that nobody else takes away.
pub async fn force_detach(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ForceDetachBody { detach: given } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let host = given.connector.as_ref().and_then(|of| of["host"].as_str());
    attach::decided(volumes.db().read(), &call.cx.caller, &seen).await?;
    // Cinder ends the connection first, and asks there whose it is: nobody says so where there are several.
    let all = rows::attachments(volumes.db().read(), &seen.id).await?;
    attach::meant(&call.cx.caller, &all, None)?;
    end(&volumes, &call, &seen, given.attachment_id.as_deref()).await?;
    if let Some(host) = host {
        exports::end(volumes.core(), &seen.id, Whom::Host(host)).await?;
    }
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CompletionBody {
    #[mv(wire = "os-extend_volume_completion")]
    pub completion: Completion,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Completion {
    pub error: Option<Flag>,
}

/// `os-extend_volume_completion`: for back ends that wait for the host before a volume is larger. None does here: the
/// volume is larger when the host hears of it.
pub async fn extend_completion(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CompletionBody {
        completion: Completion { error },
    } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    tracing::debug!(
        ?error,
        volume = seen.id,
        "a host says that it saw a volume become larger"
    );
    Err(Fault::InvalidVolume(match seen.status {
        Status::Extending => "Required volume admin metadata is malformed or missing.".to_owned(),
        _ => "Volume is not being extended.".to_owned(),
    }))
}
