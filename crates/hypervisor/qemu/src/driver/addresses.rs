//! Where the devices of a running guest sit.

use hypervisor::Result;
use serde_json::{Value, json};

use crate::addresses::{Address, Addresses};
use crate::args::place_property;
use crate::guest::Guest;
use crate::qmp::{During, QmpError};

/// Devices with a name hang here.
const NAMED: &str = "/machine/peripheral";

/// The addresses of all named devices, as QEMU says them.
///
/// # Errors
/// `Hypervisor`.
pub(super) async fn of(guest: &Guest) -> Result<Addresses> {
    let during = |error: QmpError| error.during("look where the guest's devices are");
    let listed = guest.qmp.execute("qom-list", json!({"path": NAMED})).await;
    let listed = listed.map_err(during)?;
    let mut addresses = Addresses::new();
    for child in listed.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |key: &str| child.get(key).and_then(Value::as_str).unwrap_or_default();
        if !text("type").starts_with("child<") {
            continue;
        }
        let name = text("name");
        let get = |property: &'static str| {
            let asked = json!({"path": format!("{NAMED}/{name}"), "property": property});
            guest.qmp.execute("qom-get", asked)
        };
        // The path of a bus ends with the bus's name.
        let bus = get("parent_bus").await.map_err(during)?;
        let bus = bus.as_str().and_then(|path| path.rsplit('/').next());
        let Some((bus, property)) = bus.and_then(|bus| Some((bus, place_property(bus)?))) else {
            continue;
        };
        let place = get(property).await.map_err(during)?;
        // The port of a USB device is a text.
        let number = place.as_str().and_then(|text| text.parse().ok());
        let place = place.as_u64().or(number);
        let place = place.and_then(|place| u32::try_from(place).ok());
        let bus = Some(bus.to_owned());
        addresses.insert(name.to_owned(), Address { bus, place });
    }
    Ok(addresses)
}
