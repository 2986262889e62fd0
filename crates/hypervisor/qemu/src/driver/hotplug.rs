//! Adding devices to a running guest and taking them from it.

use std::time::{Duration, Instant};

use hypervisor::{DriverError, PowerState, Result};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{Host, busy};
use crate::args;
use crate::guest::Guest;
use crate::layout::Layout;
use crate::machines::{Chipset, chipset};
use crate::qmp::{During, QmpError};
use crate::record::Record;

/// How often a guest is asked to let go of a device. One that is still booting does not hear it, and QEMU takes no second
/// request within five seconds.
const ASK: Duration = Duration::from_millis(5200);
/// More root ports than a machine has.
const PORTS: usize = 256;

impl Host {
    /// Devices of this server's guest come and go on root ports alone.
    pub(super) fn q35(&self, record: &Record) -> bool {
        chipset(args::machine_type(record, &self.settings)) == Some(Chipset::Q35)
    }

    /// How long a guest is asked to let go of a device.
    pub(super) fn unplug_limit(&self) -> Duration {
        Duration::from_secs(self.settings.unplug_timeout_s)
    }

    /// Refuses to change the devices of a suspended server: its saved memory knows those that it had.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn awake(&self, layout: &Layout, record: &Record) -> Result<()> {
        match record.power == PowerState::Suspended && layout.memory().exists() {
            false => Ok(()),
            true => Err(busy(layout.id(), "it is suspended")),
        }
    }
}

/// Adds a device; on q35, where `port` is set, at the first root port that is free.
///
/// # Errors
/// `Unsupported` when the machine has no place left.
pub(super) async fn add_device(
    guest: &Guest,
    mut device: Map<String, Value>,
    port: bool,
    what: &str,
) -> Result<()> {
    for number in 0..PORTS {
        if port {
            device.insert("bus".to_owned(), Value::from(args::port(number)));
            // Unasked, QEMU puts a second device into a slot of the port that no guest looks at.
            device.insert("addr".to_owned(), Value::from("0.0"));
        }
        let asked = Value::Object(device.clone());
        match guest.qmp.execute("device_add", asked).await {
            Ok(_) => return Ok(()),
            Err(error) if port && taken(&error) => {}
            Err(error) if taken(&error) || (port && no_port(&error)) => break,
            Err(error) => return Err(error.during(what)),
        }
    }
    Err(DriverError::Unsupported {
        what: format!("{what}: its machine has no free place for a device"),
    })
}

/// Something sits there.
fn taken(error: &QmpError) -> bool {
    matches!(error, QmpError::Refused { text, .. }
        if text.starts_with("PCI: ") && text.contains("available for"))
}

fn no_port(error: &QmpError) -> bool {
    matches!(error, QmpError::Refused { text, .. } if text.starts_with("Bus 'spare"))
}

/// Is it because there is no such device?
pub(super) fn unknown_device(error: &QmpError) -> bool {
    matches!(error, QmpError::Refused { class, .. } if class == "DeviceNotFound")
}

/// Asks the guest to let go of a device, again and again, until it did. A device that is not there is success.
///
/// # Errors
/// `Hypervisor`, after `limit` or when the device sits where none can be taken out.
pub(super) async fn remove_device(
    guest: &Guest,
    device: &str,
    limit: Duration,
    what: &str,
) -> Result<()> {
    let during = |error: QmpError| error.during(what);
    let began = Instant::now();
    let mut events = guest.qmp.events().ok_or_else(|| during(QmpError::Closed))?;
    let mut first = true;
    loop {
        match guest.qmp.execute("device_del", json!({"id": device})).await {
            Ok(_) => {}
            Err(error) if unknown_device(&error) => return Ok(()),
            // A request is under way; whether from this call or an earlier one, its end is waited for.
            Err(QmpError::Refused { text, .. })
                if !first || text.contains("in the process of unplug") => {}
            Err(error) => return Err(during(error)),
        }
        first = false;
        let gone = async {
            loop {
                match events.recv().await {
                    Ok(event)
                        if event.name == "DEVICE_DELETED" && event.data["device"] == device =>
                    {
                        return Ok(());
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(during(QmpError::Closed)),
                }
            }
        };
        let left = limit.saturating_sub(began.elapsed());
        if let Ok(gone) = tokio::time::timeout(left.min(ASK), gone).await {
            return gone;
        }
        if began.elapsed() >= limit {
            return Err(DriverError::Hypervisor {
                what: what.to_owned(),
                why: format!("the guest did not let go of it in {} s", limit.as_secs()),
            });
        }
    }
}
