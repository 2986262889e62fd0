//! Calls that compute had before other services took them over, most of them until 2.35: asked of those services in the
//! caller's name, and told as compute told them.

pub mod fixed_ips;
pub mod floating_ips;
pub mod images;
pub mod networks;
pub mod security_groups;
pub mod snapshots;
pub mod volumes;

use clients::ClientError;
use http::StatusCode;

use crate::ControlError;

/// What an old route answers for a refusal; `missing` is what is not found.
fn refused(error: ClientError, missing: &str) -> ControlError {
    let why = error.message();
    match error.status() {
        Some(StatusCode::NOT_FOUND) => ControlError::NotFound {
            why: missing.to_owned(),
        },
        Some(StatusCode::FORBIDDEN | StatusCode::PAYLOAD_TOO_LARGE) => {
            ControlError::Forbidden { why }
        }
        Some(StatusCode::BAD_REQUEST) => ControlError::Invalid { why },
        Some(StatusCode::CONFLICT) => ControlError::Conflict { why },
        _ => error.into(),
    }
}
