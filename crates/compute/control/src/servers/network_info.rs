//! `injectNetworkInfo`: a server's addresses are read anew from the network service. Guests learn them by DHCP; nothing is
//! written into them, as with Nova's drivers for KVM.

use super::{load, unlocked, vifs};
use crate::{Context, Control, Result};

/// Reads the addresses of a server's ports anew.
///
/// # Errors
/// 404, 403 by policy, 409 for a locked server.
pub async fn inject(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    unlocked(control, cx, &server)?;
    vifs::refresh(control, &server).await
}
