//! Opening compute's database and the companions on theirs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clients::{Login, Service, Session};
use compute_db::{Database, quarantine};
use secrecy::SecretString;

use crate::companions::{Ahead, Companion, Companions, Place};
use crate::config::{Config, may_exist};
use crate::state::State;

/// The database of a service, within the operator's limits; no table is touched.
pub async fn database(config: &Config, state: &State, service: &str) -> Result<Database> {
    database_at(config, &state.path, service).await
}

async fn database_at(config: &Config, folder: &Path, service: &str) -> Result<Database> {
    let url = config.database_url(folder, service);
    Ok(Database::open_with(&url, &config.database.options).await?)
}

/// The compute database of a cloud that was started before, also of one that runs: nothing is made and no table is
/// changed. None where it is a file that does not exist.
///
/// # Errors
/// It does not answer.
pub async fn existing_compute(config: &Config) -> Result<Option<Database>> {
    let folder = &config.place.state_path;
    if !may_exist(&config.database_url(folder, "compute")) {
        return Ok(None);
    }
    let db = database_at(config, folder, "compute").await;
    db.context("the compute database").map(Some)
}

/// The same, where there must be one.
///
/// # Errors
/// There is none, or it does not answer.
pub async fn known_compute(config: &Config) -> Result<Database> {
    let Some(db) = existing_compute(config).await? else {
        bail!(
            "there is no database of compute in {}: no cloud was started with these settings",
            config.place.state_path.display()
        );
    };
    quarantine::count(db.read())
        .await
        .context("the database of compute has not been brought up to date by `kilonova up`")?;
    Ok(db)
}

/// All companions, on their databases.
pub async fn companions(config: &Config, state: &State) -> Result<Companions> {
    let place = Place {
        config,
        folder: &state.path,
        state: Some(state),
        url: "http://localhost",
        ahead: Ahead::default(),
    };
    Companions::open(&place).await
}

/// A companion of the cloud in a folder, whether or not this process works in it.
pub async fn beside(config: &Config, folder: &Path, name: &str) -> Result<Arc<dyn Companion>> {
    let place = Place {
        config,
        folder,
        state: None,
        url: "http://localhost",
        ahead: Ahead::default(),
    };
    config.companion(name)?.open(&place).await
}

pub async fn compute(config: &Config, state: &State) -> Result<Database> {
    let db = database(config, state, "compute").await?;
    db.apply(&compute_db::HISTORY).await?;
    Ok(db)
}

/// How the user of a service asks others.
pub fn session(identity: &Service, user: &str, password: SecretString) -> Session {
    let login = Login {
        user: user.to_owned(),
        password,
        project: "service".to_owned(),
        domain: "Default".to_owned(),
    };
    Session::new(identity.clone(), login)
}
