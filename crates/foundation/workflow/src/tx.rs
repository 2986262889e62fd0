//! A step's transactions. They commit only while the workflow is its runner's.
//!
//! The check is one statement on the workflow's row, the last before the commit: it finds the row only while it is the
//! runner's. It locks the row, so nobody takes the workflow over between check and commit; and it comes last, so that a
//! step locks its servers before the workflow, in the same order as use cases that claim a server and write its journal.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use serde::Serialize;
use sql::SqlError;
use sql::sea_orm::{DatabaseTransaction, DbErr};

use crate::context::StepContext;
use crate::lease::Saved;
use crate::meddle::{InTransaction, Point};
use crate::signal::{self, Signal};
use crate::step::Next;

/// A transaction of a step, to be used as a database transaction is. Dropped, it is rolled back.
#[must_use]
pub struct StepTx<'a> {
    cx: &'a StepContext,
    tx: DatabaseTransaction,
    /// A test that stops the runner must not stop it here: what it holds would stop everybody.
    _inside: InTransaction,
}

impl<'a> StepTx<'a> {
    pub(crate) async fn begin(cx: &'a StepContext) -> Result<Self, SqlError> {
        cx.meddler.point(Point::Outside).await;
        let inside = cx.meddler.enter();
        let tx = cx.lease.db().begin().await?;
        Ok(StepTx {
            cx,
            tx,
            _inside: inside,
        })
    }

    /// Commits, if the workflow is still this runner's.
    ///
    /// # Errors
    /// [`SqlError::Overtaken`] when it is not: nothing is written, and the runner lets the step go.
    pub async fn commit(self) -> Result<(), SqlError> {
        let Some(written) = self.cx.lease.fence(&self.tx).await? else {
            self.tx.rollback().await?;
            self.cx.marks.lost.cancel();
            return Err(SqlError::Overtaken);
        };
        self.cx.meddler.point(Point::Inside).await;
        self.tx.commit().await?;
        self.cx.lease.committed(written);
        drop(self._inside);
        self.cx.meddler.point(Point::Outside).await;
        Ok(())
    }

    /// Commits as the last thing that the step does, and saves in the same transaction that it went well: the
    /// state, and that the next step is next. The step returns what this gives.
    ///
    /// # Errors
    /// [`SqlError::Overtaken`] when the workflow is not this runner's any more, or was asked to turn round:
    /// nothing is written.
    pub async fn finish<S: Serialize>(self, state: &S) -> Result<Next, SqlError> {
        let json = serde_json::to_string(state).map_err(|error| DbErr::Json(error.to_string()))?;
        self.finish_with(json).await
    }

    /// The same with the state as it is saved, as JSON.
    ///
    /// # Errors
    /// As of [`finish`](StepTx::finish).
    pub async fn finish_with(self, state: String) -> Result<Next, SqlError> {
        let Some(save) = &self.cx.ending else {
            return self.commit().await.map(|()| Next::Go);
        };
        let save = save.ending(state, self.cx.meddler.now());
        let Some(written) = self.cx.lease.write(&self.tx, &save).await? else {
            self.tx.rollback().await?;
            drop(self._inside);
            // As after a save of the runner's: it turns round.
            match self.cx.lease.refusal(&save).await? {
                Saved::Cancelled => self.cx.cancelled.cancel(),
                Saved::Yes | Saved::Lost => self.cx.marks.lost.cancel(),
            }
            return Err(SqlError::Overtaken);
        };
        self.cx.meddler.point(Point::Inside).await;
        self.tx.commit().await?;
        drop(self._inside);
        self.cx.lease.committed(written);
        self.cx.marks.saved.store(true, Ordering::SeqCst);
        self.cx.meddler.point(Point::Outside).await;
        Ok(Next::Go)
    }

    /// Takes a signal that [was seen](StepContext::signal): with the commit it is gone. False when another
    /// transaction took it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn take(&self, signal: &Signal) -> Result<bool, SqlError> {
        signal::remove(&self.tx, signal).await
    }
}

impl Deref for StepTx<'_> {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.tx
    }
}
