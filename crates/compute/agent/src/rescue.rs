//! The disk that a server is rescued by.

use bus::Failure;
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::rescue;
use compute_rpc::agent::Given;
use compute_rpc::{code, failure};
use hypervisor::{Rescue, RescueDevice, ServerSpec};

use crate::images::Hold;
use crate::numbers::epoch;
use crate::spec::{self, Extras};
use crate::{Host, description, images};

/// Writes into a description what its server is rescued by. The holds keep the files until the server's record names
/// them.
///
/// # Errors
/// The image cannot be had, or says what no guest has.
pub(crate) async fn describe(
    host: &Host,
    described: &mut ServerSpec,
    server: &Server,
    given: &Given,
) -> Result<Vec<Hold>, Failure> {
    let Some(wanted) = server.rescued_by() else {
        let text = "the server is not to be rescued";
        return Err(failure(code::BAD_REQUEST, Kind::Internal, text));
    };
    let unusable = |why: String| failure(code::BAD_REQUEST, Kind::ImageUnusable, why);
    let device = rescue::device(&wanted.image.properties).map_err(unusable)?;
    let (ready, holds) = images::ready_on(host, &wanted.image).await?;
    let root = server.rescue_name(device);
    let direct_boot = spec::direct_boot(&wanted.image, &ready.boot, &root)?;
    described.rescue = Some(Rescue {
        number: epoch(wanted.number),
        image: spec::image_ref(ready),
        direct_boot,
        config_drive: None,
        device: device.map(|device| RescueDevice {
            cdrom: device.cdrom,
            bus: device.bus,
        }),
    });
    if server.config_drive && given.admin_password.is_some() {
        // The disk of the rescue moves the others.
        let places = description::disk_places(host, server, described).await?;
        let extras = Extras::of(given);
        let drive = description::telling(host, server, places.unwrap_or_default(), &extras)?;
        if let Some(rescue) = &mut described.rescue {
            rescue.config_drive = Some(drive);
        }
    }
    Ok(holds)
}
