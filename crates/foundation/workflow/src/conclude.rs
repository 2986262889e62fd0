//! What an attempt at a step means for the workflow: the history, the next position, the save.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde_json::{Value, json};
use sql::SqlError;
use sql::sea_orm::ActiveValue::Set;

use crate::course::Course;
use crate::cursor::{self, Cursor};
use crate::drive::{Ended, report_stuck};
use crate::entity::{Direction, Outcome, Status, step};
use crate::journal;
use crate::lease::{Save, Saved};
use crate::step::{Next, StepError};

/// The longest wait between attempts at an undo, unless it asks for more: soon enough once a service
/// is back, seldom enough for one that stays away.
const MOST_BACKOFF: Duration = Duration::from_secs(60);

impl Course<'_> {
    /// Writes down how the step ended and moves the cursor; `None` to go on.
    pub async fn conclude(
        &mut self,
        started: DateTime<Utc>,
        result: Result<Next, StepError>,
    ) -> Result<Option<Ended>, SqlError> {
        self.measure(started);
        match (self.cursor, result) {
            (Cursor::Run(at), result) => self.conclude_run(at, started, result).await,
            (_, Err(error)) => self.try_again(started, error, Outcome::UndoFailed).await,
            (_, Ok(_)) => {
                let good = self.good();
                self.remember(started, good.outcome, None);
                self.follow(good.then).await
            }
        }
    }

    fn measure(&self, started: DateTime<Utc>) {
        let step = self.table.name(self.cursor);
        let took = self.inner.meddler.now() - started;
        metrics::histogram!("kilonova_workflow_step_seconds", "kind" => self.table.kind, "step" => step)
            .record(took.to_std().unwrap_or_default());
    }

    /// What follows when what is under the cursor goes well.
    fn good(&self) -> Good {
        let (outcome, then) = match self.cursor {
            Cursor::Run(at) => {
                let then = match cursor::after_run(at, self.table.steps.len()) {
                    None => Then::End(Status::Done),
                    Some(next) => Then::Go(next),
                };
                (Outcome::Done, then)
            }
            Cursor::Undo { at, until } => {
                let next = self.table.skip(cursor::after_undo(at, until));
                (Outcome::Undone, Then::Go(next))
            }
            Cursor::Ending => (Outcome::Done, Then::End(Status::Undone)),
        };
        Good { outcome, then }
    }

    async fn follow(&mut self, then: Then) -> Result<Option<Ended>, SqlError> {
        match then {
            Then::End(status) => self.finish(status).await,
            Then::Go(next) => self.go_to(next).await,
        }
    }

    /// The save that ends the step under the cursor if it goes well, but for the state.
    pub fn good_ending(&self, started: DateTime<Utc>) -> Option<Save> {
        let good = self.good();
        let (cursor, status) = match good.then {
            Then::End(status) => (self.cursor, status),
            Then::Go(next) => (next, Status::Running),
        };
        let name = self.table.name(self.cursor);
        if !self.inner.meddler.joins(name) {
            return None;
        }
        let mut save = self.save_of(String::new(), cursor, status, None);
        save.attempts = 0;
        save.forward_from = self.forward_at(cursor);
        if matches!(self.cursor, Cursor::Run(_)) {
            save.error = None;
        }
        save.seq += 1;
        save.steps.clone_from(&self.unsaved);
        save.steps.push(self.history(started, good.outcome, None));
        Some(save)
    }

    /// Goes on after a step whose own transaction saved its end.
    pub async fn adopt_saved(&mut self, started: DateTime<Utc>) -> Result<Option<Ended>, SqlError> {
        self.measure(started);
        self.seq += 1;
        self.unsaved.clear();
        self.attempts = 0;
        if matches!(self.cursor, Cursor::Run(_)) {
            self.why = None;
        }
        match self.good().then {
            Then::End(status) => self.ended(status).await.map(Some),
            Then::Go(next) => {
                self.forward_from = self.forward_at(next);
                self.cursor = next;
                Ok(None)
            }
        }
    }

    /// The step from which there is no way back once the cursor is at `next`.
    fn forward_at(&self, next: Cursor) -> Option<String> {
        match (&self.forward_from, next) {
            (None, Cursor::Run(at)) if self.table.steps[at].no_return => {
                Some(self.table.steps[at].name.to_owned())
            }
            (known, _) => known.clone(),
        }
    }

    async fn conclude_run(
        &mut self,
        at: usize,
        started: DateTime<Utc>,
        result: Result<Next, StepError>,
    ) -> Result<Option<Ended>, SqlError> {
        match result {
            Ok(Next::Go) => {
                self.remember(started, Outcome::Done, None);
                self.why = None;
                let then = self.good().then;
                self.follow(then).await
            }
            Ok(Next::Back { to, why }) => match self.way_back(to).filter(|to| *to <= at) {
                Some(to) => {
                    self.remember(started, Outcome::Back, Some(why.clone()));
                    self.why = Some(why);
                    self.go_to(Cursor::Undo {
                        at,
                        until: Some(to),
                    })
                    .await
                }
                None => {
                    self.get_stuck(&format!("no step '{to}' to go back to"))
                        .await
                }
            },
            Err(error) if self.only_forward() => {
                self.try_again(started, error, Outcome::Failed).await
            }
            // A step that may be tried without end is not ended by one attempt that hung.
            Err(StepError::Fail(why))
                if why.get("timeout").is_some() && self.table.steps[at].attempts == u32::MAX =>
            {
                let waited = StepError::retry(Duration::from_secs(1), why);
                self.try_again(started, waited, Outcome::Failed).await
            }
            Err(StepError::Retry { after, why })
                if self.attempts + 1 < self.table.attempts(self.cursor) =>
            {
                tracing::debug!(
                    step = self.table.name(self.cursor),
                    why,
                    "step will be tried again"
                );
                // The 1st, 2nd, 4th, 8th, … attempt: a step may wait for hours in this way.
                if (self.attempts + 1).is_power_of_two() {
                    self.remember(started, Outcome::Retry, Some(json!(why)));
                }
                self.why = Some(json!(why));
                self.attempts += 1;
                self.pause(after).await.map(Some)
            }
            Err(StepError::Fatal(why)) => {
                self.remember(started, Outcome::Failed, Some(json!(why)));
                self.get_stuck(&why).await
            }
            Err(StepError::Retry { why, .. }) => self.give_up(at, started, json!(why)).await,
            Err(StepError::Fail(why)) => self.give_up(at, started, why).await,
        }
    }

    async fn give_up(
        &mut self,
        at: usize,
        started: DateTime<Utc>,
        why: Value,
    ) -> Result<Option<Ended>, SqlError> {
        let step = self.table.name(self.cursor);
        match self.cancelled.is_cancelled() {
            true => tracing::info!(step, %why, "cancelled; undoing"),
            false => tracing::warn!(step, %why, "step failed; undoing"),
        }
        self.remember(started, Outcome::Failed, Some(why.clone()));
        // A step that gave up because it was cancelled may say so in any words.
        let cancelled = self.cancelled.is_cancelled();
        self.why = Some(if cancelled {
            json!({ "cancelled": true })
        } else {
            why
        });
        self.go_to(Cursor::Undo { at, until: None }).await
    }

    /// The place of a step to go back to, if that leads not past the point of no return.
    fn way_back(&self, to: &str) -> Option<usize> {
        let to = self.table.index(to)?;
        let first = match &self.forward_from {
            Some(step) => self.table.index(step)? + 1,
            None => 0,
        };
        (to >= first).then_some(to)
    }

    /// Nobody else takes an undo back, or a step forward from which there is no way back: tried without end,
    /// more and more seldom, unless its table sets a limit.
    async fn try_again(
        &mut self,
        started: DateTime<Utc>,
        error: StepError,
        outcome: Outcome,
    ) -> Result<Option<Ended>, SqlError> {
        let undoing = !matches!(self.cursor, Cursor::Run(_));
        let (after, why, fatal, asked) = match error {
            StepError::Retry { after, why } => (after, json!(why), false, true),
            StepError::Fail(why) => (Duration::from_secs(1), why, false, false),
            StepError::Fatal(why) => (Duration::ZERO, json!(why), true, false),
        };
        // A step that waits asks again as often as it says.
        let after = match asked && !undoing {
            true => after,
            false => backoff(after, self.attempts),
        };
        let name = self.table.name(self.cursor);
        self.attempts = self.attempts.saturating_add(1);
        if undoing || !asked {
            tracing::warn!(step = name, %why, attempts = self.attempts, undoing, "tried again later");
        }
        let stuck = fatal || (undoing && self.attempts >= self.table.attempts(self.cursor));
        // The 1st, 2nd, 4th, 8th, … attempt: it may go on for days.
        if stuck || self.attempts.is_power_of_two() {
            let outcome = if asked && !undoing {
                Outcome::Retry
            } else {
                outcome
            };
            self.remember(started, outcome, Some(why.clone()));
        }
        if stuck {
            let what = if undoing { "undo of " } else { "" };
            return self.get_stuck(&format!("{what}{name} failed: {why}")).await;
        }
        if !undoing {
            self.why = Some(why);
        }
        self.pause(after).await.map(Some)
    }

    /// Notes an attempt for the history; the next save writes it.
    fn remember(&mut self, started: DateTime<Utc>, outcome: Outcome, error: Option<Value>) {
        self.unsaved.push(self.history(started, outcome, error));
        self.seq += 1;
    }

    fn history(
        &self,
        started: DateTime<Utc>,
        outcome: Outcome,
        error: Option<Value>,
    ) -> step::ActiveModel {
        step::ActiveModel {
            workflow_id: Set(self.id.to_string()),
            seq: Set(self.seq),
            name: Set(self.table.name(self.cursor).to_owned()),
            outcome: Set(outcome),
            started_at: Set(sql::micros(started)),
            ended_at: Set(sql::micros(self.inner.meddler.now())),
            error: Set(error.map(|error| error.to_string())),
        }
    }

    /// Moves to `next` and saves that.
    async fn go_to(&mut self, next: Cursor) -> Result<Option<Ended>, SqlError> {
        let was = (self.cursor, self.forward_from.clone());
        let heeds = !self.only_forward();
        self.cursor = self.table.skip(next);
        self.forward_from = self.forward_at(self.cursor);
        self.attempts = 0;
        match self.save_if(Status::Running, None, heeds).await? {
            Saved::Yes => Ok(None),
            Saved::Lost => Ok(Some(self.lost())),
            Saved::Cancelled => {
                self.forward_from = was.1;
                // Turn round from the step that just ended, which is what has to be undone first.
                if matches!(next, Cursor::Run(_)) {
                    self.cursor = was.0;
                }
                self.save_turned_round().await
            }
        }
    }

    async fn save_turned_round(&mut self) -> Result<Option<Ended>, SqlError> {
        self.note_cancel();
        self.turn_round();
        match self.save(Status::Running, None).await? {
            Saved::Yes => Ok(None),
            Saved::Lost | Saved::Cancelled => Ok(Some(self.lost())),
        }
    }

    /// Ends the workflow.
    async fn finish(&mut self, status: Status) -> Result<Option<Ended>, SqlError> {
        match self.save(status, None).await? {
            Saved::Lost => Ok(Some(self.lost())),
            Saved::Cancelled => self.save_turned_round().await,
            Saved::Yes => self.ended(status).await.map(Some),
        }
    }

    /// Counts the end of the workflow, and finds who waits for it.
    async fn ended(&mut self, status: Status) -> Result<Ended, SqlError> {
        let ending = if status == Status::Done {
            "done"
        } else {
            "undone"
        };
        metrics::counter!("kilonova_workflow_ended_total", "kind" => self.table.kind, "ending" => ending)
            .increment(1);
        // Whoever asked to cancel usually waits for the end in a workflow of the same subject.
        let undone = status == Status::Undone;
        let wake = if undone && self.lease.is_cancelled().await? {
            journal::others(&self.inner.db, &self.subject, self.id).await?
        } else {
            Vec::new()
        };
        Ok(Ended::Finished { wake })
    }

    async fn get_stuck(&mut self, why: &str) -> Result<Option<Ended>, SqlError> {
        report_stuck(self.table.kind, why);
        self.why = Some(json!({ "stuck": why, "why": self.why.take() }));
        self.save(Status::Stuck, None).await?;
        Ok(Some(Ended::Finished { wake: Vec::new() }))
    }

    /// Saves and lets go for `after`.
    pub async fn pause(&mut self, after: Duration) -> Result<Ended, SqlError> {
        match self.save(Status::Running, Some(after)).await? {
            Saved::Yes => {
                // What the step waits for may have happened while it gave up waiting.
                if self.nudged.notified().now_or_never().is_some() {
                    self.bell.notify_one();
                }
                Ok(Ended::Later(after))
            }
            // The request came during the attempt that failed: no need to wait for the next one.
            Saved::Cancelled => {
                self.note_cancel();
                self.turn_round();
                match self.save(Status::Running, Some(Duration::ZERO)).await? {
                    Saved::Yes => Ok(Ended::Later(Duration::ZERO)),
                    Saved::Lost | Saved::Cancelled => Ok(self.lost()),
                }
            }
            Saved::Lost => Ok(self.lost()),
        }
    }

    fn lost(&self) -> Ended {
        tracing::warn!(
            epoch = self.lease.epoch(),
            "lease lost; another runner continues"
        );
        Ended::LetGo
    }

    async fn save(&mut self, status: Status, release: Option<Duration>) -> Result<Saved, SqlError> {
        let heeds = !self.only_forward();
        self.save_if(status, release, heeds).await
    }

    /// Saves where the workflow is, unless a request to cancel can be `heeded` and there is one.
    async fn save_if(
        &mut self,
        status: Status,
        release: Option<Duration>,
        heeded: bool,
    ) -> Result<Saved, SqlError> {
        let state = match self.taken.state() {
            Ok(state) => state,
            Err(error) => {
                report_stuck(self.table.kind, &error.to_string());
                return Ok(Saved::Lost);
            }
        };
        let mut save = self.save_of(state, self.cursor, status, release);
        save.steps = std::mem::take(&mut self.unsaved);
        save.unless_cancelled = heeded && heeds_cancel(self.cursor, status);
        let saved = self.lease.save(&save).await?;
        if saved == Saved::Cancelled {
            self.unsaved = save.steps;
        }
        Ok(saved)
    }

    /// The save of a workflow that is at `cursor`, without history.
    fn save_of(
        &self,
        state: String,
        cursor: Cursor,
        status: Status,
        release: Option<Duration>,
    ) -> Save {
        let (direction, position, back_to) = match cursor {
            Cursor::Run(at) => (Direction::Forward, self.table.steps[at].name, None),
            Cursor::Undo { at, until } => (
                Direction::Undo,
                self.table.steps[at].name,
                until.map(|until| self.table.steps[until].name.to_owned()),
            ),
            Cursor::Ending => (Direction::Undo, "", None),
        };
        Save {
            version: self.table.version,
            state,
            direction,
            position: position.to_owned(),
            back_to,
            forward_from: self.forward_from.clone(),
            status,
            attempts: self.attempts,
            error: self.why.clone(),
            seq: self.seq,
            steps: Vec::new(),
            release,
            unless_cancelled: !self.only_forward() && heeds_cancel(cursor, status),
        }
    }
}

/// Whether a request to cancel changes what comes at `cursor`: what is given up is being undone anyway.
fn heeds_cancel(cursor: Cursor, status: Status) -> bool {
    let gives_up = matches!(cursor, Cursor::Undo { until: None, .. } | Cursor::Ending);
    !gives_up && status != Status::Stuck
}

/// What follows when a step goes well.
struct Good {
    outcome: Outcome,
    then: Then,
}

enum Then {
    Go(Cursor),
    End(Status),
}

/// The wait before the next attempt at an undo of which `attempts` failed before: what refuses now is
/// asked less and less often.
fn backoff(after: Duration, attempts: u32) -> Duration {
    let doubled = after
        .max(Duration::from_millis(1))
        .saturating_mul(1 << attempts.min(16));
    doubled.min(MOST_BACKOFF).max(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undo_waits_twice_as_long_each_time_a_minute_at_most() {
        let half = Duration::from_millis(500);
        let waits: Vec<_> = (0..9).map(|n| backoff(half, n).as_millis()).collect();
        let most = 60_000;
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, most, most]
        );
        assert_eq!(backoff(half, u32::MAX), MOST_BACKOFF);
        assert!(backoff(Duration::ZERO, 20) > Duration::from_secs(1));
        let hour = Duration::from_secs(3600);
        assert_eq!(backoff(hour, 3), hour, "as it asked");
    }
}
