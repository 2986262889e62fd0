//! Rotating the keys of the identity service by a command, which may be used beside a running cloud. It works on the key
//! folder alone; who shares it takes turns, and a running cloud notices a change with the next token.

use anyhow::{Context, Result, bail};

use crate::companions::{KeySet, ROWS};
use crate::config::Config;
use crate::open;

/// `kilonova keys rotate`.
///
/// # Errors
/// There is no cloud in the folder, or its keys or database cannot be used.
pub async fn rotate(config: &Config, which: KeySet) -> Result<()> {
    let folder = &config.place.state_path;
    if !folder.join("keys/fernet").is_dir() {
        bail!("there is no cloud in {}", folder.display());
    }
    let folder = folder.canonicalize().context("the state folder")?;
    let companion = open::beside(config, &folder, ROWS[0].name).await?;
    let keystone = companion.keystone();
    let keystone = keystone.context("the first companion knows no callers")?;
    println!("{}", keystone.rotate(which).await?);
    Ok(())
}
