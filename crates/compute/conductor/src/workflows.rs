//! The operations, a file each: a table of steps, each with its undo beside it.

pub mod act;
pub mod build;
pub mod delete;
