//! Network cards of servers that are here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::agent::Plug;
use compute_rpc::code;

use crate::failure::{of_driver, unsupported};
use crate::numbers::epoch;
use crate::{Host, spec};

/// Plugs a card into a guest, or unplugs it. Repeating it is harmless.
pub async fn plug(host: Arc<Host>, _context: Context, message: Plug) -> Result<(), Failure> {
    let (server, port_id) = (&message.server, message.port_id.as_str());
    let able = host.driver.hotplug_nic();
    let able = able.ok_or_else(|| unsupported("change the network cards of a server"))?;
    let done = match message.plugged {
        true => {
            let nics = spec::nics(server)?;
            let nic = nics.iter().find(|nic| nic.port_id == port_id);
            let nic = nic.ok_or_else(|| {
                Failure::new(code::BAD_REQUEST, "the server has no card for this port")
            })?;
            able.attach_nic(&server.id, epoch(server.epoch), nic).await
        }
        false => {
            let epoch = epoch(server.epoch);
            able.detach_nic(&server.id, epoch, port_id).await
        }
    };
    done.map_err(|error| of_driver(&error))
}
