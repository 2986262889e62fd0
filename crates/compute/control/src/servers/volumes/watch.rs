//! A request that waits for a part of what it began.

use std::time::Duration;

use tokio::time::Instant;
use workflow::{Record, WorkflowId};

use crate::{Control, Result};

/// How long a request waits.
const WAIT: Duration = Duration::from_secs(60);

/// The shortest and the longest pause between looks.
const SOON: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_millis(100);

/// Looks at a workflow.
pub(super) struct Watch<'c> {
    control: &'c Control,
    begun: WorkflowId,
    deadline: Instant,
    pause: Duration,
}

impl<'c> Watch<'c> {
    pub fn new(control: &'c Control, begun: WorkflowId) -> Self {
        Watch {
            control,
            begun,
            deadline: Instant::now() + WAIT,
            pause: SOON,
        }
    }

    /// The workflow after a pause; none when the time is over, or when the journal does not have it any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn look(&mut self) -> Result<Option<Record>> {
        if Instant::now() >= self.deadline {
            return Ok(None);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LATER);
        Ok(workflow::get(self.control.db.read(), self.begun).await?)
    }
}
