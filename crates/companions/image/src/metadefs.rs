//! Metadata definitions: what requests may say, and what lists are asked for.

pub mod listing;
pub mod schemas;
