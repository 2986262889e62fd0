//! The messages between the roles of compute, by the role that serves them.
//!
//! Messages are nudges or carry whole descriptions; none is needed twice and none is missed for
//! ever, since the journal in the database is what drives operations. Names and fields are read by
//! processes of other releases: new fields get defaults, a changed meaning gets a new name.

pub mod agent;
pub mod conductor;
pub mod scheduler;
pub mod workflows;

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
