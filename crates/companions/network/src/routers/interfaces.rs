//! Interfaces of routers: ports that join it with subnets.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{give, interfaces, refuse_overlap};
use crate::addresses::{self, Wish};
use crate::core::Cx;
use crate::db::sharing;
use crate::db::store::{self, Tx, read_json};
use crate::fault::{Fault, Result, kinds};
use crate::owners;
use crate::port_life::{self, NewPort};
use crate::ranges::{Route, range};
use crate::tables::{allocations, floatingips, networks, ports as port_table, routers, subnets};
use crate::views::{self, View};
use crate::words::{Status, VifType};
use crate::{forwardings, subnets as subnet_logic};

/// Connects a router with a subnet, by the subnet or by a port that exists.
pub async fn add_interface(cx: &Cx<'_>, tx: &Tx, row: routers::Model, body: &View) -> Result<View> {
    let (subnet_id, port_id) = interface_body(body)?;
    let existing = connected(tx, &row.id).await?;
    let port = match (subnet_id, port_id) {
        (Some(_), Some(_)) => {
            return Err(Fault::BadRouter(
                "Cannot specify both subnet-id and port-id".to_owned(),
            ));
        }
        (Some(id), None) => {
            let (subnet, network) = joinable(cx, tx, &id).await?;
            if let Some((_, old)) = existing.iter().find(|(_, old)| old.id == subnet.id) {
                return Err(Fault::BadRouter(format!(
                    "Router already has a port on subnet {}",
                    old.id
                )));
            }
            for (_, old) in &existing {
                refuse_overlap(&subnet, old)?;
            }
            let gateway = subnet.gateway_ip.as_ref().and_then(|ip| ip.parse().ok());
            let Some(ip) = gateway else {
                return Err(Fault::BadRouter(
                    "Subnet for router interface must have a gateway IP".to_owned(),
                ));
            };
            let new = NewPort {
                owner: owners::ROUTER_INTERFACE,
                device_id: &row.id,
                project: &row.project_id,
            };
            let port = port_life::make(tx, cx.core, &network, new).await?;
            let wish = Wish {
                subnet_id: Some(subnet.id),
                ip_address: Some(ip),
            };
            give(tx, cx.core, &port, Some(vec![wish])).await?;
            port
        }
        (None, Some(id)) => take_port(cx, tx, &row, &existing, &id).await?,
        (None, None) => {
            return Err(Fault::BadRouter(
                "Either subnet_id or port_id must be specified".to_owned(),
            ));
        }
    };
    let view = interface_view(tx, &row, &port).await?;
    store::save(tx, row).await?;
    Ok(view)
}

/// A subnet that the caller may put a router on, with its network: the router takes the gateway's address, so the
/// subnet or its network must be the caller's own, unless an admin asks.
async fn joinable(cx: &Cx<'_>, tx: &Tx, id: &str) -> Result<(subnets::Model, networks::Model)> {
    let scope = subnet_logic::scope(cx);
    let found = subnets::Entity::find_by_id(id.to_owned()).filter(scope);
    let subnet = found.one(tx).await?;
    let subnet = subnet.ok_or_else(|| crate::fault::missing(&kinds::SUBNET, id))?;
    let network = store::get::<networks::Entity>(tx, &kinds::NETWORK, &subnet.network_id).await?;
    if !cx.is_admin() && subnet.project_id != cx.project() && network.project_id != cx.project() {
        return Err(Fault::BadRouter(format!(
            "Cannot add interface to router because subnet {id} is not owned by project making the request"
        )));
    }
    refuse_external(cx, tx, &network).await?;
    Ok((subnet, network))
}

/// Only the owner of an external network joins its own routers with it as if it were an inside one.
async fn refuse_external(cx: &Cx<'_>, tx: &Tx, network: &networks::Model) -> Result<()> {
    let may = cx.is_admin() || network.project_id == cx.project();
    if !may && sharing::is_external(tx, &network.id).await? {
        return Err(Fault::BadRouter(format!(
            "Network {} is external: a router joins it with its gateway",
            network.id
        )));
    }
    Ok(())
}

fn interface_body(body: &View) -> Result<(Option<String>, Option<String>)> {
    let read = |name: &str| -> Result<Option<String>> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let parsed = crate::attributes::kinds::uuid(value)
                    .map_err(|why| crate::fault::invalid(name, why))?;
                Ok(parsed.as_str().map(str::to_owned))
            }
        }
    };
    Ok((read("subnet_id")?, read("port_id")?))
}

/// Makes an existing port an interface of the router.
async fn take_port(
    cx: &Cx<'_>,
    tx: &Tx,
    row: &routers::Model,
    existing: &[(port_table::Model, subnets::Model)],
    id: &str,
) -> Result<port_table::Model> {
    let mut port = store::get::<port_table::Entity>(tx, &kinds::PORT, id).await?;
    if !cx.is_admin() && port.project_id != cx.project() {
        return Err(crate::fault::missing(&kinds::PORT, id));
    }
    // As in Neutron, also where the device is this router.
    if !port.device_id.is_empty() {
        return Err(Fault::PortInUse {
            port: port.id,
            network: port.network_id,
            device: port.device_id,
        });
    }
    let network = store::get::<networks::Entity>(tx, &kinds::NETWORK, &port.network_id).await?;
    refuse_external(cx, tx, &network).await?;
    let held = addresses::of_port(tx, &port.id).await?;
    if held.is_empty() {
        return Err(Fault::BadRouter(format!(
            "Port {id} has no fixed IPs assigned"
        )));
    }
    let v4 = |ip: &&allocations::Model| ip.ip_address.parse::<Ipv4Addr>().is_ok();
    if held.iter().filter(v4).count() > 1 {
        return Err(Fault::BadRouter(
            "Cannot have multiple IPv4 subnets on router port".to_owned(),
        ));
    }
    for one in &held {
        let subnet = store::get::<subnets::Entity>(tx, &kinds::SUBNET, &one.subnet_id).await?;
        for (other, old) in existing {
            if other.id != port.id {
                refuse_overlap(&subnet, old)?;
            }
        }
    }
    port.device_id = row.id.clone();
    port.device_owner = owners::ROUTER_INTERFACE.to_owned();
    port.port_security_enabled = false;
    // What guards a server would stop what a router passes on, and cannot stay without port security.
    port.allowed_address_pairs = "[]".to_owned();
    port_life::clear_groups(tx, &port.id).await?;
    port.host = cx.core.settings.host.clone();
    port.vif_type = VifType::Bridge;
    if cx.core.settings.plane == crate::settings::PlaneKind::None {
        port.status = Status::Active;
    }
    store::save(tx, port).await
}

/// The subnets that a router serves, with the port on each.
async fn connected(tx: &Tx, router_id: &str) -> Result<Vec<(port_table::Model, subnets::Model)>> {
    let mut found = Vec::new();
    for port in interfaces(tx, router_id).await? {
        for held in addresses::of_port(tx, &port.id).await? {
            let subnet = store::get::<subnets::Entity>(tx, &kinds::SUBNET, &held.subnet_id).await?;
            found.push((port.clone(), subnet));
        }
    }
    Ok(found)
}

async fn interface_view(tx: &Tx, row: &routers::Model, port: &port_table::Model) -> Result<View> {
    let held = addresses::of_port(tx, &port.id).await?;
    let subnets: Vec<&str> = held.iter().map(|held| held.subnet_id.as_str()).collect();
    let mut view = views::owned(&row.id, &row.project_id);
    views::fill(
        &mut view,
        json!({
            "port_id": port.id, "network_id": port.network_id,
            "subnet_id": subnets.first(), "subnet_ids": subnets,
            "tags": [],
        }),
    );
    Ok(view)
}

/// Disconnects a router from a subnet, or from the subnets of a port.
pub async fn remove_interface(tx: &Tx, row: routers::Model, body: &View) -> Result<View> {
    let (subnet_id, port_id) = interface_body(body)?;
    let existing = connected(tx, &row.id).await?;
    let port = match (&subnet_id, &port_id) {
        (_, Some(id)) => {
            let found = existing.iter().find(|(port, _)| &port.id == id);
            let (port, subnet) =
                found.ok_or_else(|| Fault::RouterInterfaceNotFound(row.id.clone(), id.clone()))?;
            if subnet_id
                .as_ref()
                .is_some_and(|wanted| *wanted != subnet.id)
            {
                return Err(Fault::BadRouter(
                    "subnet_id does not match the port's".to_owned(),
                ));
            }
            port
        }
        (Some(id), None) => {
            let found = existing
                .iter()
                .find(|(_, subnet)| &subnet.id == id)
                .map(|(port, _)| port);
            found.ok_or_else(|| {
                Fault::RouterInterfaceNotFoundForSubnet(row.id.clone(), id.clone())
            })?
        }
        (None, None) => {
            return Err(Fault::BadRouter(
                "Either subnet_id or port_id must be specified".to_owned(),
            ));
        }
    };
    for (other, subnet) in &existing {
        if other.id == port.id {
            still_needed(tx, &row, subnet).await?;
        }
    }
    let view = interface_view(tx, &row, port).await?;
    port_life::remove(tx, port).await?;
    store::save(tx, row).await?;
    Ok(view)
}

async fn still_needed(tx: &Tx, row: &routers::Model, subnet: &subnets::Model) -> Result<()> {
    let range = range(subnet)?;
    let carried = floatingips::Entity::find()
        .filter(floatingips::Column::RouterId.eq(row.id.as_str()))
        .all(tx)
        .await?;
    let ids: Vec<String> = carried.iter().map(|ip| ip.id.clone()).collect();
    let forwarded = forwardings::of(tx, &ids).await?;
    let forwarded = ids.iter().filter_map(|id| forwarded.get(id)).flatten();
    let fixed = carried
        .iter()
        .filter_map(|ip| ip.fixed_ip_address.as_ref())
        .chain(forwarded.map(|one| &one.internal_ip_address))
        .filter_map(|ip| ip.parse::<IpAddr>().ok());
    if fixed.into_iter().any(|ip| range.contains(&ip)) {
        return Err(Fault::RouterInterfaceInUseByFloatingIp {
            router: row.id.clone(),
            subnet: subnet.id.clone(),
        });
    }
    let routes: Vec<Route> = read_json(&row.routes)?;
    if routes.iter().any(|route| range.contains(&route.nexthop)) {
        return Err(Fault::RouterInterfaceInUseByRoute {
            router: row.id.clone(),
            subnet: subnet.id.clone(),
        });
    }
    Ok(())
}
