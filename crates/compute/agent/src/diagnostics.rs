//! Counters of guests that are here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_model::diagnostics::GuestDiagnostics;
use compute_rpc::agent::Diagnose;

use crate::Host;
use crate::failure::{of_driver, unsupported};

/// What the driver can say of a guest.
pub async fn diagnose(
    host: Arc<Host>,
    _context: Context,
    message: Diagnose,
) -> Result<GuestDiagnostics, Failure> {
    let able = host.driver.diagnostics();
    let able = able.ok_or_else(|| unsupported("say how a guest is"))?;
    let found = able.diagnostics(&message.server_id).await;
    found.map_err(|error| of_driver(&error))
}
