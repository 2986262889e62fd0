//! What a handler gives back.

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// A successful answer. Its code is the row's, unless it says otherwise.
#[derive(Debug, Default)]
pub struct Answer {
    pub code: Option<StatusCode>,
    /// A body without a content type is JSON.
    pub headers: HeaderMap,
    pub body: Option<Body>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// JSON text.
    pub fn json(text: Vec<u8>) -> Self {
        Self {
            body: Some(text.into()),
            ..Self::default()
        }
    }

    /// A value as JSON.
    ///
    /// # Panics
    /// Never for values and structs with text keys, which is what services answer.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json(serde_json::to_vec(value).expect("keys are text"))
    }

    #[must_use]
    pub fn with_code(mut self, code: StatusCode) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds a header; a value that cannot stand in one (a line break in it) is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    #[must_use]
    pub fn with_location(self, url: &str) -> Self {
        self.with_header(header::LOCATION, url)
    }
}
