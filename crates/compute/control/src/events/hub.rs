//! Who watches, and the latest events for them.
//!
//! While somebody watches, one task looks for what is new, keeps it, and wakes those whom it concerns: those of its
//! project, and those who see all. Whoever is woken reads behind their own place. Nothing is queued for anybody.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use compute_db::events::{self, Found};
use compute_db::{Database, DbError};
use compute_model::event::ServerEvent;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::{Page, Scope, outside};
use crate::{ControlError, Result};

/// The pause between two looks for new events while there are watches: a change waits half of it on average until
/// somebody hears of it.
const LOOK: Duration = Duration::from_millis(25);

/// The pause after a look that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Events that are kept for watches; about 300 bytes each. Who is further behind reads the database.
pub(super) const KEPT: usize = 1024;

/// Events read from the database at once.
const SLICE: u64 = 500;

/// Events that a watch is given at once: bounds what it holds in memory.
pub(super) const MOST: u64 = 64;

/// How many may watch at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub in_all: usize,
    pub per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_all: 10_000,
            per_user: 20,
        }
    }
}

/// The watches of this process. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    db: Database,
    limits: Limits,
    state: Mutex<State>,
    /// True once the process ends.
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    watches: usize,
    by_user: HashMap<String, usize>,
    /// By what is watched: a project, or all.
    topics: HashMap<Option<String>, Topic>,
    /// Whether the task runs that looks for new events.
    looking: bool,
    latest: Option<Latest>,
}

/// The last events: all that can be read behind one number, up to another.
struct Latest {
    events: VecDeque<Arc<ServerEvent>>,
    from: i64,
    upto: i64,
}

struct Topic {
    news: watch::Sender<()>,
    watches: usize,
    /// No event behind this number, up to the last that is known, is of this topic; none while nothing is known. Who has
    /// nothing to see needs no database to know it, however many events others have.
    quiet_from: Option<i64>,
}

/// A watch's place among those of its user and its topic; given back when dropped.
struct Place {
    hub: Hub,
    user_id: String,
    topic: Option<String>,
}

/// Somebody who watches: a place in the sequence.
pub struct Watch {
    place: Place,
    scope: Scope,
    after: i64,
    news: watch::Receiver<()>,
    closed: watch::Receiver<bool>,
}

/// What a watch is given.
#[derive(Debug)]
pub enum News {
    Events(Vec<Arc<ServerEvent>>),
    /// Nothing for a while.
    Quiet,
    /// The process ends.
    Closed,
}

impl Watch {
    /// Up to which number everything was given.
    pub fn after(&self) -> i64 {
        self.after
    }

    /// What this watch may see.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Waits for what follows, until `until` at the longest.
    ///
    /// # Errors
    /// 410 when what follows was forgotten meanwhile; the database fails.
    pub async fn next(&mut self, until: Instant) -> Result<News> {
        loop {
            // Before looking: what comes while it looks wakes it afterwards.
            self.news.mark_unchanged();
            if *self.closed.borrow_and_update() {
                return Ok(News::Closed);
            }
            let hub = &self.place.hub.0;
            let page = hub.read(&self.scope, self.after, MOST).await?;
            let moved = self.after != page.upto;
            self.after = page.upto;
            if !page.events.is_empty() {
                return Ok(News::Events(page.events));
            }
            if moved {
                // Events that cannot be read may have filled the page: more may follow.
                continue;
            }
            tokio::select! {
                told = self.news.changed() => if told.is_err() {
                    return Ok(News::Closed);
                },
                told = self.closed.changed() => if told.is_err() {
                    return Ok(News::Closed);
                },
                () = time::sleep_until(until) => return Ok(News::Quiet),
            }
        }
    }
}

impl Hub {
    /// The watches of the events of this database.
    pub fn new(db: Database, limits: Limits) -> Self {
        Hub(Arc::new(Shared {
            db,
            limits,
            state: Mutex::default(),
            closed: watch::Sender::new(false),
        }))
    }

    /// Ends all watches: their connections would hold the end of the process up.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    pub(super) async fn page(&self, scope: &Scope, after: Option<i64>, limit: u64) -> Result<Page> {
        let after = match after {
            Some(after) => after,
            None => self.0.end().await?,
        };
        self.0.read(scope, after, limit).await
    }

    pub(super) async fn watch(
        &self,
        user_id: &str,
        scope: Scope,
        after: Option<i64>,
    ) -> Result<Watch> {
        let (place, news) = self.enter(user_id, &scope)?;
        let end = self.0.end().await?;
        let after = after.unwrap_or(end);
        // Whether it is a place at all is known before the first byte of the answer.
        self.0.read(&scope, after, 1).await?;
        Ok(Watch {
            closed: self.0.closed.subscribe(),
            place,
            scope,
            after,
            news,
        })
    }

    /// The last number that this process knows while somebody watches.
    #[cfg(test)]
    pub(super) fn known(&self) -> Option<i64> {
        self.0.state().latest.as_ref().map(|latest| latest.upto)
    }

    fn enter(&self, user_id: &str, scope: &Scope) -> Result<(Place, watch::Receiver<()>)> {
        let mut state = self.0.state();
        let own = state.by_user.get(user_id).copied().unwrap_or(0);
        let Limits { in_all, per_user } = self.0.limits;
        let refused = if own >= per_user {
            Some((
                "user",
                ControlError::TooMany {
                    why: format!(
                        "There are {own} watches of this user already, as many as there may be."
                    ),
                    retry_after: 60,
                },
            ))
        } else if state.watches >= in_all {
            Some((
                "all",
                ControlError::Busy {
                    why: "There are as many watches as there may be.".to_owned(),
                    retry_after: 60,
                },
            ))
        } else {
            None
        };
        if let Some((limit, refusal)) = refused {
            metrics::counter!("kilonova_event_watches_refused_total", "limit" => limit)
                .increment(1);
            return Err(refusal);
        }
        state.watches += 1;
        state.by_user.insert(user_id.to_owned(), own + 1);
        let topic = scope.project_id.clone();
        let known = state.latest.as_ref().map(|latest| latest.upto);
        let found = state.topics.entry(topic.clone());
        let found = found.or_insert_with(|| Topic {
            news: watch::Sender::new(()),
            watches: 0,
            quiet_from: known,
        });
        found.watches += 1;
        let news = found.news.subscribe();
        shown(state.watches);
        if !state.looking {
            state.looking = true;
            let shared = self.0.clone();
            tokio::spawn(async move { shared.look().await });
        }
        let place = Place {
            hub: self.clone(),
            user_id: user_id.to_owned(),
            topic,
        };
        Ok((place, news))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.hub.0.state();
        state.watches -= 1;
        match state.by_user.get_mut(&self.user_id) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(state.by_user.remove(&self.user_id)),
        }
        match state.topics.get_mut(&self.topic) {
            Some(topic) if topic.watches > 1 => topic.watches -= 1,
            _ => drop(state.topics.remove(&self.topic)),
        }
        shown(state.watches);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a count of watches")]
fn shown(watches: usize) {
    metrics::gauge!("kilonova_event_watches").set(watches as f64);
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last event, when nobody can take it back any more.
    async fn end(&self) -> Result<i64> {
        let last = events::last(self.db.read()).await?;
        self.db.durable().await?;
        Ok(last)
    }

    /// What follows `after`.
    async fn read(&self, scope: &Scope, after: i64, limit: u64) -> Result<Page> {
        let project = scope.project_id.as_deref();
        if let Some(page) = self.latest(project, after, limit) {
            return Ok(page);
        }
        match events::after(self.db.read(), after, project, limit).await? {
            Found::Outside(bounds) => Err(outside(after, bounds)),
            Found::Events { events, upto } => {
                // A power cut must not take back what somebody was told, and give its number to something else.
                self.db.durable().await?;
                let events = events.into_iter().map(Arc::new).collect();
                Ok(Page { events, upto })
            }
        }
    }

    /// The same from memory; none when it is not there.
    fn latest(&self, project: Option<&str>, after: i64, limit: u64) -> Option<Page> {
        let state = self.state();
        let latest = state.latest.as_ref()?;
        if after > latest.upto {
            return None;
        }
        let topic = state.topics.get(&project.map(str::to_owned));
        let quiet_from = topic.and_then(|topic| topic.quiet_from);
        if quiet_from.is_some_and(|from| after >= from) {
            return Some(Page {
                events: Vec::new(),
                upto: latest.upto,
            });
        }
        if after < latest.from {
            return None;
        }
        let skip = latest.events.partition_point(|event| event.number <= after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let seen = |event: &&Arc<ServerEvent>| project.is_none_or(|one| event.project_id == one);
        let events = latest.events.iter().skip(skip).filter(seen);
        let events: Vec<_> = events.take(limit).cloned().collect();
        let upto = match events.last() {
            Some(last) if events.len() == limit => last.number,
            _ => latest.upto,
        };
        Some(Page { events, upto })
    }

    /// Looks for new events as long as somebody watches.
    async fn look(&self) {
        let mut closed = self.closed.subscribe();
        loop {
            let ended = *closed.borrow_and_update();
            if self.rests(ended) {
                return;
            }
            let wait = match self.look_once().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "watches hear of no new events; tried again");
                    RETRY
                }
            };
            tokio::select! {
                () = time::sleep(wait) => {}
                told = closed.changed() => if told.is_err() {
                    return;
                },
            }
        }
    }

    /// Whether looking ends, as nobody watches or the process ends; what was kept is forgotten then.
    fn rests(&self, ended: bool) -> bool {
        let mut state = self.state();
        let rests = ended || state.watches == 0;
        if rests {
            state.looking = false;
            state.latest = None;
        }
        rests
    }

    /// Has events numbered, keeps what is new, and tells whom it concerns. Whether there may be more at once.
    async fn look_once(&self) -> std::result::Result<bool, DbError> {
        events::publish(&self.db).await?;
        let last = events::last(self.db.read()).await?;
        let known = self.state().latest.as_ref().map(|latest| latest.upto);
        let Some(known) = known else {
            self.begin(last);
            return Ok(false);
        };
        if last == known {
            return Ok(false);
        }
        match events::after(self.db.read(), known, None, SLICE).await? {
            Found::Outside(_) => {
                // The database is an older one, or this process slept through a purge: watches find out themselves.
                self.begin(last);
                Ok(false)
            }
            Found::Events { events, upto } => {
                self.db.durable().await?;
                let more = upto < last;
                self.keep(events, upto);
                Ok(more)
            }
        }
    }

    /// Keeps events from number `upto` on. Whoever looked before that looks again.
    fn begin(&self, upto: i64) {
        let mut state = self.state();
        state.latest = Some(Latest {
            events: VecDeque::new(),
            from: upto,
            upto,
        });
        for topic in state.topics.values_mut() {
            topic.quiet_from = Some(upto);
            topic.news.send_replace(());
        }
    }

    fn keep(&self, events: Vec<ServerEvent>, upto: i64) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(latest) = &mut state.latest else {
            return;
        };
        // The newest event of each topic that has one.
        let mut newest: BTreeMap<Option<&str>, i64> = BTreeMap::new();
        for event in &events {
            newest.insert(Some(event.project_id.as_str()), event.number);
            newest.insert(None, event.number);
        }
        for (project, number) in newest {
            if let Some(topic) = state.topics.get_mut(&project.map(str::to_owned)) {
                topic.quiet_from = Some(number);
                topic.news.send_replace(());
            }
        }
        latest.events.extend(events.into_iter().map(Arc::new));
        latest.upto = upto;
        let over = latest.events.len().saturating_sub(KEPT);
        if let Some(forgotten) = latest.events.drain(..over).next_back() {
            latest.from = forgotten.number;
        }
    }
}
