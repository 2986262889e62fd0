//! Fixed addresses added to a server's ports and taken from them, as until 2.43; the network service keeps them.

use std::net::IpAddr;

use clients::image::segment;
use clients::network::{self, Port};
use compute_model::Server;
use http::Method;
use serde_json::{Value, json};

use super::refused;
use crate::servers::{load, unlocked, vifs};
use crate::{Context, Control, ControlError, Result};

/// Gives the server's port on a network an address more, of the first subnet that has one left.
///
/// # Errors
/// 404, 403 by policy, 409 for a locked server; 400 for a network on which the server has no port, and one without addresses.
pub async fn add(control: &Control, cx: &Context, id: &str, network_id: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    unlocked(control, cx, &server)?;
    let none = || ControlError::Invalid {
        why: format!("Network could not be found for instance {}.", server.id),
    };
    let ports = network::ports_of(&control.network, cx.token(), &server.id).await?;
    let port = ports.iter().find(|port| port.network_id == network_id);
    let port = port.ok_or_else(none)?;
    let subnets = subnets(control, cx, network_id).await?;
    let mut last = none();
    for subnet in subnets {
        let mut addresses = kept(port, None);
        addresses.push(json!({"subnet_id": subnet}));
        match put(control, cx, &server, port, &addresses).await {
            Ok(()) => return Ok(()),
            Err(error @ (ControlError::Conflict { .. } | ControlError::Invalid { .. })) => {
                last = error;
            }
            Err(other) => return Err(other),
        }
    }
    Err(match last {
        ControlError::Conflict { why } => ControlError::Invalid { why },
        other => other,
    })
}

/// Takes an address from the server's port that has it.
///
/// # Errors
/// 404, 403 by policy, 409 for a locked server; 400 for an address that the server does not have.
pub async fn remove(control: &Control, cx: &Context, id: &str, address: IpAddr) -> Result<()> {
    let server = load(control, cx, id).await?;
    unlocked(control, cx, &server)?;
    let ports = network::ports_of(&control.network, cx.token(), &server.id).await?;
    let has = |port: &&Port| {
        port.fixed_ips
            .iter()
            .any(|fixed| fixed.ip_address == address)
    };
    let port = ports
        .iter()
        .find(has)
        .ok_or_else(|| ControlError::Invalid {
            why: format!(
                "Fixed IP not found for instance {} with address {address}.",
                server.id
            ),
        })?;
    put(control, cx, &server, port, &kept(port, Some(address))).await
}

/// The addresses of a port but one, as a change of the port names them.
fn kept(port: &Port, without: Option<IpAddr>) -> Vec<Value> {
    let all = port.fixed_ips.iter();
    all.filter(|fixed| Some(fixed.ip_address) != without)
        .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.ip_address}))
        .collect()
}

/// The ids of the network's subnets that the caller sees.
async fn subnets(control: &Control, cx: &Context, network_id: &str) -> Result<Vec<String>> {
    let found = network::network(&control.network, cx.token(), network_id).await;
    Ok(found
        .map_err(|error| refused(error, "Network could not be found."))?
        .subnets)
}

async fn put(
    control: &Control,
    cx: &Context,
    server: &Server,
    port: &Port,
    addresses: &[Value],
) -> Result<()> {
    let path = format!("/v2.0/ports/{}", segment(&port.id));
    let body = json!({"port": {"fixed_ips": addresses}});
    let done = control
        .network
        .json::<Value>(Method::PUT, &path, cx.token(), Some(&body))
        .await;
    done.map_err(|error| refused(error, "Port could not be found."))?;
    // The network service says so too, and later.
    vifs::refresh(control, server).await
}
