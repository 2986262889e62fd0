//! What compute remembers of a server's ports, brought up to date.

use std::collections::BTreeMap;

use clients::network::{self, FixedIp, FloatingIp, Port, Subnet};
use compute_db::servers;
use compute_model::Server;
use compute_model::network::{FixedAddress, Route, Vif};

use crate::{Control, ControlError, Result};

/// Asks the network service for the server's ports and notes what changed: addresses, floating
/// addresses, whether they carry traffic. Ports that are gone are forgotten.
pub(crate) async fn refresh(control: &Control, server: &Server) -> Result<()> {
    if server.vifs.is_empty() {
        return Ok(());
    }
    let service = &control.network;
    let id = server.id.as_str();
    let ports = control
        .session
        .with(|token| async move { network::ports_of(service, &token, id).await })
        .await?;
    let ids: Vec<&str> = ports.iter().map(|port| port.id.as_str()).collect();
    let asked = ids.as_slice();
    let floating = control
        .session
        .with(|token| async move { network::floating_ips(service, &token, asked).await })
        .await?;
    let subnets = unknown_subnets(control, server, &ports).await?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = match servers::lock(&tx, id).await {
            Err(compute_db::DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        let vifs = updated(&server.vifs, &ports, &floating, &subnets);
        if vifs != server.vifs {
            server.vifs = vifs;
            servers::save(&tx, &mut server).await?;
            tx.commit().await?;
        }
        Ok::<_, ControlError>(())
    })
    .await
}

/// Subnets of addresses that are new to us.
async fn unknown_subnets(
    control: &Control,
    server: &Server,
    ports: &[Port],
) -> Result<BTreeMap<String, Subnet>> {
    let known = |fixed: &FixedIp| {
        let mut addresses = server.vifs.iter().flat_map(|vif| &vif.addresses);
        addresses.any(|address| address.address == fixed.ip_address)
    };
    let mut ids: Vec<&str> = ports
        .iter()
        .flat_map(|port| &port.fixed_ips)
        .filter(|fixed| !known(fixed))
        .map(|fixed| fixed.subnet_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let (service, ids) = (&control.network, ids.as_slice());
    let found = control
        .session
        .with(|token| async move { network::subnets(service, &token, ids).await })
        .await?;
    Ok(found
        .into_iter()
        .map(|subnet| (subnet.id.clone(), subnet))
        .collect())
}

/// The ports that are left, in their old order.
fn updated(
    old: &[Vif],
    ports: &[Port],
    floating: &[FloatingIp],
    subnets: &BTreeMap<String, Subnet>,
) -> Vec<Vif> {
    old.iter()
        .filter_map(|vif| {
            let port = ports.iter().find(|port| port.id == vif.port_id)?;
            let addresses = port.fixed_ips.iter().map(|fixed| {
                let known = vif
                    .addresses
                    .iter()
                    .find(|address| address.address == fixed.ip_address);
                let mut address = match known {
                    Some(address) => address.clone(),
                    None => described(fixed, subnets.get(&fixed.subnet_id)),
                };
                address.floating = floating
                    .iter()
                    .filter(|one| one.port_id.as_ref() == Some(&port.id))
                    .filter(|one| one.fixed_ip_address == Some(fixed.ip_address))
                    .map(|one| one.floating_ip_address)
                    .collect();
                address
            });
            Some(Vif {
                mac: port.mac_address.clone(),
                active: port.status == "ACTIVE",
                addresses: addresses.collect(),
                ..vif.clone()
            })
        })
        .collect()
}

fn described(fixed: &FixedIp, subnet: Option<&Subnet>) -> FixedAddress {
    let mut address = FixedAddress {
        address: fixed.ip_address,
        subnet_id: fixed.subnet_id.clone(),
        cidr: String::new(),
        gateway: None,
        dns: Vec::new(),
        routes: Vec::new(),
        dhcp: false,
        floating: Vec::new(),
    };
    if let Some(subnet) = subnet {
        address.cidr.clone_from(&subnet.cidr);
        address.gateway = subnet.gateway_ip;
        address.dns.clone_from(&subnet.dns_nameservers);
        address.dhcp = subnet.enable_dhcp;
        address.routes = subnet
            .host_routes
            .iter()
            .map(|route| Route {
                destination: route.destination.clone(),
                nexthop: route.nexthop,
            })
            .collect();
    }
    address
}
