//! Tags of servers.

use microversion::{Rules, Versioned};
use serde::Deserialize;

use crate::words::Tag;

/// The body of `PUT …/tags`: replaces all.
#[derive(Debug, Deserialize, Versioned)]
pub struct ReplaceTags {
    #[mv(max_items = 50)]
    pub tags: Vec<Tag>,
}

/// What a tag in a path must be; the same as [`Tag`].
pub const TAG: Rules = Rules {
    pattern: Some("^[^,/]*$"),
    min_length: Some(1),
    max_length: Some(60),
    ..Rules::NONE
};
