//! Lists in pages.

use web::Query;

/// The address of what follows `last`, where the page is full; clients learn only from the next page that there was
/// nothing more. `list` is the address of the list without its query.
pub fn next_page(
    list: &str,
    query: &Query,
    size: u64,
    count: usize,
    last: Option<&str>,
) -> Option<String> {
    let full = size > 0 && u64::try_from(count).unwrap_or(u64::MAX) >= size;
    let mut query = query.with("marker", last.filter(|_| full)?);
    query.0.sort();
    Some(format!("{list}?{}", query.encode()))
}
