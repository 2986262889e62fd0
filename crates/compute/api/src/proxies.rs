//! Calls that compute had before other services took them over, most of them until 2.35.

pub mod fixed_ips;
pub mod floating_ips;
pub mod images;
pub mod networks;
pub mod security_groups;
pub mod snapshots;
pub mod volumes;

use crate::Api;
use crate::paging;
use crate::words::Limit;

use microversion::Versioned;
use serde::Deserialize;

/// A part of a list, counted from its beginning.
#[derive(Debug, Deserialize, Versioned)]
pub struct Part {
    pub limit: Option<Limit>,
    pub offset: Option<Limit>,
}

impl Part {
    /// How many to show, and how many to pass over. A limit of 0 is none.
    fn sizes(&self, api: &Api) -> (u64, u64) {
        let limit = self.limit.filter(|Limit(limit)| *limit > 0);
        let offset = self.offset.map_or(0, |Limit(offset)| offset);
        (paging::size(api, limit), offset)
    }
}
