//! Queries, a file per noun. All are functions of a connection or transaction.

pub mod gone;
pub mod images;
pub mod listing;
pub mod members;
pub mod metadefs;
pub mod tasks;
pub mod usage;
