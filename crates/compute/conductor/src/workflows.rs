//! The operations, a file each: a table of steps, each with its undo beside it.

use std::time::Duration;

pub mod act;
pub mod build;
pub mod delete;
pub mod hold;
pub mod interfaces;
pub mod rebuild;
pub mod resize;
pub mod resume_guest;
pub mod shelve;
pub mod snapshot;
pub mod soft_delete;
pub mod volumes;

mod devices;
mod plugged;

/// The longest that a step without waits may take.
const MINUTE: Duration = Duration::from_secs(60);
