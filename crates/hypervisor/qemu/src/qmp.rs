//! What goes wrong while a guest's QEMU is told something, in the driver's words.

pub(crate) use ::qmp::{Event, Qmp, QmpError};
use hypervisor::DriverError;

pub(crate) trait During {
    /// Wraps for the driver's caller.
    fn during(self, what: &str) -> DriverError;
}

impl During for QmpError {
    fn during(self, what: &str) -> DriverError {
        DriverError::Hypervisor {
            what: what.to_owned(),
            why: self.to_string(),
        }
    }
}
