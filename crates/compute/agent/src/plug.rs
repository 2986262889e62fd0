//! Network cards and volumes of servers that are here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::agent::{Plug, PlugVolume, ResizeVolume};
use compute_rpc::code;

use hypervisor::{DriverError, HotplugVolume};

use crate::failure::{of_driver, unsupported};
use crate::numbers::device_command;
use crate::{Host, spec, volumes};

/// Plugs a card into a guest, or unplugs it. Repeating it is harmless.
pub async fn plug(host: Arc<Host>, _context: Context, message: Plug) -> Result<(), Failure> {
    let (server, port_id) = (&message.server, message.port_id.as_str());
    let able = host.driver.hotplug_nic();
    let able = able.ok_or_else(|| unsupported("change the network cards of a server"))?;
    let command = device_command(server);
    let done = match message.plugged {
        true => {
            let nics = spec::nics(server)?;
            let nic = nics.iter().find(|nic| nic.port_id == port_id);
            let nic = nic.ok_or_else(|| {
                Failure::new(code::BAD_REQUEST, "the server has no card for this port")
            })?;
            able.attach_nic(&server.id, command, nic).await
        }
        false => able.detach_nic(&server.id, command, port_id).await,
    };
    done.map_err(|error| of_driver(&error))
}

/// Plugs a volume into a guest, or unplugs it. Repeating it is harmless.
pub async fn plug_volume(
    host: Arc<Host>,
    _context: Context,
    message: PlugVolume,
) -> Result<(), Failure> {
    let (server, volume_id) = (&message.server, message.volume_id.as_str());
    let able = volumes_of(&host)?;
    let command = device_command(server);
    let done = match message.plugged {
        true => {
            let volumes = volumes::of(server, host.seal())?;
            let volume = volumes.iter().find(|volume| volume.id == volume_id);
            let volume = volume.ok_or_else(|| {
                Failure::new(code::BAD_REQUEST, "the server does not have this volume")
            })?;
            able.attach_volume(&server.id, command, volume).await
        }
        false => match able.detach_volume(&server.id, command, volume_id).await {
            // Where there is no guest, nothing has the volume.
            Err(DriverError::NotFound { .. }) => Ok(()),
            other => other,
        },
    };
    done.map_err(|error| of_driver(&error))
}

/// Shows a guest the size that a volume has by now.
pub async fn resize_volume(
    host: Arc<Host>,
    _context: Context,
    message: ResizeVolume,
) -> Result<(), Failure> {
    let able = volumes_of(&host)?;
    let done = able.resize_volume(&message.server_id, &message.volume_id);
    done.await.map_err(|error| of_driver(&error))
}

fn volumes_of(host: &Host) -> Result<&dyn HotplugVolume, Failure> {
    let able = host.driver.hotplug_volume();
    able.ok_or_else(|| unsupported("change the volumes of a server"))
}
