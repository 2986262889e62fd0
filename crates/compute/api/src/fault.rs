//! Errors as clients of Nova know them: one code, one name, one text.

use axum::response::{IntoResponse, Response};
use compute_control::ControlError;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use microversion::Refusal;
use rest::Unrenderable;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    pub code: StatusCode,
    /// For the user. Internal detail belongs into the log.
    pub message: String,
    /// Seconds after which to try again, where that may help.
    pub retry_after: Option<u64>,
}

const MALFORMED: &str = "Malformed request body";
/// What is said when a route, version or action does not exist.
const NO_RESOURCE: &str = "The resource could not be found.";
const UNEXPECTED: &str =
    "Unexpected API Error. The log of the service has the details under this request's id.";

impl Fault {
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Refused for now.
    pub fn later(code: StatusCode, seconds: u64, message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(code, message)
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The policy rule that said no.
    pub fn policy(rule: &str) -> Self {
        Self::forbidden(format!("Policy doesn't allow {rule} to be performed."))
    }

    pub fn malformed() -> Self {
        Self::bad_request(MALFORMED)
    }

    /// A known route at a version that does not have it.
    pub fn no_resource() -> Self {
        Self::not_found(NO_RESOURCE)
    }

    /// Our own failure: logged in full, told in general.
    pub fn unexpected(error: &dyn std::error::Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        tracing::error!(error = chain, "a request failed unexpectedly");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED)
    }

    /// The key that the body is filed under.
    pub fn name(&self) -> &'static str {
        match self.code.as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 | 429 => "overLimit",
            415 => "badMediaType",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            _ => "computeFault",
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body =
            serde_json::json!({self.name(): {"code": self.code.as_u16(), "message": self.message}});
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        let mut response =
            (self.code, [(header::CONTENT_TYPE, json)], body.to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Unrenderable> for Fault {
    fn from(error: Unrenderable) -> Self {
        Self::unexpected(&error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::bad_request(refusal.to_string())
    }
}

/// The one table from what happened to what clients are told.
impl From<ControlError> for Fault {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::NotFound { .. } => StatusCode::NOT_FOUND,
            ControlError::Denied { .. }
            | ControlError::Forbidden { .. }
            | ControlError::Quota(_) => StatusCode::FORBIDDEN,
            ControlError::Invalid { .. } => StatusCode::BAD_REQUEST,
            ControlError::Refused(_) | ControlError::Conflict { .. } => StatusCode::CONFLICT,
            ControlError::Gone { .. } => StatusCode::GONE,
            ControlError::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            ControlError::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            ControlError::Unavailable { .. } | ControlError::NoRoom => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ControlError::TooMany { retry_after, .. } => {
                return Self::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    *retry_after,
                    error.to_string(),
                );
            }
            ControlError::Busy { retry_after, .. } => {
                return Self::later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    *retry_after,
                    error.to_string(),
                );
            }
            ControlError::Database(_) | ControlError::Journal(_) | ControlError::Companion(_) => {
                return Self::unexpected(&error);
            }
        };
        Self::new(code, error.to_string())
    }
}

/// The answer to a path or verb that no version knows: it comes from in front of the API, so it has another shape, and
/// is never a 405.
pub fn no_route(headers: &HeaderMap) -> Response {
    let code = StatusCode::NOT_FOUND;
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("json")) {
        let body = serde_json::json!({
            "message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found",
        });
        let json = HeaderValue::from_static("application/json");
        return (code, [(header::CONTENT_TYPE, json)], body.to_string()).into_response();
    }
    let page = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  \
                The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>";
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    (code, [(header::CONTENT_TYPE, html)], page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_name_that_clients_look_for() {
        let name = |code| Fault::new(StatusCode::from_u16(code).expect("a code"), "").name();
        let known = [
            400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 501, 503,
        ]
        .map(name);
        assert_eq!(
            known,
            [
                "badRequest",
                "unauthorized",
                "forbidden",
                "itemNotFound",
                "badMethod",
                "computeFault",
                "conflictingRequest",
                "computeFault",
                "overLimit",
                "badMediaType",
                "computeFault",
                "overLimit",
                "computeFault",
                "notImplemented",
                "serviceUnavailable",
            ]
        );
    }
}
