//! Whose work it is: the ids of the request that a task works for.
//!
//! They stand on each line that the task logs, and go along to the services that it asks, so that one request can be
//! followed through all roles and companions.

use tokio::task::futures::TaskLocalFuture;
use tracing::Instrument;
use tracing::instrument::Instrumented;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The ids of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId {
    /// Made by the service that was asked, unique: `req-<uuid>`.
    pub local: String,
    /// What the caller sent, when it has the form of an id.
    pub global: Option<String>,
}

impl RequestId {
    /// The id that other services are sent as their global one, as Nova's `context.global_id`.
    pub fn passed_on(&self) -> &str {
        self.global.as_deref().unwrap_or(&self.local)
    }

    /// The global id for a log line; `-` without one.
    pub fn shown_global(&self) -> &str {
        self.global.as_deref().unwrap_or("-")
    }
}

/// Carries `work` out for this request, in `span`, which should show its ids. What the work spawns is on its own.
pub fn follow<F: Future>(
    id: RequestId,
    span: tracing::Span,
    work: F,
) -> Instrumented<TaskLocalFuture<RequestId, F>> {
    CURRENT.scope(id, work).instrument(span)
}

/// The request that the present task works for, if it is for one.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_knows_its_request_and_passes_on_the_global_id_or_its_own() {
        assert_eq!(current(), None);
        let mut id = RequestId {
            local: "req-1".to_owned(),
            global: None,
        };
        let passed = async || current().expect("a request").passed_on().to_owned();
        let span = tracing::Span::none;
        assert_eq!(follow(id.clone(), span(), passed()).await, "req-1");
        id.global = Some("req-2".to_owned());
        assert_eq!(follow(id.clone(), span(), passed()).await, "req-2");
        assert_eq!((current(), id.shown_global()), (None, "req-2"));
    }
}
