//! Numbers of rows and messages as drivers count them, and back.

use compute_model::{PowerState, Server};
use hypervisor::DeviceCommand;

/// The driver's power state in the model's words; both have Nova's numbers.
pub fn power(state: hypervisor::PowerState) -> PowerState {
    PowerState::try_from(state.number()).unwrap_or_default()
}

/// The place of a command about one of the server's devices.
pub fn device_command(server: &Server) -> DeviceCommand {
    DeviceCommand {
        epoch: epoch(server.epoch),
        number: u64::try_from(server.device_command).unwrap_or_default(),
    }
}

/// Epochs are counted up from one; a negative one never existed.
pub fn epoch(epoch: i64) -> u64 {
    u64::try_from(epoch).unwrap_or_default()
}
