//! Where the client believes this service is: links must be built from the host and prefix that
//! the client used, since clients follow them.

use axum::extract::{FromRequestParts, OriginalUri};
use http::request::Parts;
use http::{HeaderMap, Uri};
use std::convert::Infallible;

/// `scheme://host[:port][/prefix]`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl BaseUrl {
    /// The base of a request.
    pub fn of_head(head: &Parts) -> Self {
        let original = head.extensions.get::<OriginalUri>();
        let original = original.map_or(&head.uri, |uri| &uri.0);
        Self::of(original, &head.uri, &head.headers)
    }

    /// Computes the base from the whole original URI, the URI that the service's own router sees
    /// (with its mount prefix cut off), and the headers of proxies.
    pub fn of(original: &Uri, inner: &Uri, headers: &HeaderMap) -> Self {
        let scheme = text(headers, "x-forwarded-proto").unwrap_or("http");
        let host = text(headers, "x-forwarded-host")
            .or_else(|| text(headers, "host"))
            .or_else(|| original.authority().map(|authority| authority.as_str()))
            .unwrap_or("localhost");
        let outer = text(headers, "x-forwarded-prefix").unwrap_or_default();
        let prefix = match original.path().strip_suffix(inner.path()) {
            Some(prefix) => prefix,
            // Mounted at `/image` and asked for exactly that: the service sees `/`.
            None if inner.path() == "/" => original.path(),
            None => "",
        };
        BaseUrl(format!(
            "{scheme}://{host}{}{}",
            outer.trim_end_matches('/'),
            prefix.trim_end_matches('/')
        ))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(BaseUrl::of_head(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_prefix_stays_in_links() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "cloud:8774".parse().expect("header"));
        let base = BaseUrl::of(
            &Uri::from_static("/compute/v2.1/servers"),
            &Uri::from_static("/v2.1/servers"),
            &headers,
        );
        assert_eq!(base.0, "http://cloud:8774/compute");
    }

    #[test]
    fn a_root_request_under_a_prefix_without_slash_keeps_the_prefix() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "cloud".parse().expect("header"));
        for path in ["/image/", "/image"] {
            let base = BaseUrl::of(
                &path.parse().expect("URI"),
                &Uri::from_static("/"),
                &headers,
            );
            assert_eq!(base.0, "http://cloud/image");
        }
        let root = BaseUrl::of(&Uri::from_static("/"), &Uri::from_static("/"), &headers);
        assert_eq!(root.0, "http://cloud");
    }
}
