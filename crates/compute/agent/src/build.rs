//! A server must exist here and run; or it must be gone.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_model::PowerState;
use compute_rpc::agent::{Build, Destroy, Done};
use hypervisor::Keep;

use crate::failure::of_driver;
use crate::numbers::{epoch, power};
use crate::spec::Extras;
use crate::{Host, description, images, late};

/// Fetches the image, makes the disks, starts the guest. A server that runs already is success.
pub async fn build(host: Arc<Host>, _context: Context, message: Build) -> Result<Done, Failure> {
    let permit = host.builds.acquire().await;
    let server = &message.server;
    late::refuse(&host, server, message.sent_at).await?;
    // Held until the server's record names the files.
    let (root, _holds) = images::of_server(&host, server).await?;
    let extras = Extras {
        admin_password: message.admin_password.as_deref(),
        files: &message.injected_files,
    };
    let (described, disk_places) = description::new(&host, server, root, &extras).await?;
    let facts = host
        .driver
        .ensure_running(&described)
        .await
        .map_err(|error| of_driver(&error))?;
    drop(permit);
    Ok(Done {
        power_state: power(facts.power_state),
        disk_places,
    })
}

/// Removes the guest and everything of it. One that is not here is success.
pub async fn destroy(
    host: Arc<Host>,
    _context: Context,
    message: Destroy,
) -> Result<Done, Failure> {
    host.driver
        .ensure_gone(&message.server_id, epoch(message.epoch), Keep::Nothing)
        .await
        .map_err(|error| of_driver(&error))?;
    Ok(Done {
        power_state: PowerState::NoState,
        disk_places: None,
    })
}
