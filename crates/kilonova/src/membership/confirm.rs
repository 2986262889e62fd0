//! `kilonova identity`: what an operator means by a folder and a database that do not match.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use compute_db::{Database, cloud, hosts};
use compute_model::HostName;
use uuid::Uuid;

use super::compare::known;
use super::{Membership, OwnNode, guests, name_cloud, read, write};
use crate::config::{Config, Driver};
use crate::open;
use crate::state::State;

/// What is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// This folder joins the cloud of the configured database.
    Cloud,
    /// The hosts of this folder bear the names that the settings give.
    Name,
    /// This folder is the home of the node that the database knows under this host's name: the
    /// folder that was, is lost.
    Node,
}

/// What the folder and the database say of themselves, a line each.
///
/// # Errors
/// One of them cannot be read.
pub async fn show(config: &Config) -> Result<String> {
    let folder = &config.place.state_path;
    if !folder.join("keys/secrets.json").exists() {
        bail!("there is no cloud in {}", folder.display());
    }
    let mut text = String::new();
    match read(folder)? {
        None => writeln!(text, "folder: belongs to no cloud yet")?,
        Some(kept) => {
            writeln!(text, "folder: cloud {}", kept.cloud_id)?;
            for node in kept.nodes {
                writeln!(text, "folder: host {} is node {}", node.host, node.id)?;
            }
        }
    }
    writeln!(text, "folder: {} guests", guests(folder).len())?;
    let db = open::known_compute(config).await?;
    match cloud::id(db.read()).await? {
        None => writeln!(text, "database: belongs to no cloud yet")?,
        Some(id) => writeln!(text, "database: cloud {id}")?,
    }
    for (id, host) in hosts::names(db.read()).await? {
        writeln!(text, "database: host {host} is node {id}")?;
    }
    Ok(text)
}

/// Makes what is confirmed so, and says what was done. The cloud must not run.
///
/// # Errors
/// It runs; there is nothing to confirm; the name belongs to somebody else.
pub async fn confirm(config: &Config, what: What) -> Result<String> {
    let state = State::open(&config.place.state_path)?;
    let db = open::compute(config, &state).await?;
    let names = config.host_names()?;
    match what {
        What::Cloud => join(&state, &db).await,
        What::Name => rename(config, &state, &db, &names).await,
        What::Node => take_over(config, &state, &db, &names).await,
    }
}

async fn join(state: &State, db: &Database) -> Result<String> {
    let kept = read(&state.path)?;
    let cloud_id = match cloud::id(db.read()).await? {
        Some(id) => id,
        None => name_cloud(db, &Uuid::new_v4().to_string()).await?,
    };
    let nodes = kept.map(|kept| kept.nodes).unwrap_or_default();
    let said = format!("{} belongs to cloud {cloud_id}", state.path.display());
    write(&state.path, &Membership { cloud_id, nodes })?;
    Ok(said)
}

async fn rename(
    config: &Config,
    state: &State,
    db: &Database,
    names: &[HostName],
) -> Result<String> {
    let known = known(state, db).await?;
    let mut kept = match read(&state.path)? {
        Some(kept) => kept,
        None => of_an_older_release(&known).context("this folder has no host to rename")?,
    };
    let companions = open::companions(config, state).await?;
    let mut said = String::new();
    for (node, name) in kept.nodes.iter_mut().zip(names) {
        let tx = db.begin().await?;
        let before = hosts::rename(&tx, &node.id, name).await?;
        tx.commit().await?;
        let before = before.unwrap_or_else(|| node.host.to_string());
        // Both: an attempt that was interrupted may have renamed it in compute's database only.
        for one in &companions.0 {
            one.companion.rename_host(&before, name).await?;
            one.companion.rename_host(&node.host, name).await?;
        }
        if config.place.compute_driver == Driver::Fake {
            move_guests(&state.path, &node.host, name)?;
        }
        if before != name.as_str() || node.host != *name {
            writeln!(said, "node {} was {before}, is {name}", node.id)?;
        }
        node.host = name.clone();
    }
    write(&state.path, &kept)?;
    match said.is_empty() {
        true => Ok("all names are as the settings say".to_owned()),
        false => Ok(said),
    }
}

fn of_an_older_release(known: &super::compare::Known) -> Option<Membership> {
    let nodes: Vec<OwnNode> = known
        .derived
        .iter()
        .filter_map(|(id, host)| {
            Some(OwnNode {
                id: id.clone(),
                host: host.parse().ok()?,
            })
        })
        .collect();
    let cloud_id = known.cloud_id.clone()?;
    (!nodes.is_empty()).then_some(Membership { cloud_id, nodes })
}

/// The folder of a simulated host bears its name.
fn move_guests(folder: &Path, before: &str, after: &str) -> Result<()> {
    let at = |name: &str| folder.join("servers").join(name);
    if before == after || !at(before).exists() {
        return Ok(());
    }
    std::fs::rename(at(before), at(after))
        .with_context(|| format!("cannot move {}", at(before).display()))
}

async fn take_over(
    config: &Config,
    state: &State,
    db: &Database,
    names: &[HostName],
) -> Result<String> {
    let known = known(state, db).await?;
    let cloud_id = known
        .cloud_id
        .clone()
        .context("the database of compute is empty: there is no node to take over")?;
    let kept = read(&state.path)?;
    if kept.as_ref().is_some_and(|kept| kept.cloud_id != cloud_id) {
        bail!("this folder belongs to another cloud: confirm that first");
    }
    let mut nodes = kept.map(|kept| kept.nodes).unwrap_or_default();
    let mut said = String::new();
    for (place, name) in names.iter().enumerate() {
        let Some(id) = known.node_named(name) else {
            continue;
        };
        if nodes.get(place).is_some_and(|node| node.id == id) {
            continue;
        }
        must_be_silent(config, db, name).await?;
        let node = OwnNode {
            id: id.to_owned(),
            host: name.clone(),
        };
        match nodes.get_mut(place) {
            Some(known) => *known = node,
            None => nodes.push(node),
        }
        writeln!(
            said,
            "{} is the home of node {id}, {name}",
            state.path.display()
        )?;
    }
    if said.is_empty() {
        bail!("no other node bears the name of a host of this folder");
    }
    write(&state.path, &Membership { cloud_id, nodes })?;
    Ok(said)
}

/// Two folders must not be the home of one node.
async fn must_be_silent(config: &Config, db: &Database, name: &HostName) -> Result<()> {
    let agent = hosts::agent(db.read(), name).await?;
    let now = compute_db::now(db.read()).await?;
    let limit = chrono::TimeDelta::from_std(config.compute.service_down_time)?;
    if agent.is_some_and(|agent| agent.last_seen.is_some_and(|seen| now - seen <= limit)) {
        bail!(
            "{name} reported within the last {} s: its folder is in use",
            limit.num_seconds()
        );
    }
    Ok(())
}
