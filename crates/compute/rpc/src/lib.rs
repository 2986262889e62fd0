//! The messages between the roles of compute, by the role that serves them.
//!
//! Messages are nudges or carry whole descriptions; none is needed twice and none is missed for
//! ever, since the journal in the database is what drives operations. Names and fields are read by
//! processes of other releases: new fields get defaults, a changed meaning gets a new name.

pub mod agent;
pub mod conductor;
pub mod scheduler;
pub mod sealed;
pub mod workflows;

use bus::Failure;
use compute_model::fault::Kind;
use serde::Deserialize;

/// Failure codes that senders act on.
pub mod code {
    /// The host has no such server.
    pub const NOT_FOUND: &str = "not_found";
    /// The host cannot do that at all; another attempt is useless.
    pub const UNSUPPORTED: &str = "unsupported";
    /// A newer operation was seen: whoever sends this is out of date.
    pub const STALE: &str = "stale_epoch";
    /// This host cannot, another may: try an alternate.
    pub const HOST_FAILED: &str = "host_failed";
    /// No host can: the image or the description is at fault.
    pub const BAD_REQUEST: &str = "bad_request";
    /// Busy with the server right now: the same message later may succeed.
    pub const BUSY: &str = "busy";
}

/// A failure that says to its sender what to do (`code`), to an owner what kind of thing happened
/// (`kind`), and to operators all of it (`text`).
pub fn failure(code: &str, kind: Kind, text: impl Into<String>) -> Failure {
    Failure::new(code, text).with_details(serde_json::json!({ "kind": kind }))
}

/// The kind of a failure; of one that names none, by its code.
pub fn kind(failure: &Failure) -> Kind {
    let named = failure.details.get("kind");
    match named.and_then(|kind| Kind::deserialize(kind).ok()) {
        Some(kind) => kind,
        None => match failure.code.as_str() {
            code::NOT_FOUND => Kind::Lost,
            code::UNSUPPORTED => Kind::Unsupported,
            code::STALE => Kind::Overtaken,
            code::BAD_REQUEST => Kind::BadRequest,
            code::BUSY => Kind::Busy,
            _ => Kind::Internal,
        },
    }
}
