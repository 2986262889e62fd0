//! How a call to a companion can fail, in the terms of somebody who has to act on it.

use http::StatusCode;

/// A call that did not give what it was made for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service answered with an error status; `message` is what its fault says.
    #[error("the {service} service answered {status}: {message}")]
    Refused {
        service: &'static str,
        status: StatusCode,
        message: String,
    },
    /// The service could not be reached, or broke off.
    #[error("the {service} service does not answer: {why}")]
    Unreachable { service: &'static str, why: String },
    /// The service answered something that it must not answer.
    #[error("the {service} service answered what cannot be read: {why}")]
    Unreadable { service: &'static str, why: String },
}

impl ClientError {
    /// The status that the service answered, if it answered.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            ClientError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the service said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether the same call may succeed later: nobody answered, or the service is in trouble.
    pub fn is_passing(&self) -> bool {
        match self {
            ClientError::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            ClientError::Unreachable { .. } => true,
            ClientError::Unreadable { .. } => false,
        }
    }

    /// What the service said, for a message to the user; the whole error for others.
    pub fn message(&self) -> String {
        match self {
            ClientError::Refused { message, .. } => message.clone(),
            other => other.to_string(),
        }
    }
}
