//! Lists in pages: how many items one may have, and the link to the next.

use web::Query;

use crate::Api;
use crate::call::Call;
use crate::words::{Limit, Link};

/// How many items the page has at most: what the client asked for, within what the operator allows.
pub fn size(api: &Api, asked: Option<Limit>) -> u64 {
    let most = api.control.settings.max_limit;
    asked.map_or(most, |Limit(asked)| asked.min(most))
}

/// The link to what follows `last`, where the page is full; clients learn only from the next page that there was
/// nothing more.
pub fn next(
    call: &Call,
    path: &str,
    size: u64,
    count: usize,
    last: Option<&str>,
) -> Option<Vec<Link>> {
    let last = last.filter(|_| size > 0 && u64::try_from(count).unwrap_or(u64::MAX) >= size)?;
    let mut query = Query::parse(call.query.as_deref().unwrap_or_default()).with("marker", last);
    query.0.sort();
    Some(vec![Link {
        rel: "next",
        href: format!("{}?{}", call.link(path), query.encode()),
    }])
}
