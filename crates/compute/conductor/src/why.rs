//! Why an operation ends badly: a kind, of which its owner is told one sentence, and the words for operators.
//!
//! Failure documents in the journal have this form; see [`Why::of`] for the others that the runner makes.

use compute_model::fault::Kind;
use compute_model::request::Explanation;
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

/// What an owner is told when no host fits: which kinds of refusal there were, without hosts and numbers.
pub fn no_host(explanation: &Explanation) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let refusing = explanation
        .refused
        .iter()
        .filter(|(_, count, _)| *count > 0);
    for reason in refusing.filter_map(|(filter, _, _)| refusal(filter)) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let most = Kind::NoHost.sentence();
    match reasons.is_empty() {
        true => format!("No valid host was found. {most}"),
        false => {
            let most = most.trim_end_matches('.');
            format!("No valid host was found. {most}: {}.", reasons.join(", "))
        }
    }
}

/// A filter's refusal in an owner's words, by the filter's name in explanations.
fn refusal(filter: &str) -> Option<&'static str> {
    Some(match filter {
        "requested host" => "not the one that was asked for",
        "resources" => "too little room",
        "availability zone" => "outside of the availability zone",
        "ComputeFilter" => "out of service",
        "IoOpsFilter"
        | "AggregateIoOpsFilter"
        | "NumInstancesFilter"
        | "AggregateNumInstancesFilter" => "too busy",
        "traits"
        | "ComputeCapabilitiesFilter"
        | "ImagePropertiesFilter"
        | "AggregateInstanceExtraSpecsFilter"
        | "AggregateTypeAffinityFilter"
        | "IsolatedHostsFilter" => "not for such a flavor or image",
        "server group" | "ServerGroupAffinityFilter" | "ServerGroupAntiAffinityFilter" => {
            "against the policy of the server group"
        }
        "DifferentHostFilter" | "SameHostFilter" | "SimpleCIDRAffinityFilter" | "JsonFilter" => {
            "against a scheduler hint"
        }
        _ => return None,
    })
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

    #[test]
    fn owners_hear_kinds_of_refusals_without_numbers_and_examples() {
        let refused = |filter: &str, count| (filter.to_owned(), count, "512 of 96 MiB".to_owned());
        let explanation = Explanation {
            hosts: 7,
            refused: vec![
                refused("resources", 4),
                refused("traits", 0),
                refused("ComputeFilter", 2),
                refused("of a later release", 1),
            ],
            left: 0,
        };
        assert_eq!(
            no_host(&explanation),
            "No valid host was found. There are not enough hosts available: too little room, out of service."
        );
        assert_eq!(
            no_host(&Explanation::default()),
            "No valid host was found. There are not enough hosts available."
        );
    }
}
