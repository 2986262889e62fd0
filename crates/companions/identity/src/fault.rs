//! What goes wrong, as a client sees it: Keystone's error bodies and texts.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use rest::Refused;
use sql::SqlError;
use sql::sea_orm::DbErr;
use web::body::BodyError;

use crate::queue::Busy;

/// An answer that is no success.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request is malformed; the text says where.
    #[error("{0}")]
    BadRequest(String),
    /// The caller is unknown. The text never says which part of the credentials was wrong.
    #[error("The request you have made requires authentication.")]
    Unauthorized,
    /// The caller proved who they are, but may not come in (expired password and the like).
    #[error("{0}")]
    Refused(String),
    /// A policy says no.
    #[error("You are not authorized to perform the requested action: {0}.")]
    Forbidden(String),
    /// A rule other than policy says no; the text is the whole message.
    #[error("{0}")]
    ForbiddenBecause(String),
    /// No such thing.
    #[error("Could not find {kind}: {id}.")]
    NotFound { kind: &'static str, id: String },
    /// No such path.
    #[error("The resource could not be found.")]
    NoSuchPath,
    /// The path exists, the verb does not.
    #[error("The method is not allowed for the requested URL.")]
    NoSuchVerb,
    /// Something of that name exists already.
    #[error("Conflict occurred attempting to store {kind} - {detail}.")]
    Conflict { kind: &'static str, detail: String },
    /// The body is longer than the limit.
    #[error("Request is too large.")]
    TooLarge,
    /// The line of password checks is full: the asker's own, or everybody's.
    #[error("Too many password checks are waiting. Try again in a moment.")]
    Busy(Busy),
    /// A call or a part of a body that is known, but not built here (yet); the text says which.
    #[error("{0}")]
    Later(String),
    /// The database failed; details stay in the log.
    #[error("database failure")]
    Sql(#[from] SqlError),
    /// A promise inside this service broke; details stay in the log.
    #[error("internal failure: {0}")]
    Internal(String),
}

/// The answer of a handler.
pub type Answer = Result<rest::Answer, Fault>;

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Fault::Sql(error.into())
    }
}

impl From<Busy> for Fault {
    fn from(busy: Busy) -> Self {
        Fault::Busy(busy)
    }
}

/// What the frame refuses, in Keystone's words.
impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoPath | Refused::NotInVersion => Fault::NoSuchPath,
            Refused::NoVerb(_) => Fault::NoSuchVerb,
            Refused::NotBuilt(_) | Refused::Gone => Fault::Later(refused.to_string()),
            Refused::Body(BodyError::TooLarge) => Fault::TooLarge,
            Refused::Malformed(_) => Fault::expecting("valid JSON", "request body"),
            refused => Fault::BadRequest(refused.to_string()),
        }
    }
}

impl sql::AsConflict for Fault {
    fn as_conflict(&self) -> bool {
        matches!(self, Fault::Sql(error) if error.is_conflict())
    }
}

impl Fault {
    /// `Could not find <kind>: <id>.`
    pub fn not_found(kind: &'static str, id: impl Into<String>) -> Self {
        Fault::NotFound {
            kind,
            id: id.into(),
        }
    }

    /// A conflict over a name that is taken.
    pub fn duplicate(kind: &'static str, name: &str) -> Self {
        Fault::Conflict {
            kind,
            detail: format!("Duplicate entry found with name {name}"),
        }
    }

    /// Turns a broken unique constraint into a conflict over `name`; other failures stay.
    pub fn or_duplicate(self, kind: &'static str, name: &str) -> Self {
        match self {
            Fault::Sql(error) if error.is_duplicate() => Fault::duplicate(kind, name),
            other => other,
        }
    }

    /// Whether something of that name exists already.
    pub fn is_duplicate(&self) -> bool {
        match self {
            Fault::Conflict { .. } => true,
            Fault::Sql(error) => error.is_duplicate(),
            _ => false,
        }
    }

    /// A body or a query that misses something, in Keystone's words.
    pub fn expecting(attribute: &str, target: &str) -> Self {
        Fault::BadRequest(format!(
            "Expecting to find {attribute} in {target}. The server could not comply with the request \
             since it is either malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    fn status(&self) -> StatusCode {
        match self {
            Fault::BadRequest(_) => StatusCode::BAD_REQUEST,
            Fault::Unauthorized | Fault::Refused(_) => StatusCode::UNAUTHORIZED,
            Fault::Forbidden(_) | Fault::ForbiddenBecause(_) => StatusCode::FORBIDDEN,
            Fault::NotFound { .. } | Fault::NoSuchPath => StatusCode::NOT_FOUND,
            Fault::NoSuchVerb => StatusCode::METHOD_NOT_ALLOWED,
            Fault::Conflict { .. } => StatusCode::CONFLICT,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::Busy(Busy::Yours(_)) => StatusCode::TOO_MANY_REQUESTS,
            Fault::Busy(Busy::Everybodys(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Later(_) => StatusCode::NOT_IMPLEMENTED,
            Fault::Sql(error) if error.is_full() => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Sql(_) | Fault::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        let full = matches!(&self, Fault::Sql(error) if error.is_full());
        let message = if full {
            tracing::error!("the database has no room left on its disk");
            sql::NO_ROOM.to_owned()
        } else if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = &self as &dyn std::error::Error, "request failed");
            "An unexpected error prevented the server from fulfilling your request.".to_owned()
        } else {
            self.to_string()
        };
        let body = web::body::fault(status, &message);
        let mut response = web::body::json(status, &body);
        if let Fault::Busy(Busy::Yours(seconds) | Busy::Everybodys(seconds)) = self {
            let after = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}
