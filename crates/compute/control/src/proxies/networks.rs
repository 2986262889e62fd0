//! Networks under compute's own old routes, through the network service.

use clients::image::segment;
pub use clients::network::Network;
use clients::network::{self};

use super::refused;
use crate::{Context, Control, Result, policy};

/// The networks on which the caller's project may boot: its own, then shared ones.
///
/// # Errors
/// 403 by policy.
pub async fn list(control: &Control, cx: &Context) -> Result<Vec<Network>> {
    policy::allow(control, cx)?;
    let own = format!("project_id={}&shared=false", segment(cx.project()?));
    let mut found = network::networks(&control.network, cx.token(), &own).await?;
    found.extend(network::networks(&control.network, cx.token(), "shared=true").await?);
    Ok(found)
}

/// One network.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Network> {
    policy::allow(control, cx)?;
    let found = network::network(&control.network, cx.token(), id).await;
    found.map_err(|error| refused(error, "Network not found"))
}
