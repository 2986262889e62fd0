//! `kilonova operations`: what the cloud has under way, and three ways to help what is stuck.
//!
//! It works on the compute database of the settings, beside a running cloud or without one: each verb is one
//! conditional change of rows, and the conductor that has an operation in hand sees it at its next write. A
//! running cloud takes up what was set going within a second.

use anyhow::{Result, bail};
use chrono::Utc;
use clap::Subcommand;
use compute_control::operations::{self, Operation, Wanted};
use compute_db::Database;

use crate::config::Config;
use crate::open;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Operations that have not ended, the newest first.
    List {
        /// Only those that are stuck.
        #[arg(long)]
        stuck: bool,
        /// Those that ended too.
        #[arg(long, conflicts_with = "stuck")]
        all: bool,
        /// Only those of this server.
        #[arg(long)]
        server: Option<String>,
    },
    /// One operation, with what its steps did.
    Show { id: String },
    /// Set a stuck operation going again where it got stuck; one that waits makes its next attempt now.
    Retry { id: String },
    /// Turn an operation round: it undoes what it did. Not for deletes, nor past the point of no return.
    Undo { id: String },
    /// Give a stuck operation up and leave its server in ERROR. Says what is left behind.
    Abandon {
        id: String,
        /// Why, for the server's fault and the record of the action.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Does it.
///
/// # Errors
/// There is no cloud, no such operation, or its state forbids that.
pub async fn run(config: &Config, verb: &Verb) -> Result<()> {
    let Some(db) = open::existing_compute(config).await? else {
        bail!("there is no cloud in {}", config.place.state_path.display());
    };
    match verb {
        Verb::List { stuck, all, server } => {
            let wanted = Wanted {
                server_id: server.as_deref(),
                stuck: *stuck,
                ended: *all,
            };
            for operation in operations::list(&db, wanted).await? {
                println!("{}", line(&operation));
            }
        }
        Verb::Show { id } => show(&db, id).await?,
        Verb::Retry { id } => {
            operations::retry(&db, id).await?;
            println!("{id} goes on");
        }
        Verb::Undo { id } => {
            operations::undo(&db, id).await?;
            println!("{id} turns round");
        }
        Verb::Abandon { id, reason } => {
            let left = operations::abandon(&db, id, reason.as_deref()).await?;
            println!("{id} is given up; its server is in ERROR and can be deleted");
            for what in left {
                println!("left: {what}");
            }
        }
    }
    Ok(())
}

/// The stuck operations; nothing where there is no cloud yet.
///
/// # Errors
/// The database does not answer.
pub async fn stuck(config: &Config) -> Result<Option<Vec<Operation>>> {
    let Some(db) = open::existing_compute(config).await? else {
        return Ok(None);
    };
    let wanted = Wanted {
        stuck: true,
        ..Wanted::default()
    };
    Ok(Some(operations::list(&db, wanted).await?))
}

fn line(operation: &Operation) -> String {
    let step = operation.step.as_deref().unwrap_or("-");
    let owner = operation.owner.as_deref().unwrap_or("-");
    let error = operation.last_error.as_deref().unwrap_or("-");
    format!(
        "{} {} of server {}: {} {} at {step}, attempt {}, age {}, owner {owner}, last error: {error}",
        operation.id,
        operation.kind,
        operation.server_id,
        operation.status,
        operation.direction,
        operation.attempts + 1,
        age(operation),
    )
}

fn age(operation: &Operation) -> String {
    let seconds = (Utc::now() - operation.created_at).num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

async fn show(db: &Database, id: &str) -> Result<()> {
    let (operation, steps) = operations::show(db, id).await?;
    println!("{}", line(&operation));
    if let Some(request) = &operation.request_id {
        println!("request {request}");
    }
    if operation.cancelled {
        println!("asked to turn round");
    }
    if operation.forward_only {
        println!("only goes forward");
    }
    for step in steps {
        let took = step.ended_at - step.started_at;
        let error = step
            .error
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        println!(
            "{} {} {} ({} ms){error}",
            web::time::naive_micros(step.started_at),
            step.step,
            step.outcome,
            took.num_milliseconds(),
        );
    }
    Ok(())
}
