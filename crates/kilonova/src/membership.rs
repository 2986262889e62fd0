//! Which cloud a state folder belongs to, and which nodes its hosts are.
//!
//! The folder holds the guests, the database the rows. Put together wrongly - a renamed host, another
//! database, an empty one - rows and guests do not match, and nobody could tell which is right. So
//! the folder keeps the id of its cloud and, for each of its hosts, the id of the node and its name
//! ([`FILE`]); the database keeps the id of the cloud and its nodes. They are compared at every
//! start, before anything else happens, and a difference ends the start. What an operator means by
//! it is said with `kilonova identity confirm` ([`confirm`]).

mod compare;
pub mod confirm;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use compute_db::Database;
use compute_model::HostName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::{State, write_private};

pub use compare::Mismatch;

/// The file in the state folder. Written once, and when an operator confirms a change.
pub const FILE: &str = "identity.json";

/// What a folder belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The cloud, as its compute database is named.
    pub cloud_id: String,
    /// The folder's hosts, in the order of the settings. More than one with simulated hosts only.
    pub nodes: Vec<OwnNode>,
}

/// A host of this folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnNode {
    /// Id of the hypervisor and its resource provider: random, and the same for ever.
    pub id: String,
    pub host: HostName,
}

/// Reads what the folder belongs to; none before its first start.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn read(folder: &Path) -> Result<Option<Membership>> {
    let file = folder.join(FILE);
    match std::fs::read(&file) {
        Ok(text) => {
            let kept = serde_json::from_slice(&text);
            kept.map(Some)
                .with_context(|| format!("{} is damaged", file.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Writes it so that it outlasts a power cut.
fn write(folder: &Path, membership: &Membership) -> Result<()> {
    let text = serde_json::to_string_pretty(membership)?;
    write_private(&folder.join(FILE), &text)?;
    let folder = std::fs::File::open(folder).context("the state folder")?;
    folder.sync_all().context("cannot sync the state folder")
}

/// Compares the folder with the compute database, and makes and keeps what is new on both sides.
///
/// # Errors
/// [`Mismatch`], with what to do about it; the file or the database cannot be read or written.
pub async fn settle(state: &State, db: &Database, hosts: &[HostName]) -> Result<Membership> {
    let kept = read(&state.path)?;
    let known = compare::known(state, db).await?;
    let guests = guests(&state.path);
    let mut membership = compare::compare(&state.path, kept.as_ref(), &known, hosts, guests.len())?;
    if known.cloud_id.is_none() {
        membership.cloud_id = name_cloud(db, &membership.cloud_id).await?;
    }
    if kept.as_ref() != Some(&membership) {
        write(&state.path, &membership)?;
    }
    Ok(membership)
}

/// Gives the database this id, unless another process of the same first start was faster. The id
/// that it has then.
async fn name_cloud(db: &Database, wanted: &str) -> Result<String> {
    let tx = db.begin().await?;
    match compute_db::cloud::set_id(&tx, wanted).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(wanted.to_owned())
        }
        Err(compute_db::DbError::Duplicate(_)) => {
            tx.rollback().await?;
            let other = compute_db::cloud::id(db.read()).await?;
            other.context("the cloud's id")
        }
        Err(error) => Err(error.into()),
    }
}

/// Servers whose guests lie in a folder: a folder of that name, or with simulated hosts a file in
/// the host's folder.
pub fn guests(folder: &Path) -> Vec<String> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let top = inside(&folder.join("servers"));
    let deeper = top
        .iter()
        .filter(|path| id(path).is_none())
        .flat_map(|path| inside(path));
    let mut ids: Vec<String> = top.iter().filter_map(|path| id(path)).collect();
    ids.extend(deeper.filter_map(|path| id(&path)));
    ids.sort();
    ids.dedup();
    ids
}

fn id(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    Uuid::try_parse(stem).ok().map(|id| id.to_string())
}
