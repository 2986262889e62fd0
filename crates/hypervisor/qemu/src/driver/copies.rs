//! QEMU's jobs that copy volumes.
//!
//! A job's name holds the node of the new volume and the file that this has open, so that a job of an earlier attempt,
//! whose file was removed and made anew at the same path, is nobody's copy.
//!
//! A job that is ready is ended in two steps: it becomes *pending*, where requests of the guest wait and both files hold
//! the same on their disks, and then the guest gets the new node (*finalize*) or keeps the old one (*cancel*).

use std::time::{Duration, Instant};

use hypervisor::{DriverError, Result};
use serde_json::json;

use crate::guest::Guest;
use crate::qmp::{During, QmpError};
use crate::volumes::{self, FileId};

pub(super) const COPY: &str = "copy the volume";
pub(super) const SWITCH: &str = "switch to the new volume";
const END: &str = "end the copy of the volume";
/// Mirror jobs have names that begin so.
const JOBS: &str = "replace-";
const ASK: Duration = Duration::from_millis(20);
/// A job that is ready has at most the writes of a moment left, and one that is cancelled ends at once, unless a disk
/// hangs. Below what a host may take to answer.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    Ready,
    /// Requests of the guest wait, and both hold the same.
    Pending,
    Concluded,
    /// It is about to be another one of these, or a disk hangs.
    Between,
}

impl Stage {
    fn of(status: &str) -> Self {
        match status {
            "created" | "running" => Self::Running,
            "ready" => Self::Ready,
            "pending" => Self::Pending,
            "concluded" => Self::Concluded,
            _ => Self::Between,
        }
    }
}

pub(super) struct Job {
    pub id: String,
    pub stage: Stage,
    pub copied: u64,
    pub total: u64,
    pub error: Option<String>,
}

impl Job {
    /// The node that it copies to.
    pub fn twin(&self) -> &str {
        let rest = self.id.strip_prefix(JOBS).unwrap_or_default();
        let mut dots = rest.match_indices('.').map(|(at, _)| at);
        dots.nth(1).map_or(rest, |end| &rest[..end])
    }

    /// Whether it copies the volume with this node.
    pub fn is_of(&self, node: &str) -> bool {
        volumes::is_of(node, self.twin())
    }
}

/// The name of the job that copies to this node, which has this file open.
pub(super) fn name(twin: &str, file: Option<FileId>) -> String {
    match file {
        Some(file) => format!("{JOBS}{twin}.{file}"),
        None => format!("{JOBS}{twin}"),
    }
}

/// All jobs that copy volumes of a guest.
pub(super) async fn jobs(guest: &Guest) -> Result<Vec<Job>> {
    let jobs = guest.qmp.execute("query-jobs", json!({})).await;
    let jobs = jobs.map_err(|error| error.during(COPY))?;
    let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = jobs.iter().filter_map(|job| {
        let id = job["id"].as_str().filter(|id| id.starts_with(JOBS))?;
        Some(Job {
            id: id.to_owned(),
            stage: Stage::of(job["status"].as_str().unwrap_or_default()),
            copied: job["current-progress"].as_u64().unwrap_or_default(),
            total: job["total-progress"].as_u64().unwrap_or_default(),
            error: job["error"].as_str().map(str::to_owned),
        })
    });
    Ok(ours.collect())
}

pub(super) async fn job(guest: &Guest, id: &str) -> Result<Option<Job>> {
    Ok(jobs(guest).await?.into_iter().find(|job| job.id == id))
}

/// Waits until a job ended, and takes it away; why it failed, if it did.
pub(super) async fn ended(guest: &Guest, id: &str) -> Result<Option<String>> {
    reaches(guest, id, Stage::Concluded).await
}

/// Has a job that is ready become pending; why it failed, if it did. It is gone then.
pub(super) async fn settled(guest: &Guest, id: &str) -> Result<Option<String>> {
    match job(guest, id).await? {
        Some(job) if job.stage == Stage::Ready => {
            let asked = guest.qmp.execute("job-complete", json!({"id": id}));
            asked.await.map_err(|error| error.during(SWITCH))?;
        }
        Some(_) => {}
        None => return Ok(Some("it ended".to_owned())),
    }
    reaches(guest, id, Stage::Pending).await
}

/// Has a job that is pending give the guest the new node; why it failed, if it did.
pub(super) async fn finalize(guest: &Guest, id: &str) -> Result<Option<String>> {
    match guest.qmp.execute("job-finalize", json!({"id": id})).await {
        // Refused for one that ended.
        Ok(_) | Err(QmpError::Refused { .. }) => {}
        Err(error) => return Err(error.during(SWITCH)),
    }
    ended(guest, id).await
}

/// Waits for a stage of a job. One that concluded is taken away; why it failed, if it did.
async fn reaches(guest: &Guest, id: &str, stage: Stage) -> Result<Option<String>> {
    let began = Instant::now();
    while began.elapsed() < END_LIMIT {
        match job(guest, id).await? {
            None => return Ok(None),
            Some(job) if job.stage == Stage::Concluded => {
                let dismissed = guest.qmp.execute("job-dismiss", json!({"id": id}));
                dismissed.await.map_err(|error| error.during(END))?;
                return Ok(job.error);
            }
            Some(job) if job.stage == stage => return Ok(None),
            Some(_) => tokio::time::sleep(ASK).await,
        }
    }
    Err(failure(END, "the job that copies does not end".to_owned()))
}

/// Ends a job, and takes it away. The guest keeps the old node, unless the job gave it the new one already.
pub(super) async fn cancel(guest: &Guest, id: &str) -> Result<()> {
    if job(guest, id).await?.is_none() {
        return Ok(());
    }
    // Without `force` a job that is ready would end as a copy.
    let asked = json!({"device": id, "force": true});
    match guest.qmp.execute("block-job-cancel", asked).await {
        // Refused for one that ends just now, or ended.
        Ok(_) | Err(QmpError::Refused { .. }) => {}
        Err(error) => return Err(error.during(END)),
    }
    ended(guest, id).await.map(drop)
}

pub(super) fn failure(what: &str, why: String) -> DriverError {
    DriverError::Hypervisor {
        what: what.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: String) -> Job {
        Job {
            id,
            stage: Stage::Ready,
            copied: 0,
            total: 0,
            error: None,
        }
    }

    #[test]
    fn the_name_of_a_job_tells_its_node_and_its_file() {
        let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let [one, two] = files
            .each_ref()
            .map(|file| FileId::of(&file.metadata().unwrap()));
        let node = volumes::node("0d7b1a2c-6a3e-4f0e-9f41-000000000001");
        let twin = format!("{node}.abcd");
        let names = [
            name(&twin, Some(one)),
            name(&twin, Some(two)),
            name(&twin, None),
        ];
        assert_ne!(names[0], names[1]);
        assert!(!names[..2].contains(&names[2]));
        for id in names {
            let job = job(id);
            assert_eq!(job.twin(), twin);
            assert!(job.is_of(&node) && !job.is_of("vol-other"));
        }
    }

    #[test]
    fn a_status_that_is_none_of_ours_is_in_between() {
        for (status, stage) in [
            ("running", Stage::Running),
            ("ready", Stage::Ready),
            ("pending", Stage::Pending),
            ("concluded", Stage::Concluded),
            ("standby", Stage::Between),
            ("waiting", Stage::Between),
            ("aborting", Stage::Between),
        ] {
            assert_eq!(Stage::of(status), stage, "{status}");
        }
    }
}
