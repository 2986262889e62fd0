//! A role's table of handlers, and how one request runs through it.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::RawValue;

use crate::envelope::{self, Answer, Incoming};
use crate::failure::{self, Failure};
use crate::{Context, Message};

/// A role: its state and the messages that it understands.
///
/// ```
/// # use std::sync::Arc;
/// # use bus::{Context, Failure, Message, Service};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Add(i64, i64);
/// impl Message for Add {
///     const NAME: &'static str = "add";
///     type Reply = i64;
/// }
/// async fn add(_state: Arc<()>, _context: Context, message: Add) -> Result<i64, Failure> {
///     Ok(message.0 + message.1)
/// }
/// let service = Service::new(()).on(add);
/// ```
pub struct Service<S> {
    state: Arc<S>,
    table: Table,
}

impl<S: Send + Sync + 'static> Service<S> {
    /// A role without messages yet. An `Arc<S>` is taken as it is.
    pub fn new(state: impl Into<Arc<S>>) -> Service<S> {
        Service {
            state: state.into(),
            table: Table::default(),
        }
    }

    /// Adds the handler of one message; name and types come from its third argument.
    ///
    /// Panics when the table has a handler of that name already: a table is written by hand once.
    #[must_use]
    pub fn on<M, H, F>(mut self, handler: H) -> Service<S>
    where
        M: Message,
        H: Fn(Arc<S>, Context, M) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Failure>> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        let run = move |context: Context, body: &RawValue| {
            let message: M =
                serde_json::from_str(body.get()).map_err(|error| malformed(M::NAME, &error))?;
            let future = handler(Arc::clone(&state), context, message);
            let answer = async move {
                let reply = future.await?;
                serde_json::to_vec(&Answer::Ok(reply)).map_err(|error| {
                    Failure::new(
                        failure::MALFORMED,
                        format!("answer of {}: {error}", M::NAME),
                    )
                })
            };
            Ok(answer.boxed())
        };
        let entry = Entry {
            run: Box::new(run),
            idempotent: M::IDEMPOTENT,
        };
        assert!(
            self.table.entries.insert(M::NAME, entry).is_none(),
            "two handlers for the message {}",
            M::NAME
        );
        self
    }

    /// The names of the messages that this role understands, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.table.entries.keys().copied().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn into_table(self) -> Table {
        self.table
    }
}

type Run = dyn Fn(Context, &RawValue) -> Result<BoxFuture<'static, Result<Vec<u8>, Failure>>, Failure>
    + Send
    + Sync;

struct Entry {
    run: Box<Run>,
    idempotent: bool,
}

/// The handlers of a role, without the types.
#[derive(Default)]
pub struct Table {
    entries: HashMap<&'static str, Entry>,
}

/// Whether somebody waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Call,
    Cast,
}

impl Table {
    /// Runs one request to its end and gives the bytes of the answer. Never panics.
    pub async fn handle(&self, kind: Kind, request: &[u8]) -> Vec<u8> {
        let incoming: Incoming<'_> = match serde_json::from_slice(request) {
            Ok(incoming) => incoming,
            Err(error) => return report(kind, "", malformed("request", &error)),
        };
        let Some(entry) = self.entries.get(incoming.name.as_ref()) else {
            let message = format!(
                "this service has no handler for the message {:?}",
                incoming.name
            );
            return report(
                kind,
                &incoming.name,
                Failure::new(failure::UNKNOWN_MESSAGE, message),
            );
        };
        let asked = incoming.context.asked();
        let span = tracing::info_span!(
            "message",
            method = %incoming.name,
            request_id = asked.local,
            global_id = asked.shown_global(),
        );
        let name = incoming.name;
        let context = incoming.context;
        let body = incoming.body;
        let run = async move { (entry.run)(context, body)?.await };
        let run = AssertUnwindSafe(run).catch_unwind();
        match telemetry::request::follow(asked, span, run).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => report(kind, &name, failure),
            Err(panic) => {
                let message = format!(
                    "the handler of {name} panicked: {}",
                    panic_text(panic.as_ref())
                );
                tracing::error!("{message}");
                report(kind, &name, Failure::new(failure::PANIC, message))
            }
        }
    }

    /// Whether a message of this name may be run again after a lost answer.
    pub fn is_idempotent(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.idempotent)
    }
}

/// A failed cast has nobody to tell: it goes to the log.
fn report(kind: Kind, name: &str, failure: Failure) -> Vec<u8> {
    match kind {
        Kind::Cast => tracing::warn!(
            message = name,
            code = failure.code,
            "cast failed: {}",
            failure.message
        ),
        Kind::Call => tracing::debug!(
            message = name,
            code = failure.code,
            "call refused: {}",
            failure.message
        ),
    }
    envelope::failure(failure)
}

fn malformed(what: &str, error: &serde_json::Error) -> Failure {
    Failure::new(
        failure::MALFORMED,
        format!("{what} cannot be read: {error}"),
    )
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
