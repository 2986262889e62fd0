//! `kilonova audit`: what should not be, in a cloud that runs or in one at rest.

use std::path::Path;

use anyhow::{Result, bail};

use crate::auditor::Auditor;
use crate::config::Config;
use crate::state::State;
use crate::{drivers, membership, open, operator};

/// The audit of a cloud by its folder and databases. A cloud that runs is asked to look at itself.
///
/// # Errors
/// There is no cloud, or something could not be looked at.
pub async fn run(config: &Config) -> Result<Vec<String>> {
    let path: &Path = &config.place.state_path;
    if !path.join("keys/secrets.json").exists() {
        bail!("there is no cloud in {}", path.display());
    }
    match operator::audit(path).await? {
        Some(findings) => Ok(findings),
        None => offline(config).await,
    }
}

async fn offline(config: &Config) -> Result<Vec<String>> {
    let state = State::open(&config.place.state_path)?;
    let db = open::compute(config, &state).await?;
    membership::settle(&state, &db, &config.host_names()?).await?;
    let hosts = drivers::open(config, &state).await?;
    let companions = open::companions(config, &state).await?;
    let session = open::session(
        &companions.service("identity")?,
        "nova",
        state.secrets.service("nova"),
    );
    let auditor = Auditor {
        db,
        hosts,
        network: companions.service("network")?,
        volume: companions.service("volume")?,
        companions,
        session,
        copies: state.copies(),
        at_rest: true,
    };
    auditor.look().await
}
