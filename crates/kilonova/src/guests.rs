//! `kilonova guests`: what an operator decides about quarantined guests.
//!
//! All of it is said in the compute database: it works while the cloud runs and while it does not,
//! and over any transport. A running host hears within `report_interval` what it is to remove; one
//! that does not run, at its next start.

use std::fmt::Write;

use anyhow::Result;
use clap::Subcommand;
use compute_control::guests::{self, Named, Rules};
use compute_db::{Database, quarantine};

use crate::config::Config;
use crate::open;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// All quarantined guests, a line each: server, host, power state, since when, why.
    List,
    /// The server is on this host from now on: its row names the host, which claims its resources.
    Adopt(Which),
    /// The guest goes, with its disks.
    Remove(Which),
}

/// Which guest.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Id of the server.
    pub server: String,
    /// The host, where several have a guest of this server.
    #[arg(long)]
    pub host: Option<String>,
}

impl Which {
    fn named(&self) -> Named<'_> {
        Named {
            server_id: &self.server,
            host: self.host.as_deref(),
        }
    }
}

/// Does it, and says what was done.
///
/// # Errors
/// There is no such guest, or it cannot be adopted; the text says why.
pub async fn run(config: &Config, verb: &Verb) -> Result<String> {
    let db = open::known_compute(config).await?;
    match verb {
        Verb::List => list(&db).await,
        Verb::Adopt(which) => {
            let rules = Rules {
                default_zone: &config.compute.default_availability_zone,
                down_time: chrono::TimeDelta::from_std(config.compute.service_down_time)?,
            };
            let server = guests::adopt(&db, which.named(), rules).await?;
            let host = server.host.unwrap_or_default();
            Ok(format!(
                "server {} is on {host}, {}\n",
                server.id, server.vm_state
            ))
        }
        Verb::Remove(which) => {
            let guest = guests::remove(&db, which.named()).await?;
            Ok(format!(
                "{} removes server {} with its disks when it reports next\n",
                guest.host, guest.server_id
            ))
        }
    }
}

async fn list(db: &Database) -> Result<String> {
    let mut text = String::new();
    for guest in quarantine::list(db.read()).await? {
        writeln!(
            text,
            "{} {} {:?} {} {}",
            guest.server_id,
            guest.host,
            guest.power_state,
            guest.first_seen.format("%Y-%m-%dT%H:%M:%SZ"),
            guest.why
        )?;
    }
    Ok(text)
}
