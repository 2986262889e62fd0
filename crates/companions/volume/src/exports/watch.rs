//! That exactly what rows say is served, whatever died or was forgotten.
//!
//! What one call tells of a whole back end is asked once in a look. Work on each export runs by itself, some at a time. One
//! that hangs, as on a file system that does not answer, is waited for a while and then left: it goes on, nothing else is
//! begun on its export meanwhile, and the others are served.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sql::sea_orm::EntityTrait;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{ExportError, granted, stop};
use crate::backends::Backend;
use crate::db::store;
use crate::driver::{Id, Part};
use crate::shared::Core;
use crate::tables::{attachment, export, volume};
use crate::target::{Standing, Target, none_stands};

/// How often it is looked whether exactly what rows say is served: guests wait for a volume that long, and longer.
const LOOK: Duration = Duration::from_secs(5);

/// How long a look waits for work on one export, and for what it asks of a whole back end.
const WAIT: Duration = Duration::from_secs(10);

/// Exports of a back end that are worked on at the same time.
const PARALLEL: usize = 8;

/// Works that run or were left, at most: each may keep a thread, of which a process has 512.
const WORKS: usize = 256;

/// A look every few seconds, and what it remembers of those before.
pub struct Watch {
    /// What failed the last time, by export or back end: told once, not with every look.
    told: BTreeMap<String, String>,
    /// Works that were left, by export.
    left: BTreeMap<String, Work>,
    room: Arc<Semaphore>,
    wait: Duration,
}

type Work = JoinHandle<Result<(), ExportError>>;

/// An export or back end, what failed, and the work that was left.
type Trouble = (String, String, Option<Work>);

/// What is to be done about an export.
enum Job {
    /// It is served as its row says.
    Keep(String),
    /// It has no row.
    End(Id),
}

/// What was found out of a back end at once.
pub struct Seen {
    /// `HOST@BACKEND`; of another one nothing is known.
    host: String,
    /// Where volumes are; what is not in here is asked for.
    paths: BTreeMap<Id, PathBuf>,
    standing: Standing,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            host: String::new(),
            paths: BTreeMap::new(),
            standing: none_stands(),
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            told: BTreeMap::new(),
            left: BTreeMap::new(),
            room: Arc::new(Semaphore::new(WORKS)),
            wait: WAIT,
        }
    }
}

impl Watch {
    /// Looks until told to stop.
    pub async fn keep_for_ever(mut self, core: &Arc<Core>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            self.look(core).await;
        }
    }

    /// Serves what has a row and ends what has none. What failed before in the same way is not told again.
    pub async fn look(&mut self, core: &Arc<Core>) {
        self.left.retain(|_, work| !work.is_finished());
        let mut looks = Vec::new();
        for at in core.backends.iter() {
            looks.push(self.look_at(core, at));
        }
        let found = join_all(looks).await;
        let before = std::mem::take(&mut self.told);
        for (what, why, left) in found.into_iter().flatten() {
            if before.get(&what) != Some(&why) {
                tracing::error!(what, why, "a volume is not served as it should be");
            }
            if let Some(work) = left {
                self.left.insert(what.clone(), work);
            }
            self.told.insert(what, why);
        }
    }

    async fn look_at(&self, core: &Arc<Core>, at: &Backend) -> Vec<Trouble> {
        let Some(target) = at.reach.target() else {
            return Vec::new();
        };
        let (jobs, seen) = match timeout(self.wait, listed(core, at, target)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return vec![(at.host.clone(), sentence(&error), None)],
            Err(_) => return vec![(at.host.clone(), self.late(), None)],
        };
        let (seen, turns) = (Arc::new(seen), Semaphore::new(PARALLEL));
        let mut works = Vec::new();
        for job in jobs {
            works.push(self.work(core, at, job, seen.clone(), &turns));
        }
        join_all(works).await.into_iter().flatten().collect()
    }

    async fn work(
        &self,
        core: &Arc<Core>,
        at: &Backend,
        job: Job,
        seen: Arc<Seen>,
        turns: &Semaphore,
    ) -> Option<Trouble> {
        let id = match &job {
            Job::Keep(id) => id.clone(),
            Job::End(id) => id.to_string(),
        };
        if self.left.contains_key(&id) {
            return Some((id, self.late(), None));
        }
        let _turn = turns.acquire().await;
        let Ok(room) = self.room.clone().try_acquire_owned() else {
            let why = format!("work on {WORKS} other exports does not end");
            return Some((id, why, None));
        };
        let (core, host) = (core.clone(), at.host.clone());
        let mut work: Work = tokio::spawn(async move {
            let _room = room;
            match job {
                Job::Keep(id) => keep(&core, &id, &seen).await,
                Job::End(id) => end_stray(&core, &host, id).await,
            }
        });
        let ended = timeout(self.wait, &mut work).await;
        match ended {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some((id, sentence(&error), None)),
            Ok(Err(error)) => Some((id, error.to_string(), None)),
            Err(_) => Some((id, self.late(), Some(work))),
        }
    }

    fn late(&self) -> String {
        format!("not done within {} s", self.wait.as_secs_f32())
    }
}

/// What is to be done at a back end, and what was found out of it at once.
async fn listed(
    core: &Core,
    at: &Backend,
    target: &dyn Target,
) -> Result<(Vec<Job>, Seen), ExportError> {
    // In this order: what is served had a row before, and what has none now had its end.
    let there = target.served().await?;
    let rows = rows(core, at).await?;
    let mut jobs = strays(there, &rows);
    let mut seen = Seen::default();
    if !rows.is_empty() {
        seen.host.clone_from(&at.host);
        seen.paths = at.driver.paths().await?;
        seen.standing = target.standing().await?;
    }
    jobs.extend(rows.into_iter().map(|row| Job::Keep(row.id)));
    Ok((jobs, seen))
}

/// What is served and has no row.
fn strays(mut there: Vec<Id>, rows: &[export::Model]) -> Vec<Job> {
    let known: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    there.retain(|id| !known.contains(id.to_string().as_str()));
    there.into_iter().map(Job::End).collect()
}

/// An error with what caused it.
fn sentence(error: &ExportError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The exports of a back end.
pub async fn rows(core: &Core, at: &Backend) -> Result<Vec<export::Model>, ExportError> {
    let mut rows = export::Entity::find().all(core.db.read()).await?;
    rows.retain(|row| {
        let home = core.backends.of(Some(&row.backend));
        home.is_ok_and(|home| home.host == at.host)
    });
    Ok(rows)
}

async fn end_stray(core: &Core, host: &str, id: Id) -> Result<(), ExportError> {
    let id_text = id.to_string();
    let _turn = core.turns.of(&id_text).await?;
    let row = store::find::<export::Entity>(core.db.read(), &id_text).await?;
    let at = core.backends.named(host);
    let target = at.and_then(|at| at.reach.target());
    if let (None, Some(target)) = (row, target) {
        tracing::warn!(export = id_text, "what serves a volume for nobody is ended");
        target.ensure_gone(id).await?;
    }
    Ok(())
}

/// What the row with this id says is served, if there is one; one that nobody needs any more ends.
///
/// # Errors
/// It cannot be served.
pub async fn keep(core: &Core, id: &str, seen: &Seen) -> Result<(), ExportError> {
    let _turn = core.turns.of(id).await?;
    let Some(row) = store::find::<export::Entity>(core.db.read(), id).await? else {
        return Ok(());
    };
    if !is_needed(core, &row).await? {
        return stop(core, id).await;
    }
    let at = core.backends.of(Some(&row.backend))?;
    let volume = store::find::<volume::Entity>(core.db.read(), &row.volume_id).await?;
    // Without a volume, its attachment goes, or is just given to the volume whose place this one took.
    let (Some(target), Some(volume)) = (at.reach.target(), volume) else {
        return Ok(());
    };
    let volume: Id = volume.on_back_end().parse()?;
    let seen = Some(seen).filter(|seen| seen.host == at.host);
    let path = match seen.and_then(|seen| seen.paths.get(&volume)) {
        Some(path) => path.clone(),
        None => at.driver.readable(Part::Volume(volume)).await?,
    };
    let grant = granted(core, &row, &path).await?;
    if !seen.is_some_and(|seen| (seen.standing)(&grant)) {
        target.ensure(&grant).await?;
    }
    Ok(())
}

/// Whether its attachment is there, or the volume, of one that has no attachment.
pub async fn is_needed(core: &Core, row: &export::Model) -> Result<bool, ExportError> {
    let db = core.db.read();
    Ok(match row.attached {
        true => store::find::<attachment::Entity>(db, &row.id)
            .await?
            .is_some(),
        false => store::find::<volume::Entity>(db, &row.volume_id)
            .await?
            .is_some(),
    })
}

/// Ends all that is served; rows stay, so that the next start serves it again.
///
/// # Errors
/// Something does not end.
pub async fn down(core: &Core) -> Result<(), ExportError> {
    for target in core.backends.iter().filter_map(|at| at.reach.target()) {
        target.down().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
