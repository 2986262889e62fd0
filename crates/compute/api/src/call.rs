//! What a handler is given, and what it gives back.

use compute_control::Context;

pub use rest::Answer;

/// One request that found its row.
pub type Call = rest::Call<Context>;
