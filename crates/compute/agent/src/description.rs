//! What a guest is started from.

use bus::Failure;
use compute_model::Server;
use hypervisor::ServerSpec;

use crate::Host;
use crate::failure::of_driver;
use crate::images::{self, Hold};
use crate::spec::{self, Extras};

/// The description to start from: the one kept here (it has the config drive as it was made), or,
/// when this host lost it, a new one. The holds keep its files until the server's record names them.
pub async fn described(host: &Host, server: &Server) -> Result<(ServerSpec, Vec<Hold>), Failure> {
    let kept = host.driver.spec(&server.id).await;
    if let Some(kept) = kept.map_err(|error| of_driver(&error))? {
        return Ok((spec::renewed(kept, server)?, Vec::new()));
    }
    let (image, holds) = images::of_server(host, server).await?;
    let spec = spec::new(server, image, &Extras::default(), &host.settings)?;
    Ok((spec, holds))
}
