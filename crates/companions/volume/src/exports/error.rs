//! Why a volume cannot be served.

use std::ops::RangeInclusive;

use sql::SqlError;
use sql::sea_orm::DbErr;

use crate::backends::NoBackend;
use crate::driver::{DriverError, NoId};
use crate::fault::Fault;
use crate::target::TargetError;
use crate::turns::Busy;

/// Why a volume cannot be served, or does not end to be.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Nowhere(#[from] NoBackend),
    #[error(transparent)]
    Id(#[from] NoId),
    /// Every export has a port of its own.
    #[error("none of the ports {} to {} is free", .0.start(), .0.end())]
    NoPort(RangeInclusive<u16>),
    /// Passwords are sealed with that of the service's own user.
    #[error("the service has no user of its own, with whose password those of exports are sealed")]
    NoUser,
    #[error(
        "the password of an export cannot be read: that of the service's own user changed; detach the volume and attach it again"
    )]
    Sealed,
    /// Another process ended it meanwhile.
    #[error("the export {0} ended while it was made")]
    Lost(String),
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl From<DbErr> for ExportError {
    fn from(error: DbErr) -> Self {
        ExportError::Database(error.into())
    }
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Database(error) => error.into(),
            ExportError::Driver(error) => error.into(),
            ExportError::Nowhere(error) => error.into(),
            ExportError::Id(_) => Fault::Internal("a volume's id is none"),
            ExportError::Target(TargetError::Connector(why)) => Fault::BadRequest(why),
            ExportError::NoPort(_) => {
                tracing::error!(%error, "a volume cannot be served");
                Fault::Unavailable("The back end has no port left.".to_owned())
            }
            ExportError::Target(_)
            | ExportError::NoUser
            | ExportError::Sealed
            | ExportError::Lost(_)
            | ExportError::Busy(_) => {
                tracing::error!(%error, "a volume cannot be served");
                Fault::Backend("see the log of the service".to_owned())
            }
        }
    }
}
