//! What can go wrong, and how it is told: Glance answers errors as webob does, an HTML page or,
//! when the client accepts it, `{"message", "code": "404 Not Found", "title": "Not Found"}`.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rest::Refused;
use sql::{AsConflict, SqlError};
use web::body::BodyError;

/// A failed request. Each variant is one status code; the text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// The image vanished while its data was coming in.
    #[error("{0}")]
    Gone(String),
    /// Too much data, no room, or more of something than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// A content type that is not understood, or data that is not what the image says it is.
    #[error("{0}")]
    Unsupported(String),
    /// A range that the data does not have; carries the size of the data.
    #[error("The requested range lies outside of the image data, which has {0} bytes.")]
    Range(u64),
    /// Data came slower than it must.
    #[error("{0}")]
    TooSlow(String),
    /// The project has as much under way as it may: again later.
    #[error("{0}")]
    TooMany(String),
    /// The service has as much under way as it may: again later.
    #[error("{0}")]
    Busy(String),
    /// A part of the API that does not exist yet.
    #[error("{0}")]
    NotBuilt(String),
    /// The path exists, the verb does not.
    #[error("The method is not allowed for this resource.")]
    NoVerb,
    /// The data folder cannot be written.
    #[error("{0}")]
    Unavailable(String),
    #[error("The image service met an internal error.")]
    Database(#[from] SqlError),
    #[error("The image service met an internal error.")]
    Files(#[from] std::io::Error),
    #[error("The image service met an internal error: {0}")]
    Internal(&'static str),
}

impl From<sql::sea_orm::DbErr> for Fault {
    fn from(error: sql::sea_orm::DbErr) -> Self {
        Fault::Database(SqlError::from(error))
    }
}

/// What the frame refuses.
impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::NoPath | Refused::NotInVersion => Fault::NotFound(text),
            Refused::NoVerb(_) => Fault::NoVerb,
            Refused::NotBuilt(_) => Fault::NotBuilt(text),
            Refused::Gone => Fault::Gone(text),
            Refused::Body(BodyError::TooLarge) => Fault::TooLarge(text),
            Refused::MediaType => Fault::Unsupported(text),
            _ => Fault::BadRequest(text),
        }
    }
}

impl AsConflict for Fault {
    fn as_conflict(&self) -> bool {
        matches!(self, Fault::Database(error) if error.is_conflict())
    }
}

impl Fault {
    /// The same about what a list is to begin behind: that it does not exist is a mistake of the query.
    pub fn of_marker(self) -> Self {
        match self {
            Fault::NotFound(_) => Fault::BadRequest(self.to_string()),
            other => other,
        }
    }

    /// The answer to a request for an image that does not exist or that the caller may not see.
    pub fn no_image(id: &str) -> Self {
        Fault::NotFound(format!("No image found with ID {id}"))
    }

    /// The answer to a request for a namespace of metadata definitions that does not exist or that the caller may not
    /// see.
    pub fn no_namespace(name: &str) -> Self {
        Fault::NotFound(format!("Namespace {name} not found"))
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Fault::BadRequest(_) => StatusCode::BAD_REQUEST,
            Fault::Forbidden(_) => StatusCode::FORBIDDEN,
            Fault::NotFound(_) => StatusCode::NOT_FOUND,
            Fault::Conflict(_) => StatusCode::CONFLICT,
            Fault::Gone(_) => StatusCode::GONE,
            Fault::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Fault::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Fault::NotBuilt(_) => StatusCode::NOT_IMPLEMENTED,
            Fault::NoVerb => StatusCode::METHOD_NOT_ALLOWED,
            Fault::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Fault::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Fault::Busy(_) | Fault::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Database(error) if error.is_full() => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Database(_) | Fault::Files(_) | Fault::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// Seconds after which a client that was one too many may ask again.
const RETRY_AFTER: &str = "5";

/// The text of an error answer on its way to [`render`], which knows what the client accepts.
#[derive(Debug, Clone)]
struct Message(String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        match &self {
            Fault::Database(error) => tracing::error!(?error, "a database statement failed"),
            Fault::Files(error) => tracing::error!(%error, "a file operation failed"),
            Fault::Internal(what) => tracing::error!(what, "an invariant does not hold"),
            _ => tracing::debug!(%status, message = %self, "refused"),
        }
        let mut response = status.into_response();
        if let Fault::Range(size) = &self {
            let value = HeaderValue::try_from(format!("bytes */{size}"));
            let value = value.expect("digits are a header value");
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        if matches!(self, Fault::TooMany(_) | Fault::Busy(_)) {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        let text = match &self {
            Fault::Database(error) if error.is_full() => sql::NO_ROOM.to_owned(),
            other => other.to_string(),
        };
        response.extensions_mut().insert(Message(text));
        response
    }
}

/// Middleware: gives error answers their body in the form that the client accepts.
pub async fn render(request: Request, next: Next) -> Response {
    let form = Form::wanted(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let told = response.extensions_mut().remove::<Message>();
    let Some(Message(text)) = told else {
        return response;
    };
    let (kind, body) = form.body(status, &text);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Response::from_parts(parts, body.into())
}

/// The forms of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Text,
}

impl Form {
    /// JSON whenever it is named, a page for browsers and for those who take anything; also for an
    /// empty header, which openstacksdk sends with uploads and then reads the message off the page.
    fn wanted(headers: &HeaderMap) -> Form {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("*/*");
        if accept.contains("application/json") {
            Form::Json
        } else if accept.trim().is_empty() || accept.contains("html") || accept.contains("*/*") {
            Form::Html
        } else {
            Form::Text
        }
    }

    fn body(self, status: StatusCode, text: &str) -> (&'static str, String) {
        let title = status.canonical_reason().unwrap_or("Error");
        let code = format!("{} {title}", status.as_u16());
        match self {
            Form::Json => {
                let body = serde_json::json!({"message": text, "code": code, "title": title});
                ("application/json", body.to_string())
            }
            Form::Html => {
                let text = escaped(text);
                let page = format!(
                    "<html>\n <head>\n  <title>{code}</title>\n </head>\n <body>\n  \
                     <h1>{code}</h1>\n  {text}<br /><br />\n\n\n </body>\n</html>"
                );
                ("text/html; charset=UTF-8", page)
            }
            Form::Text => ("text/plain; charset=UTF-8", format!("{code}\n\n{text}\n\n")),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_never_carries_markup_of_the_caller() {
        let (kind, page) = Form::Html.body(StatusCode::NOT_FOUND, "<script>");
        assert!(kind.starts_with("text/html"));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }

    #[test]
    fn json_is_given_to_those_who_name_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(Form::wanted(&headers), Form::Html);
        headers.insert("accept", HeaderValue::from_static("application/json"));
        assert_eq!(Form::wanted(&headers), Form::Json);
        let (_, body) = Form::Json.body(StatusCode::NOT_FOUND, "gone");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["code"], "404 Not Found");
    }
}
