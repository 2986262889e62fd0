//! What is said of a build that failed.

use compute_model::fault::Kind;
use compute_rpc::workflows::Build as State;

use crate::why::{FailureText, Why};

/// What is told of a build that failed, in Nova's words where it has some.
pub fn explain(state: &State, why: &Why) -> FailureText {
    let id = &state.server_id;
    let message = match why.kind {
        Kind::NoHost => state.explanation.told_to_owner(),
        Kind::Exhausted => format!(
            "Exceeded maximum number of retries. Exhausted all hosts available for retrying build \
             failures for instance {id}. {}",
            state
                .failures
                .last()
                .map_or("", |last| last.kind.sentence())
        ),
        kind => format!("Build of instance {id} aborted: {}", kind.sentence()),
    };
    let mut details = vec![why.text.clone()];
    let tried = state.failures.iter();
    details.extend(tried.map(|tried| format!("{}: {}", tried.host, tried.text)));
    if !state.tried.is_empty() {
        details.push(format!("First placed: {}", state.explanation.sentence()));
    }
    FailureText {
        message: message.trim_end().to_owned(),
        details: details.join("\n"),
    }
}
