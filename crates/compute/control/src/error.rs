//! Why a use case did not happen. The API's fault table gives each variant its code.

use compute_db::DbError;
use compute_model::lifecycle::Refusal;
use compute_model::quota::Exceeded;

/// A use case that was refused or failed. `why` and ids are for the user; sources are for the log.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Something named in the URL does not exist, or is hidden from the caller: 404.
    #[error("{why}")]
    NotFound { why: String },
    /// The policy rule that says no: 403.
    #[error("Policy doesn't allow {rule} to be performed.")]
    Denied { rule: String },
    /// Not allowed for another reason: 403.
    #[error("{why}")]
    Forbidden { why: String },
    /// A quota is used up: 403.
    #[error(transparent)]
    Quota(#[from] Exceeded),
    /// The request makes no sense, or names in its body what does not exist: 400.
    #[error("{why}")]
    Invalid { why: String },
    /// The server's state forbids it: 409.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was there once: 410.
    #[error("{why}")]
    Gone { why: String },
    /// Something else is in the way: 409.
    #[error("{why}")]
    Conflict { why: String },
    /// Neither this cloud nor the server's hypervisor can do that: 501.
    #[error("{why}")]
    Unsupported { why: String },
    /// A service that is needed does not answer: 503.
    #[error("{why}")]
    Unavailable { why: String },
    /// A host or a service did not do its part, which the caller is told: 500.
    #[error("{why}")]
    Failed { why: String },
    /// The caller asks for too much at once: 429, with the seconds after which to try again.
    #[error("{why}")]
    TooMany { why: String, retry_after: u64 },
    /// Everybody together asks for too much at once: 503, with the seconds after which to try again.
    #[error("{why}")]
    Busy { why: String, retry_after: u64 },
    /// The database has no room left on its disk: 503.
    #[error("{}", sql::NO_ROOM)]
    NoRoom,
    /// The database failed: 500.
    #[error("the database failed")]
    Database(#[source] DbError),
    /// The journal could not be written: 500.
    #[error("the journal failed")]
    Journal(#[source] workflow::WorkflowError),
    /// A companion answered what makes no sense: 500.
    #[error("a companion failed")]
    Companion(#[source] clients::ClientError),
}

impl From<DbError> for ControlError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Sql(error) if error.is_full() => {
                tracing::error!("compute's database has no room left on its disk");
                ControlError::NoRoom
            }
            other => ControlError::Database(other),
        }
    }
}

impl From<workflow::WorkflowError> for ControlError {
    fn from(error: workflow::WorkflowError) -> Self {
        match error {
            workflow::WorkflowError::Sql(error) => error.into(),
            other @ workflow::WorkflowError::State(_) => ControlError::Journal(other),
        }
    }
}

impl From<sql::SqlError> for ControlError {
    fn from(error: sql::SqlError) -> Self {
        DbError::from(error).into()
    }
}

impl From<sql::sea_orm::DbErr> for ControlError {
    fn from(error: sql::sea_orm::DbErr) -> Self {
        sql::SqlError::from(error).into()
    }
}

impl sql::AsConflict for ControlError {
    fn as_conflict(&self) -> bool {
        matches!(self, ControlError::Database(error) if error.as_conflict())
    }
}

impl From<clients::ClientError> for ControlError {
    fn from(error: clients::ClientError) -> Self {
        match error.is_passing() {
            true => ControlError::Unavailable {
                why: error.to_string(),
            },
            false => ControlError::Companion(error),
        }
    }
}
