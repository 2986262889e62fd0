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
use crate::meddle::Crash;
use crate::step::{Next, StepError, Workflow};

/// The longest wait between attempts at an undo, unless it asks for more: soon enough once a service
/// is back, seldom enough for one that stays away.
const MOST_BACKOFF: Duration = Duration::from_secs(60);

impl<W: Workflow> Course<'_, W> {
    /// Writes down how the step ended and moves the cursor; `None` to go on.
    pub async fn conclude(
        &mut self,
        started: DateTime<Utc>,
        result: Result<Next, StepError>,
    ) -> Result<Option<Ended>, SqlError> {
        measure(W::KIND, self.table.name(self.cursor), started);
        match self.cursor {
            Cursor::Run(at) => self.conclude_run(at, started, result).await,
            Cursor::Undo { at, until } => match result {
                Ok(_) => {
                    self.remember(started, Outcome::Undone, None);
                    self.go_to(cursor::after_undo(at, until)).await
                }
                Err(error) => self.conclude_failed_undo(started, error).await,
            },
            Cursor::Ending => match result {
                Ok(_) => {
                    self.remember(started, Outcome::Done, None);
                    self.finish(Status::Undone).await
                }
                Err(error) => self.conclude_failed_undo(started, error).await,
            },
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
                match cursor::after_run(at, self.table.steps.len()) {
                    None => self.finish(Status::Done).await,
                    Some(next) if self.table.steps[at].pure => {
                        self.attempts = 0;
                        self.cursor = next;
                        Ok(None)
                    }
                    Some(next) => self.go_to(next).await,
                }
            }
            Ok(Next::Back { to, why }) => match self.table.index(to).filter(|to| *to <= at) {
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
        tracing::info!(step = self.table.name(self.cursor), %why, "step failed; undoing");
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

    async fn conclude_failed_undo(
        &mut self,
        started: DateTime<Utc>,
        error: StepError,
    ) -> Result<Option<Ended>, SqlError> {
        let (after, why, fatal) = match error {
            StepError::Retry { after, why } => (after, json!(why), false),
            StepError::Fail(why) => (Duration::from_secs(1), why, false),
            StepError::Fatal(why) => (Duration::ZERO, json!(why), true),
        };
        let after = backoff(after, self.attempts);
        let name = self.table.name(self.cursor);
        self.attempts = self.attempts.saturating_add(1);
        tracing::warn!(step = name, %why, attempts = self.attempts, "undo failed");
        let stuck = fatal || self.attempts >= self.table.attempts(self.cursor);
        // The 1st, 2nd, 4th, 8th, … attempt: it may go on for days.
        if stuck || self.attempts.is_power_of_two() {
            self.remember(started, Outcome::UndoFailed, Some(why.clone()));
        }
        if stuck {
            return self
                .get_stuck(&format!("undo of {name} failed: {why}"))
                .await;
        }
        self.pause(after).await.map(Some)
    }

    /// Notes an attempt for the history; the next save writes it.
    fn remember(&mut self, started: DateTime<Utc>, outcome: Outcome, error: Option<Value>) {
        self.unsaved.push(step::ActiveModel {
            workflow_id: Set(self.id.to_string()),
            seq: Set(self.seq),
            name: Set(self.table.name(self.cursor).to_owned()),
            outcome: Set(outcome),
            started_at: Set(sql::micros(started)),
            ended_at: Set(sql::micros(Utc::now())),
            error: Set(error.map(|error| error.to_string())),
        });
        self.seq += 1;
    }

    /// Moves to `next` and saves that.
    async fn go_to(&mut self, next: Cursor) -> Result<Option<Ended>, SqlError> {
        let was = self.cursor;
        self.cursor = self.table.skip(next);
        self.attempts = 0;
        match self.save(Status::Running, None).await? {
            Saved::Yes => Ok(None),
            Saved::Lost => Ok(Some(self.lost())),
            Saved::Cancelled => {
                // Turn round from the step that just ended, which is what has to be undone first.
                if matches!(next, Cursor::Run(_)) {
                    self.cursor = was;
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
            Saved::Lost => return Ok(Some(self.lost())),
            Saved::Cancelled => return self.save_turned_round().await,
            Saved::Yes => {}
        }
        let ending = if status == Status::Done {
            "done"
        } else {
            "undone"
        };
        metrics::counter!("kilonova_workflow_ended_total", "kind" => W::KIND, "ending" => ending)
            .increment(1);
        // Whoever asked to cancel usually waits for the end in a workflow of the same subject.
        let undone = status == Status::Undone;
        let wake = if undone && self.lease.is_cancelled().await? {
            journal::others(&self.inner.db, &self.subject, self.id).await?
        } else {
            Vec::new()
        };
        Ok(Some(Ended::Finished { wake }))
    }

    async fn get_stuck(&mut self, why: &str) -> Result<Option<Ended>, SqlError> {
        report_stuck(W::KIND, why);
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
        let crash = self.inner.meddler.crash();
        if crash == Some(Crash::Before) {
            return Ok(Saved::Lost);
        }
        let state = match serde_json::to_string(&self.state) {
            Ok(state) => state,
            Err(error) => {
                report_stuck(W::KIND, &error.to_string());
                return Ok(Saved::Lost);
            }
        };
        let (direction, position, back_to) = match self.cursor {
            Cursor::Run(at) => (Direction::Forward, self.table.steps[at].name, None),
            Cursor::Undo { at, until } => (
                Direction::Undo,
                self.table.steps[at].name,
                until.map(|until| self.table.steps[until].name.to_owned()),
            ),
            Cursor::Ending => (Direction::Undo, "", None),
        };
        let save = Save {
            state,
            direction,
            position: position.to_owned(),
            back_to,
            status,
            attempts: self.attempts,
            error: self.why.clone(),
            seq: self.seq,
            steps: std::mem::take(&mut self.unsaved),
            release,
            unless_cancelled: W::CANCELLABLE && !self.gives_up() && status != Status::Stuck,
        };
        let saved = self.lease.save(&save).await?;
        if saved == Saved::Cancelled {
            self.unsaved = save.steps;
        }
        Ok(if crash == Some(Crash::After) {
            Saved::Lost
        } else {
            saved
        })
    }
}

/// The wait before the next attempt at an undo of which `attempts` failed before: what refuses now is
/// asked less and less often.
fn backoff(after: Duration, attempts: u32) -> Duration {
    let doubled = after
        .max(Duration::from_millis(1))
        .saturating_mul(1 << attempts.min(16));
    doubled.min(MOST_BACKOFF).max(after)
}

fn measure(kind: &'static str, step: &'static str, started: DateTime<Utc>) {
    let took = (Utc::now() - started).to_std().unwrap_or_default();
    metrics::histogram!("kilonova_workflow_step_seconds", "kind" => kind, "step" => step)
        .record(took);
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
