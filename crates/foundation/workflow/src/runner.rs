//! The runner: takes workflows at a nudge or at a sweep and drives as many at once as it may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use sql::{Database, SqlError};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::drive::{Ended, drive};
use crate::identity::{SoleProcess, owner};
use crate::journal::{self, WorkflowError, WorkflowId};
use crate::kind::{Driver, Steps};
use crate::lease::{Lease, LeaseOwner, Readable, free_leases};
use crate::meddle::Meddler;
use crate::step::Workflow;

/// How often stuck workflows are counted for the metrics.
const STUCK_COUNT: Duration = Duration::from_secs(10);

/// How a runner works. The defaults suit a conductor.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a workflow stays with a runner that says nothing more; renewed at a third of it.
    /// A killed runner's work is continued by others after this long.
    pub lease: Duration,
    /// How often to look for workflows whose lease ran out.
    pub sweep: Duration,
    /// Workflows driven at once. One that waits for its next attempt does not count.
    pub concurrency: usize,
    /// How often to forget workflows that ended long ago.
    pub purge: Duration,
    /// How long workflows that ended (done or undone) are kept, for whoever asks what happened.
    pub keep: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            lease: Duration::from_secs(30),
            sweep: Duration::from_secs(1),
            concurrency: 256,
            purge: Duration::from_secs(600),
            keep: Duration::from_secs(7 * 86_400),
        }
    }
}

/// What one task of a runner needs; shared by all.
pub(crate) struct Inner {
    pub db: Database,
    /// Different for each life of each process, see [`crate::identity`].
    pub owner: String,
    name: String,
    sole: Option<SoleProcess>,
    pub options: Options,
    kinds: HashMap<&'static str, Arc<dyn Driver>>,
    /// Workflows that a task of ours has in hand, with the bell that wakes it.
    active: Mutex<HashMap<WorkflowId, Arc<Notify>>>,
    permits: Semaphore,
    tasks: TaskTracker,
    /// No new work, and let go after the step in hand.
    pub stopping: CancellationToken,
    /// Let go now, in the middle of a step.
    pub aborting: CancellationToken,
    pub meddler: Meddler,
}

/// Drives workflows of the kinds that it was given. Cheap to clone.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

/// A runner that does not run yet.
pub struct Builder<E> {
    inner: Inner,
    /// What steps use.
    env: Arc<E>,
}

impl<E: Send + Sync + 'static> Builder<E> {
    /// Adds a kind.
    ///
    /// # Panics
    /// When two kinds have one name, or two steps of a kind, or it has none: mistakes in a constant table.
    #[must_use]
    pub fn on<W: Workflow<Env = E>>(self) -> Self {
        self.named::<W>(W::KIND)
    }

    /// Adds a kind under a name of its own, which runners of the kind leave alone.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on_named<W: Workflow<Env = E>>(self, name: &'static str) -> Self {
        self.named::<W>(name)
    }

    fn named<W: Workflow<Env = E>>(mut self, name: &'static str) -> Self {
        let steps = Arc::new(Steps::<W>::new(name, self.env.clone()));
        let earlier = self.inner.kinds.insert(name, steps);
        assert!(earlier.is_none(), "two workflows are called {name}");
        self
    }

    /// With a proof, whatever earlier lives of this process left is taken over at once, instead of after its lease.
    #[must_use]
    pub fn sole(mut self, sole: impl Into<Option<SoleProcess>>) -> Self {
        self.inner.sole = sole.into();
        self.inner.owner = owner(self.inner.sole.as_ref(), &self.inner.name);
        self
    }

    /// Replaces the default options.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.inner.permits = Semaphore::new(options.concurrency.max(1));
        self.inner.options = options;
        self
    }

    /// Disturbs the runner as a test asks.
    #[cfg(feature = "testing")]
    pub(crate) fn meddler(mut self, meddler: Meddler) -> Self {
        self.inner.meddler = meddler;
        self
    }

    /// Takes back what earlier lives of this process held, and starts sweeping. Call within a tokio runtime.
    pub fn start(self) -> Runner {
        let runner = Runner(Arc::new(self.inner));
        let sweeper = runner.clone();
        runner
            .0
            .tasks
            .spawn(async move { sweeper.sweep_for_ever().await });
        let purger = runner.clone();
        runner
            .0
            .tasks
            .spawn(async move { purger.purge_for_ever().await });
        runner
    }
}

impl Runner {
    /// Begins a runner. `name` says to operators where it is (the host's name); nothing hangs on it.
    pub fn build<E>(db: Database, name: &str, env: Arc<E>) -> Builder<E> {
        let options = Options::default();
        Builder {
            inner: Inner {
                db,
                owner: owner(None, name),
                name: name.to_owned(),
                sole: None,
                permits: Semaphore::new(options.concurrency),
                options,
                kinds: HashMap::new(),
                active: Mutex::default(),
                tasks: TaskTracker::new(),
                stopping: CancellationToken::new(),
                aborting: CancellationToken::new(),
                meddler: Meddler::default(),
            },
            env,
        }
    }

    /// Starts work on `id` now, without waiting for a sweep; if a step of it is running here, wakes
    /// it ([`StepContext::nudged`](crate::StepContext::nudged)) and lets it see a request to cancel.
    /// Harmless for a workflow that is unknown, ended or in other hands.
    pub fn nudge(&self, id: WorkflowId) {
        if self.0.stopping.is_cancelled() {
            return;
        }
        let bell = Arc::new(Notify::new());
        {
            let mut active = self.0.active.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bell) = active.get(&id) {
                bell.notify_one();
                return;
            }
            active.insert(id, bell.clone());
        }
        let runner = self.clone();
        self.0
            .tasks
            .spawn(async move { runner.work_on(id, bell).await });
    }

    /// Stops: no new work; steps in hand get `grace` to end, then are dropped where they are. All
    /// leases are released, so that others continue at once.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait())
            .await
            .is_err()
        {
            self.0.aborting.cancel();
            self.0.tasks.wait().await;
        }
        if let Err(error) = free_leases(&self.0.db, LeaseOwner::Exactly(&self.0.owner)).await {
            tracing::warn!(
                error = crate::step::chain(&error),
                "leases not released; others wait for them to run out"
            );
        }
    }

    /// Whether no workflow is in its hands.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        let active = self.0.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.is_empty()
    }

    /// Dies on the spot, as a killed process would: leases stay.
    #[cfg(feature = "testing")]
    pub(crate) async fn die(&self) {
        self.0.meddler.kill();
        self.0.stopping.cancel();
        self.0.aborting.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn work_on(self, id: WorkflowId, bell: Arc<Notify>) {
        let held = Held { inner: &self.0, id };
        let permit = tokio::select! {
            permit = self.0.permits.acquire() => permit,
            () = self.0.stopping.cancelled() => return,
        };
        let ended = self.take_and_drive(id, &bell).await;
        drop((held, permit));
        match ended {
            // A nudge that came too late for the step is not lost.
            Ok(Ended::Later(_)) if bell.notified().now_or_never().is_some() => self.nudge(id),
            Ok(Ended::Later(after)) => self.nudge_after(id, after),
            Ok(Ended::Finished { wake }) => wake.into_iter().for_each(|id| self.nudge(id)),
            Ok(Ended::LetGo) => {}
            // The lease runs out and a sweep tries again.
            Err(error) => {
                tracing::warn!(workflow = %id, error = crate::step::chain(&error), "database failed; the workflow waits");
            }
        }
    }

    async fn take_and_drive(&self, id: WorkflowId, bell: &Arc<Notify>) -> Result<Ended, SqlError> {
        if self.0.meddler.is_dead() {
            return Ok(Ended::LetGo);
        }
        let kinds = self.readable();
        let (owner, length) = (&self.0.owner, self.0.options.lease);
        let take = || Lease::take(&self.0.db, id, owner, length, &kinds);
        let Some((lease, row)) = sql::retry(take).await? else {
            return Ok(Ended::LetGo);
        };
        let lease = lease.meddled(&self.0.meddler);
        match self.0.kinds.get(row.kind.as_str()) {
            Some(driver) => drive(&**driver, &self.0, lease, row, bell.clone()).await,
            None => {
                lease.let_go(Duration::ZERO).await?;
                Ok(Ended::LetGo)
            }
        }
    }

    fn readable(&self) -> Vec<Readable> {
        let kinds = self.0.kinds.values();
        kinds.map(|driver| driver.table().readable()).collect()
    }

    fn nudge_after(&self, id: WorkflowId, after: Duration) {
        let runner = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(after) => runner.nudge(id),
                () = runner.0.stopping.cancelled() => {}
            }
        });
    }

    async fn sweep_for_ever(&self) {
        self.free_earlier_lives().await;
        let kinds = self.readable();
        let mut counted: Option<Instant> = None;
        let mut tick = tokio::time::interval(self.0.options.sweep);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.0.stopping.cancelled() => return,
            }
            if counted.is_none_or(|counted| counted.elapsed() >= STUCK_COUNT) {
                counted = Some(Instant::now());
                self.count_stuck(&kinds).await;
            }
            // More than can be driven at once would only queue here instead of with other runners.
            match journal::abandoned(&self.0.db, &kinds, self.0.options.concurrency as u64).await {
                Ok(ids) => ids.into_iter().for_each(|id| self.nudge_idle(id)),
                Err(error) => {
                    tracing::warn!(
                        error = crate::step::chain(&error),
                        "cannot look for waiting workflows"
                    );
                }
            }
        }
    }

    async fn free_earlier_lives(&self) {
        let Some(sole) = &self.0.sole else { return };
        let earlier = LeaseOwner::EarlierLivesOf {
            prefix: &sole.prefix(),
            now: &self.0.owner,
        };
        match free_leases(&self.0.db, earlier).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "continuing workflows of an earlier run"),
            Err(error) => tracing::warn!(
                error = crate::step::chain(&error),
                "earlier leases are waited for"
            ),
        }
    }

    /// Tells the metrics how many workflows of each kind need an operator.
    async fn count_stuck(&self, kinds: &[Readable]) {
        let stuck = match journal::count_stuck(self.0.db.read()).await {
            Ok(stuck) => stuck,
            Err(error) => {
                let error = crate::step::chain(&error);
                return tracing::warn!(error, "cannot count the workflows that are stuck");
            }
        };
        for kind in kinds {
            let count = stuck.get(kind.kind).copied().unwrap_or_default();
            #[allow(clippy::cast_precision_loss, reason = "a few at most")]
            metrics::gauge!("kilonova_workflows_stuck", "kind" => kind.kind).set(count as f64);
        }
    }

    /// Keeps the journal from growing without end. The first time after one period: a start is busy enough.
    async fn purge_for_ever(&self) {
        let every = self.0.options.purge.max(Duration::from_millis(1));
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.0.stopping.cancelled() => return,
            }
            match self.purge_once().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "forgot workflows that ended long ago"),
                Err(error) => tracing::warn!(
                    error = crate::step::chain(&error),
                    "cannot forget old workflows; tried again later"
                ),
            }
        }
    }

    /// Forgets all that is old enough, in short transactions; gives how many.
    async fn purge_once(&self) -> Result<u64, WorkflowError> {
        let keep = chrono::Duration::from_std(self.0.options.keep).unwrap_or(chrono::Duration::MAX);
        let now = sql::now(self.0.db.read()).await?;
        let Some(before) = now.checked_sub_signed(keep) else {
            return Ok(0);
        };
        let mut all = 0;
        while !self.0.stopping.is_cancelled() {
            match journal::purge(&self.0.db, before).await? {
                0 => break,
                count => all += count,
            }
        }
        Ok(all)
    }

    /// Like a nudge, but does not wake a step that is at work: nothing happened.
    fn nudge_idle(&self, id: WorkflowId) {
        let busy = self
            .0
            .active
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&id);
        if !busy {
            self.nudge(id);
        }
    }
}

/// Removes a workflow from the active ones however its task ends.
struct Held<'a> {
    inner: &'a Inner,
    id: WorkflowId,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut active = self
            .inner
            .active
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        active.remove(&self.id);
    }
}
