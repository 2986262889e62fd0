//! What should not be: everything that belongs to nobody.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clients::{Service, Session};
use compute_db::{
    Database, DbError, claims, hosts, letting_go, quarantine, server_groups, servers,
};
use compute_model::quarantine::{Verdict, judge};

use crate::companions::Companions;
use crate::drivers::Hosted;

/// What is looked at.
pub struct Auditor {
    pub db: Database,
    pub companions: Companions,
    pub hosts: Vec<Hosted>,
    pub network: Service,
    pub volume: Service,
    pub session: Session,
    /// Where agents keep copies of disks, a folder per host.
    pub copies: PathBuf,
    /// Whether no process runs this cloud: its networks are there, but nobody applied them here.
    pub at_rest: bool,
}

/// How often a running cloud is looked at: what belongs to nobody for a moment only, because something
/// is being made or removed, is no finding.
const LOOKS: usize = 3;

/// The time between two looks.
const BETWEEN: Duration = Duration::from_millis(700);

impl Auditor {
    /// One sentence for each finding. Empty is good.
    ///
    /// # Errors
    /// Something could not be looked at.
    pub async fn look(&self) -> Result<Vec<String>> {
        let live: BTreeSet<String> = servers::live_ids(self.db.read())
            .await?
            .into_iter()
            .collect();
        let mut findings = idle(self).await?;
        findings.extend(claimed(self, &live).await?);
        findings.extend(grouped(self, &live).await?);
        findings.extend(guests(self).await?);
        findings.extend(ports(self, &live).await?);
        findings.extend(volumes(self, &live).await?);
        findings.extend(copies(self)?);
        for one in &self.companions.0 {
            findings.extend(one.companion.audit(self.at_rest).await?);
        }
        Ok(findings)
    }

    /// What every one of several looks finds: for a cloud at work.
    ///
    /// # Errors
    /// Something could not be looked at.
    pub async fn steady(&self) -> Result<Vec<String>> {
        let mut findings = self.look().await?;
        for _ in 1..LOOKS {
            if findings.is_empty() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            let again = self.look().await?;
            findings.retain(|finding| again.contains(finding));
        }
        Ok(findings)
    }
}

/// Servers with a task that no workflow carries out, and workflows that are stuck.
async fn idle(cloud: &Auditor) -> Result<Vec<String>> {
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
async fn claimed(cloud: &Auditor, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let db = cloud.db.read();
    let resized = servers::resizes_of_live(db).await?;
    let consumers = claims::consumers(db).await?.into_iter();
    let mut findings: Vec<String> = consumers
        .filter(|consumer| !live.contains(consumer) && !resized.contains(consumer))
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
async fn grouped(cloud: &Auditor, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let members = server_groups::all_members(cloud.db.read()).await?;
    let lost = members.into_iter().filter(|id| !live.contains(id));
    Ok(lost
        .map(|id| format!("a group has the member {id}, which is no server"))
        .collect())
}

/// Guests on hosts that their rows do not name, and quarantined ones on other hosts.
async fn guests(cloud: &Auditor) -> Result<Vec<String>> {
    let db = cloud.db.read();
    let mut findings = Vec::new();
    let mut looked_at = BTreeSet::new();
    for hosted in &cloud.hosts {
        looked_at.insert(hosted.host.as_str());
        let node = hosts::node_named(db, &hosted.host).await?;
        let words = letting_go::of_node(db, node.as_deref().unwrap_or_default()).await?;
        for guest in hosted.driver.list().await? {
            let row = match servers::find_any(db, &guest.id).await {
                Err(DbError::NotFound(_)) => None,
                other => Some(other?),
            };
            let epoch = i64::try_from(guest.epoch).unwrap_or(i64::MAX);
            let word = words.get(&guest.id).copied();
            let why = match judge(row.as_ref(), word, &hosted.host, epoch) {
                Verdict::Wanted => continue,
                Verdict::Remove { .. } => "it is to go".to_owned(),
                Verdict::Quarantine(why) => format!("{why}; kilonova guests adopts or removes it"),
            };
            findings.push(format!("a guest of {} on {}: {why}", guest.id, hosted.host));
        }
    }
    for guest in quarantine::list(db).await? {
        if !looked_at.contains(guest.host.as_str()) {
            findings.push(format!(
                "a guest of {} on {}: {}; kilonova guests adopts or removes it",
                guest.server_id, guest.host, guest.why
            ));
        }
    }
    Ok(findings)
}

/// Ports of servers that are gone. Only compute binds ports to hosts: what users write into
/// `device_owner` and `device_id` of ports of their own proves nothing.
async fn ports(cloud: &Auditor, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let network = &cloud.network;
    let ports = cloud
        .session
        .with(|token| async move { clients::network::ports(network, &token, "").await })
        .await?;
    let lost = ports.into_iter().filter(|port| {
        port.device_owner.starts_with("compute:")
            && !port.host_id.is_empty()
            && !live.contains(&port.device_id)
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

/// Attachments that no server has, and volumes of servers that are not attached. What a user reserved proves nothing:
/// only compute tells the volume service of hosts.
async fn volumes(cloud: &Auditor, live: &BTreeSet<String>) -> Result<Vec<String>> {
    let volume = &cloud.volume;
    let attachments = cloud
        .session
        .with(|token| async move { clients::volume::attachments(volume, &token, None, None).await })
        .await?;
    let mut had = BTreeSet::new();
    let mut findings = Vec::new();
    for id in live {
        let server = match servers::find(cloud.db.read(), id).await {
            Err(DbError::NotFound(_)) => continue,
            other => other?,
        };
        for volume in server.volumes {
            if !attachments.iter().any(|one| one.id == volume.attachment_id) {
                findings.push(format!(
                    "server {id} has volume {}, which is not attached to it",
                    volume.volume_id
                ));
            }
            had.insert(volume.attachment_id);
        }
    }
    let connected = attachments.iter().filter(|one| one.status != "reserved");
    let lost = connected.filter(|one| one.instance.is_some() && !had.contains(&one.id));
    findings.extend(lost.map(|one| {
        format!(
            "volume {} is attached to server {}, which does not have it",
            one.volume_id,
            one.instance.as_deref().unwrap_or_default()
        )
    }));
    Ok(findings)
}

/// Copies of disks for images that an agent left when its process ended. While it runs, it makes them and takes them
/// away.
fn copies(cloud: &Auditor) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    if !cloud.at_rest {
        return Ok(findings);
    }
    for host in entries(&cloud.copies)? {
        for file in entries(&host)? {
            findings.push(format!(
                "{} is a copy of a disk for an image; it goes when the host's agent starts",
                file.display()
            ));
        }
    }
    Ok(findings)
}

/// What lies in a folder, in order; nothing in one that is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot look into {}", folder.display());
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(unreadable)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        found.push(entry.with_context(unreadable)?.path());
    }
    found.sort();
    Ok(found)
}
