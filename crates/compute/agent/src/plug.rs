//! Network cards and volumes of servers that are here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::agent::{Plug, PlugVolume, Replace, ReplaceVolume, Replaced, ResizeVolume};
use compute_rpc::code;

use hypervisor::{DriverError, HotplugVolume, Replacing};

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

/// Has another volume take the place of one that a guest has, or tells how that stands. Repeating it is harmless.
pub async fn replace_volume(
    host: Arc<Host>,
    _context: Context,
    message: ReplaceVolume,
) -> Result<Replaced, Failure> {
    let able = host.driver.replace_volume();
    let able = able.ok_or_else(|| unsupported("replace a volume of a server"))?;
    let (mut server, wish) = (message.server, message.wish);
    let command = device_command(&server);
    for volume in &mut server.volumes {
        if volume.volume_id == message.volume_id {
            volume.connection = Some(message.new.clone());
        }
    }
    let volumes = volumes::of(&server, host.seal())?;
    let new = volumes.iter().find(|one| one.id == message.volume_id);
    let new =
        new.ok_or_else(|| Failure::new(code::BAD_REQUEST, "the server does not have this volume"))?;
    let done = match wish {
        Replace::Look => able.look_at_copy(&server.id, command, new).await,
        Replace::Copy => able.copy_volume(&server.id, command, new).await,
        Replace::Switch => able.switch_volume(&server.id, command, new).await,
        Replace::Keep => able.keep_volume(&server.id, command, new).await,
    };
    match done {
        // Where there is no guest, nothing is copied.
        Err(DriverError::NotFound { .. }) if matches!(wish, Replace::Look | Replace::Keep) => {
            Ok(Replaced::Idle)
        }
        Err(error) => Err(of_driver(&error)),
        Ok(Replacing::Idle) => Ok(Replaced::Idle),
        Ok(Replacing::Copying { copied, total }) => Ok(Replaced::Copying { copied, total }),
        Ok(Replacing::Ready) => Ok(Replaced::Ready),
        Ok(Replacing::Switched) => Ok(Replaced::Switched),
    }
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
