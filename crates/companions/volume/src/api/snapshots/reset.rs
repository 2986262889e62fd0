//! A snapshot gets the status that an administrator says.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;

use super::{find, locked};
use crate::api::Call;
use crate::db::store;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::snapshot::Model;
use crate::tables::{SnapshotStatus, Word};

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
    let given = SnapshotStatus::from_word(&word.to_lowercase()).filter(|status| {
        !matches!(
            status,
            SnapshotStatus::Unmanaging | SnapshotStatus::Restoring
        )
    });
    let given = given.ok_or_else(|| {
        Fault::BadRequest(format!(
            "Must specify a valid status: '{word}' is none of a snapshot."
        ))
    })?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    change(&volumes, &seen.id, |row| {
        row.status = given;
        Ok(())
    })
    .await
}

/// Changes the row of a snapshot that the caller found.
pub async fn change(
    volumes: &Volumes,
    id: &str,
    make: impl Fn(&mut Model) -> Result<(), Fault> + Sync,
) -> Result<Answer, Fault> {
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, id).await?;
        make(&mut row)?;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}
