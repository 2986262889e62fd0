//! Query strings as OpenStack uses them: keys may repeat, and their order can matter.

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::convert::Infallible;

/// What stays readable in a query that we write into a link.
const KEEP: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':');

/// The pairs of a query string, decoded, in the order sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`; a key without `=` has an empty value; broken percent signs stay as they are.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        )
    }

    /// The last value of `key`: what most services act on when a key repeats.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// All values of `key` in the order sent.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `key` was sent at all.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// The query with every value of `key` replaced by one, for links to another page.
    pub fn with(&self, key: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| name != key)
            .cloned()
            .collect();
        pairs.push((key.to_owned(), value.to_owned()));
        Query(pairs)
    }

    /// The query without `key`.
    pub fn without(&self, key: &str) -> Self {
        let others = self.0.iter().filter(|(name, _)| name != key);
        Query(others.cloned().collect())
    }

    /// Writes the query for a link, without the `?`.
    pub fn encode(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| {
                format!(
                    "{}={}",
                    utf8_percent_encode(key, KEEP),
                    utf8_percent_encode(value, KEEP)
                )
            })
            .collect();
        pairs.join("&")
    }
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Query::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_keep_all_values_and_their_order() {
        let query = Query::parse("sort_key=a&limit=2&sort_key=b+c&x");
        assert_eq!(query.all("sort_key").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(query.last("sort_key"), Some("b c"));
        assert_eq!(query.last("x"), Some(""));
        assert_eq!(query.last("y"), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let query = Query::parse("name=a%26b&marker=1").with("marker", "z/é");
        assert_eq!(Query::parse(&query.encode()), query);
    }
}
