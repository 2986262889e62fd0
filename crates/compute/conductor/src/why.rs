//! Why an operation ends badly: a kind, of which its owner is told one sentence, and the words for operators.
//!
//! Failure documents in the journal have this form; see [`Why::of`] for the others that the runner makes.

use compute_model::fault::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::StepError;

/// A reason as steps hand it to the ending of their workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    #[serde(default)]
    pub kind: Kind,
    /// For operators: the whole chain, with hosts and files.
    #[serde(rename = "message")]
    pub text: String,
}

/// What is told of a failure: to the owner, and to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureText {
    pub message: String,
    pub details: String,
}

impl Why {
    /// A reason with words for operators.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        let text = text.into();
        Why { kind, text }
    }

    /// A reason of which there is no more to say.
    pub fn plain(kind: Kind) -> Self {
        Why::new(kind, kind.sentence())
    }

    /// The reason in a failure document: of ours, or of the runner for a step that was tried too
    /// often, took too long or panicked.
    pub fn of(document: &Value) -> Self {
        if let Ok(why) = Why::deserialize(document) {
            return why;
        }
        let kind = match document.get("timeout") {
            Some(_) => Kind::TimedOut,
            None => Kind::Internal,
        };
        let text = document.as_str().map(str::to_owned);
        Why::new(kind, text.unwrap_or_else(|| document.to_string()))
    }
}

impl From<Why> for StepError {
    fn from(why: Why) -> Self {
        StepError::Fail(serde_json::json!(why))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_survives_the_journal() {
        let why = Why::new(Kind::DiskFull, "node-1: cannot write disk: no space left");
        let StepError::Fail(document) = StepError::from(why.clone()) else {
            panic!("a failure");
        };
        assert_eq!(Why::of(&document), why);
    }

    #[test]
    fn what_the_runner_says_is_for_operators_only() {
        for (document, kind) in [
            (json!("compute@node-1: no answer"), Kind::Internal),
            (json!({"panic": "at /src/x.rs"}), Kind::Internal),
            (json!({"timeout": 3.0}), Kind::TimedOut),
            (json!({"message": "of an older release"}), Kind::Internal),
        ] {
            let why = Why::of(&document);
            assert_eq!(why.kind, kind, "{document}");
            assert!(!why.text.is_empty());
        }
    }
}
