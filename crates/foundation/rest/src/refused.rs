//! What the frame refuses, before a handler runs. Each service words it in its own way.

use http::{Method, StatusCode};
use microversion::NegotiationError;
use web::body::BodyError;
use web::text::Nul;

/// Why a request does not reach a handler.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No row has this path.
    #[error("The resource could not be found.")]
    NoPath,
    /// Rows have this path, but not with this verb.
    #[error("The method {0} is not allowed for this resource.")]
    NoVerb(Method),
    /// The row is not there at the version spoken.
    #[error("The resource could not be found.")]
    NotInVersion,
    /// The row is known but not built: its verb, path and action.
    #[error("{0} is not built yet.")]
    NotBuilt(String),
    /// The call was removed from all versions.
    #[error("This resource is no longer available. No forwarding address is given.")]
    Gone,
    #[error(transparent)]
    Version(#[from] NegotiationError),
    #[error("Unsupported Content-Type")]
    MediaType,
    /// The body is too large, or never came.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not JSON.
    #[error("Malformed JSON in request body: {0}")]
    Malformed(String),
    /// The body names no action, or several.
    #[error("Malformed request body")]
    NoAction,
    /// The body names an action that no row has.
    #[error("There is no such action: {0}")]
    UnknownAction(String),
    #[error(transparent)]
    Nul(#[from] Nul),
    /// The project in the path is not the caller's.
    #[error(
        "Malformed request URL: URL's project_id '{in_url}' doesn't match Context's project_id '{of_token}'"
    )]
    OtherProject { in_url: String, of_token: String },
}

impl Refused {
    /// The code that all services answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoPath | Self::NotInVersion => StatusCode::NOT_FOUND,
            Self::NoVerb(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotBuilt(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Gone => StatusCode::GONE,
            Self::Version(NegotiationError::Unknown { .. }) => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Version(NegotiationError::Syntax(_))
            | Self::Body(BodyError::Broken(_))
            | Self::Malformed(_)
            | Self::NoAction
            | Self::UnknownAction(_)
            | Self::Nul(_)
            | Self::OtherProject { .. } => StatusCode::BAD_REQUEST,
        }
    }
}
