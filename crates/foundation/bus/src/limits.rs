//! How much the bus takes, whichever wire.

/// How many messages wait for one address before senders are refused. Ten thousand casts are far
/// more than a role leaves undone while it restarts, and still only some megabytes.
pub const BACKLOG: usize = 10_000;

/// The longest topic and host together, in bytes: queue names have 255 and we add a prefix.
pub const LONGEST_ADDRESS: usize = 200;
