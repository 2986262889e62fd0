//! A driver's failure as an answer to a conductor, who decides by its code what to do.

use bus::Failure;
use compute_rpc::code;
use hypervisor::DriverError;

/// The answer for a failed driver call.
pub fn of_driver(error: &DriverError) -> Failure {
    let code = match error {
        DriverError::NotFound { .. } => code::NOT_FOUND,
        DriverError::Busy { .. } => code::BUSY,
        DriverError::StaleEpoch { .. } => code::STALE,
        DriverError::ImageUnusable { .. } | DriverError::BadSpec { .. } => code::BAD_REQUEST,
        DriverError::Unsupported { .. }
        | DriverError::NoResources { .. }
        | DriverError::GuestFailed { .. }
        | DriverError::Hypervisor { .. }
        | DriverError::Io { .. } => code::HOST_FAILED,
    };
    Failure::new(code, chain(error))
}

/// An ability that this hypervisor lacks.
pub fn unsupported(what: &str) -> Failure {
    Failure::new(code::UNSUPPORTED, format!("the hypervisor cannot {what}"))
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
