//! Who makes or removes the bytes of a snapshot in place of the service says how that ends.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;

use super::find;
use super::reset::change;
use crate::api::Call;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{SnapshotStatus, Word};
use crate::work::busy;

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateStatusBody {
    #[mv(wire = "os-update_snapshot_status")]
    pub update: UpdateStatus,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateStatus {
    pub status: String,
    /// As in `80%`.
    #[mv(nullable)]
    pub progress: Option<String>,
}

/// What a snapshot with this status may become by the word of others; nothing where it is not passing.
fn open(status: SnapshotStatus) -> &'static [SnapshotStatus] {
    match status {
        SnapshotStatus::Creating => &[
            SnapshotStatus::Creating,
            SnapshotStatus::Available,
            SnapshotStatus::Error,
        ],
        SnapshotStatus::Deleting => &[SnapshotStatus::Deleting, SnapshotStatus::ErrorDeleting],
        _ => &[],
    }
}

/// The number of `80%`; an empty text says nothing.
///
/// # Errors
/// 400: it is none from 0 to 100, or no percent.
fn percent(text: &str) -> Result<Option<i32>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let end = text.char_indices().next_back().map_or(0, |(at, _)| at);
    let number: i64 = text[..end]
        .trim()
        .parse()
        .map_err(|_| Fault::InvalidInput("progress must be an integer percentage".to_owned()))?;
    match i32::try_from(number) {
        Ok(number @ 0..=100) if text.ends_with('%') => Ok(Some(number)),
        _ => Err(Fault::InvalidInput(
            "progress must be an integer percentage between 0 and 100".to_owned(),
        )),
    }
}

/// `os-update_snapshot_status`. Unlike in Cinder not while the service itself makes the snapshot: what is half made may
/// hold what was on the back end before.
pub async fn update_status(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let UpdateStatusBody {
        update: UpdateStatus {
            status: word,
            progress,
        },
    } = call.admit()?;
    let progress = percent(progress.as_deref().unwrap_or_default())?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    // Such work begins with the row, and never again.
    if busy::is_made(volumes.db().read(), &seen.id).await? {
        return Err(Fault::InvalidSnapshot(format!(
            "Snapshot {} is being made by the volume service, which says itself how that ends.",
            seen.id
        )));
    }
    change(&volumes, &seen.id, |row| {
        let open = open(row.status);
        if open.is_empty() {
            return Err(Fault::BadRequest(format!(
                "Snapshot status {} not allowed for update_snapshot_status",
                row.status.word()
            )));
        }
        let said = SnapshotStatus::from_word(&word).filter(|said| open.contains(said));
        row.status = said.ok_or_else(|| {
            Fault::BadRequest(format!(
                "Provided snapshot status {word} not allowed for snapshot with status {}.",
                row.status.word()
            ))
        })?;
        row.progress = progress.or(row.progress);
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_percentage() {
        for (text, number) in [
            ("", None),
            ("0%", Some(0)),
            ("80%", Some(80)),
            ("100%", Some(100)),
        ] {
            assert_eq!(percent(text).expect("taken"), number, "{text}");
        }
        let between = "progress must be an integer percentage between 0 and 100";
        let none = "progress must be an integer percentage";
        let refused = [
            ("101%", between),
            ("-1%", between),
            ("80", between),
            ("99999999999%", between),
            ("%", none),
            ("x%", none),
            ("5", none),
            ("8\u{b2}", between),
            ("8\u{b2}%", none),
        ];
        for (text, why) in refused {
            match percent(text) {
                Err(Fault::InvalidInput(said)) => assert_eq!(said, why, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
