//! What should not be: everything that belongs to nobody.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use clients::{Service, Session};
use compute_db::{Database, DbError, claims, server_groups, servers};
use image::Images;
use network::Networks;

use crate::cloud;
use crate::config::Config;
use crate::drivers::{self, Hosted};
use crate::state::State;

/// What is looked at.
pub struct Looked<'a> {
    pub db: &'a Database,
    pub images: &'a Images,
    pub networks: &'a Networks,
    pub hosts: &'a [Hosted],
    pub network: &'a Service,
    pub session: &'a Session,
    /// Whether no process runs this cloud: its networks are there, but nobody applied them here.
    pub at_rest: bool,
}

/// The audit of a cloud that does not run, by its folder and databases.
///
/// # Errors
/// There is no cloud, it runs, or something could not be looked at.
pub async fn offline(config: &Config) -> Result<Vec<String>> {
    let path: &Path = &config.place.state_path;
    if !path.join("keys/secrets.json").exists() {
        bail!("there is no cloud in {}", path.display());
    }
    let state = State::open(path)?;
    let hosts = drivers::open(config, &state).await?;
    let (identity, images, networks, db) = tokio::try_join!(
        cloud::open::identity(config, &state, "http://localhost"),
        cloud::open::images(config, &state),
        cloud::open::networks(config, &state),
        cloud::open::compute(config, &state),
    )?;
    let session = cloud::session(
        &Service::in_process("identity", identity.router()),
        "nova",
        state.secrets.service(),
    );
    let network = Service::in_process("network", networks.router(identity.authenticator()));
    run(&Looked {
        db: &db,
        images: &images,
        networks: &networks,
        hosts: &hosts,
        network: &network,
        session: &session,
        at_rest: true,
    })
    .await
}

/// One sentence for each finding. Empty is good.
///
/// # Errors
/// Something could not be looked at.
pub async fn run(cloud: &Looked<'_>) -> Result<Vec<String>> {
    let live: BTreeSet<String> = servers::live_ids(cloud.db.read())
        .await?
        .into_iter()
        .collect();
    let mut findings = idle(cloud).await?;
    findings.extend(claimed(cloud, &live).await?);
    findings.extend(grouped(cloud, &live).await?);
    findings.extend(guests(cloud).await?);
    findings.extend(ports(cloud, &live).await?);
    let images = cloud.images.audit().await?;
    if !images.is_clean() {
        findings.push(format!("images: {images:?}"));
    }
    findings.extend(match cloud.at_rest {
        true => cloud.networks.audit_at_rest().await?,
        false => cloud.networks.audit().await?,
    });
    Ok(findings)
}

/// Servers with a task that no workflow carries out, and workflows that are stuck.
async fn idle(cloud: &Looked<'_>) -> Result<Vec<String>> {
    let db = cloud.db.read();
    let mut findings = Vec::new();
    for server in servers::with_task(db).await? {
        let task = server
            .task_state
            .map(|task| task.as_str())
            .unwrap_or_default();
        if workflow::find(db, &server.id).await?.is_empty() {
            findings.push(format!(
                "server {} is {task}, but nobody works on it",
                server.id
            ));
        }
    }
    let stuck = workflow::Filter {
        status: Some(workflow::Status::Stuck),
        ..workflow::Filter::default()
    };
    for record in workflow::list(db, &stuck).await? {
        findings.push(format!("workflow {} ({}) is stuck", record.id, record.kind));
    }
    Ok(findings)
}

/// Claims of servers that are gone or live elsewhere, and counts that do not add up.
async fn claimed(cloud: &Looked<'_>, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let db = cloud.db.read();
    let consumers = claims::consumers(db).await?.into_iter();
    let mut findings: Vec<String> = consumers
        .filter(|consumer| !live.contains(consumer))
        .map(|consumer| format!("a claim of {consumer}, which is no server"))
        .collect();
    for (server, lives, held) in servers::nodes_of_live(db).await?.into_iter().filter_map({
        let held = claims::nodes_by_consumer(db).await?;
        move |(server, lives)| {
            let held = held.get(&server).cloned().unwrap_or_default();
            let right = lives.iter().eq(held.iter());
            (!right).then_some((server, lives, held))
        }
    }) {
        findings.push(format!(
            "server {server} lives on node {}, its claims are on {}",
            lives.as_deref().unwrap_or("none"),
            if held.is_empty() {
                "none".to_owned()
            } else {
                held.join(", ")
            },
        ));
    }
    for (node, class, used, sum) in claims::inexact(db).await? {
        findings.push(format!(
            "node {node} counts {used} of {class}, its claims are {sum}"
        ));
    }
    Ok(findings)
}

/// Members of server groups that are gone.
async fn grouped(cloud: &Looked<'_>, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let members = server_groups::all_members(cloud.db.read()).await?;
    let lost = members.into_iter().filter(|id| !live.contains(id));
    Ok(lost
        .map(|id| format!("a group has the member {id}, which is no server"))
        .collect())
}

/// Guests on hosts where their server is not.
async fn guests(cloud: &Looked<'_>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for hosted in cloud.hosts {
        for guest in hosted.driver.list().await? {
            let server = match servers::find(cloud.db.read(), &guest.id).await {
                Err(DbError::NotFound(_)) => None,
                other => Some(other?),
            };
            if server.is_none_or(|server| server.host.as_ref() != Some(&hosted.host)) {
                findings.push(format!(
                    "a guest of {} on {}, where it is not",
                    guest.id, hosted.host
                ));
            }
        }
    }
    Ok(findings)
}

/// Ports of servers that are gone.
async fn ports(cloud: &Looked<'_>, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let network = cloud.network;
    let ports = cloud
        .session
        .with(|token| async move { clients::network::ports(network, &token, "").await })
        .await?;
    let lost = ports.into_iter().filter(|port| {
        port.device_owner.starts_with("compute:") && !live.contains(&port.device_id)
    });
    Ok(lost
        .map(|port| {
            format!(
                "port {} of server {}, which is gone",
                port.id, port.device_id
            )
        })
        .collect())
}
