//! A driver's failure as an answer to a conductor, who decides by its code what to do.

use std::io::ErrorKind;

use bus::Failure;
use compute_model::fault::Kind;
use compute_rpc::{code, failure};
use hypervisor::{DriverError, GuestFacts};

/// The answer to what ends with a guest.
pub fn facts_of(result: Result<GuestFacts, DriverError>) -> Result<GuestFacts, Failure> {
    result.map_err(|error| of_driver(&error))
}

/// The answer for a failed driver call.
pub fn of_driver(error: &DriverError) -> Failure {
    let (code, kind) = match error {
        DriverError::NotFound { .. } => (code::NOT_FOUND, Kind::Lost),
        DriverError::Busy { .. } => (code::BUSY, Kind::Busy),
        DriverError::StaleEpoch { .. } | DriverError::StaleCommand { .. } => {
            (code::STALE, Kind::Overtaken)
        }
        DriverError::ImageUnusable { .. } => (code::BAD_REQUEST, Kind::ImageUnusable),
        DriverError::BadSpec { .. } => (code::BAD_REQUEST, Kind::BadRequest),
        DriverError::Unsupported { .. } => (code::HOST_FAILED, Kind::Unsupported),
        DriverError::NoResources { .. } => (code::HOST_FAILED, Kind::NoRoom),
        DriverError::GuestFailed { .. } => (code::HOST_FAILED, Kind::GuestFailed),
        DriverError::Hypervisor { .. } => (code::HOST_FAILED, Kind::Hypervisor),
        DriverError::GuestAgent { .. } => (code::BAD_REQUEST, Kind::GuestAgent),
        DriverError::Io { source, .. } => (code::HOST_FAILED, of_io(source)),
    };
    failure(code, kind, chain(error))
}

/// The kind of an I/O error.
pub fn of_io(error: &std::io::Error) -> Kind {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::DiskFull,
        _ => Kind::HostFile,
    }
}

/// An ability that this hypervisor lacks.
pub fn unsupported(what: &str) -> Failure {
    let text = format!("the hypervisor cannot {what}");
    failure(code::UNSUPPORTED, Kind::Unsupported, text)
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
