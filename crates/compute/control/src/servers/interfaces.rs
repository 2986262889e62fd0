//! The ports of a server, as the network service has them.

use clients::network;
use compute_model::Server;

use super::load;
use crate::{Context, Control, ControlError, Result};

pub use clients::network::Port;

/// The ports of a server, with the server.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<(Server, Vec<Port>)> {
    let server = load(control, cx, id).await?;
    let ports = network::ports_of(&control.network, cx.token(), id).await?;
    Ok((server, ports))
}

/// One port of a server, with the server.
///
/// # Errors
/// 404 for server or port, 403 by policy.
pub async fn show(
    control: &Control,
    cx: &Context,
    id: &str,
    port_id: &str,
) -> Result<(Server, Port)> {
    let server = load(control, cx, id).await?;
    let missing = |why: String| ControlError::NotFound { why };
    let port = match network::port(&control.network, cx.token(), port_id).await {
        Err(error) if error.is_not_found() => {
            return Err(missing(format!("Port id {port_id} could not be found.")));
        }
        other => other?,
    };
    match port.device_id == server.id {
        true => Ok((server, port)),
        false => Err(missing(format!(
            "Instance {id} does not have a port with id {port_id}"
        ))),
    }
}

/// The addresses of a server, for both routes under `ips`.
///
/// # Errors
/// 404, 403 by policy.
pub async fn addresses(control: &Control, cx: &Context, id: &str) -> Result<Server> {
    load(control, cx, id).await
}
