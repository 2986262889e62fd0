//! What can go wrong: in a handler ([`Failure`]), on the way ([`CallError`]), at start ([`ConnectError`]).

use serde::{Deserialize, Serialize};

use crate::Address;

/// Code of the failure for a message name that the service has no handler for.
pub const UNKNOWN_MESSAGE: &str = "bus.unknown_message";
/// Code of the failure for bytes that are not the message that their name promises.
pub const MALFORMED: &str = "bus.malformed";
/// Code of the failure for a handler that panicked.
pub const PANIC: &str = "bus.panic";

/// What a handler answers when it cannot do what was asked. Travels to the caller as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Failure {
    /// A stable name that the caller can act on, for example `no_valid_host`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// The same call may succeed later, unchanged.
    #[serde(default)]
    pub retryable: bool,
    /// Further facts under names that belong to the code; `null` when there are none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub details: serde_json::Value,
}

impl Failure {
    /// A final failure: trying again does not help.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure {
            code: code.into(),
            message: message.into(),
            retryable: false,
            details: serde_json::Value::Null,
        }
    }

    /// The same, worth another try.
    pub fn retryable(mut self) -> Failure {
        self.retryable = true;
        self
    }

    /// The same with facts for the caller.
    pub fn with_details(mut self, details: serde_json::Value) -> Failure {
        self.details = details;
        self
    }
}

/// Why a call has no answer, or a cast was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer in time. Whether the handler ran is not known.
    #[error("{message} to {address}: no answer before the deadline")]
    Deadline {
        message: &'static str,
        address: Address,
    },
    /// Nobody serves the address.
    #[error("{message} to {address}: nobody serves this address")]
    NoSuchService {
        message: &'static str,
        address: Address,
    },
    /// The handler answered with a failure.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The message or its answer was lost on the way. Whether the handler ran is not known, except
    /// for [`TransportError::Encode`], [`TransportError::Overfull`] and [`TransportError::BadAddress`].
    #[error("{message} to {address}: not carried")]
    Transport {
        message: &'static str,
        address: Address,
        #[source]
        source: TransportError,
    },
}

impl CallError {
    /// The failure that the handler answered, if that is what this is.
    pub fn refusal(&self) -> Option<&Failure> {
        match self {
            CallError::Refused(failure) => Some(failure),
            _ => None,
        }
    }
}

/// What the wire could not do.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The message could not be written as JSON.
    #[error("the message cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The answer is not what the message's reply type says.
    #[error("the answer cannot be read")]
    Decode(#[source] serde_json::Error),
    /// As many messages as are kept wait for this address already.
    #[error("too many messages wait for this address")]
    Overfull,
    /// The address has an empty part, or is too long for a broker.
    #[error(
        "an address needs a topic, and at most {} bytes",
        crate::limits::LONGEST_ADDRESS
    )]
    BadAddress,
    /// The connection to the broker was lost while the answer was awaited.
    #[error("the connection to the message broker was lost")]
    Disconnected,
    /// The broker refused or failed.
    #[error("the message broker refused")]
    Broker(#[source] lapin::Error),
    /// This bus was shut down.
    #[error("the bus is shut down")]
    Closed,
}

/// Why no bus could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or has parts that are not understood.
    #[error("transport_url: {0}")]
    Url(&'static str),
    /// The broker could not be reached, or turned us away, for as long as we tried.
    #[error("cannot reach the message broker at {host}")]
    Broker {
        host: String,
        #[source]
        source: lapin::Error,
    },
}

/// Why the wire has no answer; [`CallError`] without the names.
#[derive(Debug)]
pub(crate) enum WireError {
    Deadline,
    NoSuchService,
    Transport(TransportError),
}
