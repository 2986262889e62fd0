//! What a guest is started from.

use bus::Failure;
use compute_model::Server;
use compute_model::disk_device::DiskPlace;
use hypervisor::{ConfigDrive, ServerSpec};

use crate::failure::of_driver;
use crate::images::{self, Hold, Root};
use crate::spec::{self, Extras};
use crate::{Host, volumes};

/// The description to start from: the one kept here (it has the config drive as it was made), or,
/// when this host lost it, a new one. The holds keep its files until the server's record names them.
pub async fn described(host: &Host, server: &Server) -> Result<(ServerSpec, Vec<Hold>), Failure> {
    let kept = host.driver.spec(&server.id).await;
    if let Some(kept) = kept.map_err(|error| of_driver(&error))? {
        let mut renewed = spec::renewed(kept, server)?;
        renewed.volumes = volumes::of(server, host.seal())?;
        return Ok((renewed, Vec::new()));
    }
    let (root, holds) = images::of_server(host, server).await?;
    let (spec, _) = new(host, server, root, &Extras::default()).await?;
    Ok((spec, holds))
}

/// The description of a server that is new on this host, and where its guest finds the disks with tags, of which its
/// config drive tells; None when no disk has a tag.
///
/// # Errors
/// As of [`spec::new`]; or the driver cannot start such a guest.
pub async fn new(
    host: &Host,
    server: &Server,
    root: Root,
    extras: &Extras<'_>,
) -> Result<(ServerSpec, Option<Vec<DiskPlace>>), Failure> {
    let mut described = spec::new(server, root, extras, &host.settings)?;
    described.volumes = volumes::of(server, host.seal())?;
    let places = disk_places(host, server, &described).await?;
    if let (Some(places), Some(drive)) = (&places, &mut described.config_drive) {
        *drive = telling(host, server, places.clone(), extras)?;
    }
    Ok((described, places))
}

/// A config drive that tells where the disks with tags are.
///
/// # Errors
/// As of [`spec::config_drive`].
pub fn telling(
    host: &Host,
    server: &Server,
    places: Vec<DiskPlace>,
    extras: &Extras<'_>,
) -> Result<ConfigDrive, Failure> {
    let told = Server {
        disk_places: places,
        ..server.clone()
    };
    spec::config_drive(&told, extras, &host.settings)
}

/// Where a guest that is started by this description finds its disks with tags; None when no disk has a tag. A driver
/// that does not know tells of none.
///
/// # Errors
/// The driver cannot start such a guest.
pub async fn disk_places(
    host: &Host,
    server: &Server,
    described: &ServerSpec,
) -> Result<Option<Vec<DiskPlace>>, Failure> {
    if server.tagged_disks().is_empty() {
        return Ok(None);
    }
    let Some(able) = host.driver.disk_places() else {
        return Ok(Some(Vec::new()));
    };
    let places = able.disk_places(described).await;
    places.map(Some).map_err(|error| of_driver(&error))
}
