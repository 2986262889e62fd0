//! What can go wrong, and how it is told: in Cinder's words and codes.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use microversion::Refusal;
use rest::{Refused, Unrenderable};
use serde_json::json;
use sql::{AsConflict, SqlError};
use web::body::BodyError;
use web::policy::Denied;
use workflow::WorkflowError;

/// A failed request. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    BadRequest(String),
    #[error("Invalid input received: {0}")]
    InvalidInput(String),
    #[error("Invalid volume: {0}")]
    InvalidVolume(String),
    #[error("Invalid snapshot: {0}")]
    InvalidSnapshot(String),
    #[error("Invalid Group: {0}")]
    InvalidGroup(String),
    #[error("Invalid backup: {0}")]
    InvalidBackup(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("Resource conflict: {0}")]
    ResourceConflict(String),
    #[error("{0}")]
    Denied(Denied),
    #[error("{0}")]
    Forbidden(String),
    /// The project has as much as it may.
    #[error("{0}")]
    Over(#[from] Over),
    /// The metadata is not what a client wanted to change.
    #[error("The resource was changed by somebody else.")]
    PreconditionFailed,
    #[error("{0}")]
    NotBuilt(String),
    /// Another service that is needed does not answer.
    #[error("{0}")]
    Unavailable(String),
    #[error("The back end failed: {0}")]
    Backend(String),
    #[error("{0}")]
    Refused(Refused),
    #[error("The volume service met an internal error.")]
    Database(#[from] SqlError),
    #[error("The volume service met an internal error.")]
    Journal(#[source] WorkflowError),
    #[error("The volume service met an internal error: {0}")]
    Internal(&'static str),
}

/// Over a quota. The class of Cinder's exception stands before the text, as clients of Cinder read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    #[error(
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {name} quota. Requested \
         {requested}G, quota is {quota}G and {consumed}G has been consumed."
    )]
    Gigabytes {
        name: String,
        requested: i64,
        quota: i64,
        consumed: i64,
    },
    #[error(
        "VolumeLimitExceeded: Maximum number of volumes allowed ({allowed}) exceeded for quota '{name}'."
    )]
    Volumes { name: String, allowed: i64 },
    #[error("SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) exceeded")]
    Snapshots { allowed: i64 },
    #[error("BackupLimitExceeded: Maximum number of backups allowed ({allowed}) exceeded")]
    Backups { allowed: i64 },
    #[error(
        "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested \
         {requested}G, quota is {quota}G and {consumed}G has been consumed."
    )]
    BackupGigabytes {
        requested: i64,
        quota: i64,
        consumed: i64,
    },
    #[error("GroupLimitExceeded: Maximum number of groups allowed ({allowed}) exceeded")]
    Groups { allowed: i64 },
    #[error(
        "VolumeSizeExceedsLimit: Requested volume size {size}G is larger than maximum allowed limit {limit}G."
    )]
    Size { size: i64, limit: i64 },
}

impl Fault {
    pub fn no_volume(id: &str) -> Self {
        Fault::NotFound(format!("Volume {id} could not be found."))
    }

    pub fn no_snapshot(id: &str) -> Self {
        Fault::NotFound(format!("Snapshot {id} could not be found."))
    }

    pub fn no_backup(id: &str) -> Self {
        Fault::NotFound(format!("Backup {id} could not be found."))
    }

    pub fn no_group(id: &str) -> Self {
        Fault::NotFound(format!("Group {id} could not be found."))
    }

    pub fn no_type(id: &str) -> Self {
        Fault::NotFound(format!("Volume type {id} could not be found."))
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Fault::BadRequest(_)
            | Fault::InvalidInput(_)
            | Fault::InvalidVolume(_)
            | Fault::InvalidSnapshot(_)
            | Fault::InvalidBackup(_)
            | Fault::InvalidGroup(_) => StatusCode::BAD_REQUEST,
            Fault::NotFound(_) => StatusCode::NOT_FOUND,
            Fault::Conflict(_) | Fault::ResourceConflict(_) => StatusCode::CONFLICT,
            Fault::Denied(_) | Fault::Forbidden(_) => StatusCode::FORBIDDEN,
            Fault::Over(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Fault::NotBuilt(_) => StatusCode::NOT_IMPLEMENTED,
            Fault::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Refused(refused) => match refused {
                Refused::NoVerb(_) => StatusCode::NOT_FOUND,
                other => other.status(),
            },
            Fault::Database(error) if error.is_full() => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Database(_) | Fault::Journal(_) | Fault::Internal(_) | Fault::Backend(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The key that the body is filed under.
    fn name(&self) -> &'static str {
        match self.status().as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 => "overLimit",
            415 => "badMediaType",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            _ => "computeFault",
        }
    }

    fn text(&self) -> String {
        match self {
            Fault::Database(error) if error.is_full() => sql::NO_ROOM.to_owned(),
            other => other.to_string(),
        }
    }
}

impl From<sql::sea_orm::DbErr> for Fault {
    fn from(error: sql::sea_orm::DbErr) -> Self {
        Fault::Database(SqlError::from(error))
    }
}

impl From<WorkflowError> for Fault {
    fn from(error: WorkflowError) -> Self {
        match error {
            WorkflowError::Sql(error) => Fault::Database(error),
            other => Fault::Journal(other),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::BadRequest(refusal.to_string())
    }
}

impl From<Unrenderable> for Fault {
    fn from(error: Unrenderable) -> Self {
        tracing::error!(%error, "an answer cannot be written");
        Fault::Internal("an answer cannot be written")
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotBuilt(_) => Fault::NotBuilt(refused.to_string()),
            Refused::Malformed(_) => Fault::BadRequest("Malformed request body".to_owned()),
            Refused::OtherProject { .. } => Fault::BadRequest("Malformed request url".to_owned()),
            Refused::NoVerb(_) => Fault::Refused(Refused::NoPath),
            other => Fault::Refused(other),
        }
    }
}

impl AsConflict for Fault {
    fn as_conflict(&self) -> bool {
        matches!(self, Fault::Database(error) if error.is_conflict())
    }
}

/// Seconds after which a client over its quota may ask again, as Cinder says it.
const RETRY_AFTER: &str = "0";

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        match &self {
            Fault::Database(error) => tracing::error!(?error, "a database statement failed"),
            Fault::Journal(error) => tracing::error!(?error, "the journal failed"),
            Fault::Backend(why) => tracing::error!(why, "a back end failed"),
            Fault::Internal(what) => tracing::error!(what, "an invariant does not hold"),
            _ => tracing::debug!(%status, message = %self, "refused"),
        }
        let mut inner = json!({"code": status.as_u16(), "message": self.text()});
        if matches!(self, Fault::Over(_)) {
            inner["retryAfter"] = RETRY_AFTER.into();
        }
        let body = json!({self.name(): inner}).to_string();
        let json = HeaderValue::from_static("application/json");
        let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
        if matches!(self, Fault::Over(_)) {
            let after = HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// The answer to a path that no row has: it comes from in front of the API, so it has another shape, and is never a 405.
pub fn no_route(headers: &HeaderMap) -> Response {
    let code = StatusCode::NOT_FOUND;
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if accept.is_none_or(|accept| accept.contains("json") || accept.contains("*/*")) {
        let body = json!({
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

/// How the frame's refusals are told.
pub fn refuse(refused: Refused, headers: &HeaderMap) -> Response {
    match refused {
        Refused::NoPath | Refused::NoVerb(_) => no_route(headers),
        Refused::Body(BodyError::TooLarge) => {
            (StatusCode::PAYLOAD_TOO_LARGE, refused.to_string()).into_response()
        }
        other => Fault::from(other).into_response(),
    }
}
