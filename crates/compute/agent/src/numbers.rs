//! Numbers of rows and messages as drivers count them, and back.

use compute_model::PowerState;

/// The driver's power state in the model's words; both have Nova's numbers.
pub fn power(state: hypervisor::PowerState) -> PowerState {
    PowerState::try_from(state.number()).unwrap_or_default()
}

/// Epochs are counted up from one; a negative one never existed.
pub fn epoch(epoch: i64) -> u64 {
    u64::try_from(epoch).unwrap_or_default()
}
