//! Metadata of servers.

use microversion::Versioned;
use serde::Deserialize;

use crate::words::Metadata;

/// The body of `POST` (merge) and `PUT` (replace).
#[derive(Debug, Deserialize, Versioned)]
pub struct SetMetadata {
    pub metadata: Metadata,
}

/// The body of `PUT …/metadata/{key}`.
#[derive(Debug, Deserialize, Versioned)]
pub struct SetItem {
    /// Exactly one pair, whose key must be the one in the path.
    #[mv(min_properties = 1, max_properties = 1)]
    pub meta: Metadata,
}
