//! Rotating the keys of the identity service: by a timer while the cloud runs, and by a command, which
//! may be used beside a running cloud. Both work on the key folder alone; who shares it takes turns, and
//! a running cloud notices a change with the next token.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use identity::Identity;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cloud;
use crate::config::Config;

/// How often the age of the primary key is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// Which keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Those that encrypt tokens.
    Tokens,
    /// Those that encrypt stored credentials; all credentials are encrypted anew.
    Credentials,
}

/// Rotates while the cloud runs, when the primary key is old enough.
pub fn rotate_on_time(tasks: &TaskTracker, identity: Identity, stop: CancellationToken) {
    tasks.spawn(async move {
        loop {
            match identity.rotate_token_keys_when_due(SystemTime::now()) {
                Ok(true) => tracing::info!("tokens are made with a new key"),
                Ok(false) => {}
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the keys of tokens could not be rotated"
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    });
}

/// `kilonova keys rotate`.
///
/// # Errors
/// There is no cloud in the folder, or its keys or database cannot be used.
pub async fn rotate(config: &Config, which: Which) -> Result<()> {
    let folder = &config.place.state_path;
    if !folder.join("keys/fernet").is_dir() {
        bail!("there is no cloud in {}", folder.display());
    }
    let folder = folder.canonicalize().context("the state folder")?;
    let identity = cloud::open::identity_at(config, &folder, "http://localhost").await?;
    match which {
        Which::Tokens => {
            identity.rotate_token_keys()?;
            println!("tokens are made with a new key; those made before stay good for their life");
        }
        Which::Credentials => {
            let count = identity.rotate_credential_keys().await?;
            println!("{count} credentials are encrypted with a new key");
        }
    }
    Ok(())
}
