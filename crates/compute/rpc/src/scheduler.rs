//! What the scheduler is asked.

use bus::{Address, Message};
use compute_model::request::{Choice, Explanation, PlacementRequest};
use serde::{Deserialize, Serialize};

/// Where schedulers listen; any of them may answer.
pub fn address() -> Address {
    Address::topic("scheduler")
}

/// Choose a host. Nothing is claimed: whoever asks claims in its own transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SelectHost {
    pub request: PlacementRequest,
    /// How many more hosts to name for the case that the first fails.
    pub alternates: usize,
}

/// The answer: hosts from best to worst, none when nothing fits, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Selection {
    /// At most one more than the alternates asked for.
    pub choices: Vec<Choice>,
    pub explanation: Explanation,
}

impl Message for SelectHost {
    const NAME: &'static str = "select_host";
    const IDEMPOTENT: bool = true;
    type Reply = Selection;
}
