//! What went wrong with a server, as its owner and its operator see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Longest fault message the API shows.
const MESSAGE_LIMIT: usize = 255;

/// A failure kept with a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// HTTP-like code: 500 unless the failure has a code of its own.
    pub code: u16,
    /// For the owner: no host names, no paths.
    pub message: String,
    /// For administrators.
    pub details: Option<String>,
    pub created: DateTime<Utc>,
}

impl Fault {
    /// A fault with code 500; the message is cut to what the API shows.
    pub fn new(message: &str, details: Option<String>, created: DateTime<Utc>) -> Self {
        let message = message.chars().take(MESSAGE_LIMIT).collect();
        Fault {
            code: 500,
            message,
            details,
            created,
        }
    }
}
