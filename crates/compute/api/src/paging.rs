//! Lists in pages: how many items one may have, and the link to the next.

use crate::Api;
use crate::call::Call;
use crate::words::{Limit, Link};

/// How many items the page has at most: what the client asked for, within what the operator allows.
pub fn size(api: &Api, asked: Option<Limit>) -> u64 {
    let most = api.control.settings.max_limit;
    asked.map_or(most, |Limit(asked)| asked.min(most))
}

/// The link to what follows `last`, where the page is full.
pub fn next(
    call: &Call,
    path: &str,
    size: u64,
    count: usize,
    last: Option<&str>,
) -> Option<Vec<Link>> {
    let href = rest::next_page(&call.link(path), &call.pairs(), size, count, last)?;
    Some(vec![Link { rel: "next", href }])
}
