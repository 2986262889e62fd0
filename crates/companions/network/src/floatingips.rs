//! Floating addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};

use crate::addresses::{self, Receiver, Wish};
use crate::attributes::Attrs;
use crate::core::{Core, Cx};
use crate::db::gateways;
use crate::db::store::{self, Tx, among};
use crate::events::{self, Event};
use crate::fault::{Fault, Result, kinds, missing};
use crate::owners;
use crate::port_life::{self, NewPort};
use crate::tables::{allocations, floatingips, networks as network_table, ports as port_table};
use crate::views::{self, View};
use crate::words::Status;
use crate::{forwardings, networks, ties};

/// Which floating addresses the caller sees.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.sees_all() {
        Condition::all()
    } else {
        Condition::all().add(floatingips::Column::ProjectId.eq(cx.project()))
    }
}

/// Takes an address of an external network, and associates it if a port is named.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<floatingips::Model> {
    let network = networks::visible(cx, tx, &attrs.text("floating_network_id")).await?;
    if !networks::is_external_for(cx, tx, &network).await? {
        return Err(Fault::BadFloatingIp(format!(
            "Network {} is not a valid external network",
            network.id
        )));
    }
    let id = store::new_id();
    let new = NewPort {
        owner: owners::FLOATING_IP,
        device_id: &id,
        project: "",
    };
    let port = port_life::make(tx, cx.core, &network, new).await?;
    let ip = take_address(cx.core, tx, &port, attrs).await?;
    let now = store::now();
    let mut row = floatingips::Model {
        id,
        project_id: attrs.text("project_id"),
        description: attrs.text("description"),
        floating_network_id: network.id,
        floating_ip_address: ip.to_string(),
        floating_port_id: port.id,
        port_id: None,
        fixed_ip_address: None,
        router_id: None,
        status: Status::Down,
        dns_name: attrs.text("dns_name"),
        dns_domain: attrs.text("dns_domain"),
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    if let Some(port) = attrs.opt_text("port_id") {
        associate(cx, tx, &mut row, &port, attrs.opt_text("fixed_ip_address")).await?;
    } else if attrs.opt_text("fixed_ip_address").is_some() {
        return Err(Fault::BadFloatingIp(
            "fixed_ip_address cannot be specified without a port_id".to_owned(),
        ));
    }
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

/// An IPv4 address of the external network; the wished one if there is a wish.
async fn take_address(
    core: &Core,
    tx: &Tx,
    port: &port_table::Model,
    attrs: &Attrs,
) -> Result<IpAddr> {
    let mut subnets = addresses::subnets_locked(tx, &port.network_id).await?;
    subnets.retain(|subnet| subnet.ip_version == 4);
    if subnets.is_empty() {
        return Err(Fault::BadFloatingIp(format!(
            "Network {} does not contain any IPv4 subnet",
            port.network_id
        )));
    }
    let wish = Wish {
        subnet_id: attrs.opt_text("subnet_id"),
        ip_address: attrs
            .opt_text("floating_ip_address")
            .and_then(|ip| ip.parse().ok()),
    };
    let wishes = (wish.subnet_id.is_some() || wish.ip_address.is_some()).then(|| vec![wish]);
    let receiver = Receiver {
        port_id: &port.id,
        network_id: &port.network_id,
        mac: &port.mac_address,
        device_owner: &port.device_owner,
    };
    let given = addresses::choose(tx, core, &receiver, &subnets, wishes).await?;
    addresses::record(tx, &receiver, &given).await?;
    let first = given.first().map(|one| one.ip);
    first.ok_or_else(|| Fault::IpAddressGenerationFailure(port.network_id.clone()))
}

/// Ties the address to a fixed one of a port. The row is not saved here.
async fn associate(
    cx: &Cx<'_>,
    tx: &Tx,
    row: &mut floatingips::Model,
    port_id: &str,
    fixed: Option<String>,
) -> Result<()> {
    if forwardings::any(tx, &row.id).await? {
        return Err(Fault::FloatingIpForwards(row.id.clone()));
    }
    // Held, so that the port or its address cannot go unseen: see [`ties`].
    let port = store::hold::<port_table::Entity>(tx, port_id).await?;
    let port = port.ok_or_else(|| missing(&kinds::PORT, port_id))?;
    if port.project_id != row.project_id && !cx.is_admin() {
        return Err(match sees(cx, tx, &port).await? {
            true => Fault::BadFloatingIp(format!(
                "Cannot process floating IP association with Port {port_id}, since that port is owned by a different \
                 project"
            )),
            false => missing(&kinds::PORT, port_id),
        });
    }
    if port.device_owner == owners::DHCP {
        return Err(Fault::BadFloatingIp(format!(
            "Port {port_id} is unable to be assigned a floating IP"
        )));
    }
    let not_v4 = |ip: &&String| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    if let Some(ip) = fixed.as_ref().filter(not_v4) {
        return Err(Fault::BadFloatingIp(format!(
            "Cannot process floating IP association with {ip}, since that is not an IPv4 address"
        )));
    }
    let held = addresses::of_port(tx, &port.id).await?;
    let is_v4 = |held: &&allocations::Model| {
        held.ip_address
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_ipv4())
    };
    let v4: Vec<&allocations::Model> = held.iter().filter(is_v4).collect();
    let target = match (&fixed, v4.as_slice()) {
        (Some(ip), _) => *v4
            .iter()
            .find(|held| held.ip_address == *ip)
            .ok_or_else(|| {
                Fault::BadFloatingIp(format!("Port {port_id} does not have fixed ip {ip}"))
            })?,
        (None, [one]) => one,
        (None, []) => {
            return Err(Fault::BadFloatingIp(format!(
                "Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses"
            )));
        }
        (None, _) => {
            return Err(Fault::BadFloatingIp(format!(
                "Port {port_id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP"
            )));
        }
    };
    let taken = floatingips::Entity::find()
        .filter(floatingips::Column::PortId.eq(port_id))
        .filter(floatingips::Column::FixedIpAddress.eq(target.ip_address.as_str()))
        .filter(floatingips::Column::Id.ne(&row.id))
        .one(tx)
        .await?;
    if taken.is_some() {
        return Err(Fault::FixedIpInUse {
            ip: row.floating_ip_address.clone(),
            id: row.id.clone(),
            port: port_id.to_owned(),
            fixed: target.ip_address.clone(),
            net: row.floating_network_id.clone(),
        });
    }
    let router = gateways::way_out(tx, &target.subnet_id, &row.floating_network_id).await?;
    let router = router.ok_or_else(|| Fault::NoExternalGateway {
        net: row.floating_network_id.clone(),
        subnet: target.subnet_id.clone(),
        port: port_id.to_owned(),
    })?;
    row.port_id = Some(port.id.clone());
    row.fixed_ip_address = Some(target.ip_address.clone());
    row.router_id = Some(router);
    row.status = Status::Active;
    events::tell(tx, cx.core, Event::Changed, &port).await
}

/// Whether the caller sees the port: its own, or one on its network.
async fn sees(cx: &Cx<'_>, tx: &Tx, port: &port_table::Model) -> Result<bool> {
    if cx.sees_all() || port.project_id == cx.project() {
        return Ok(true);
    }
    let network = store::find::<network_table::Entity>(tx, &port.network_id).await?;
    Ok(network.is_some_and(|network| network.project_id == cx.project()))
}

/// Changes a floating address: description, and what it is tied to.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: floatingips::Model,
    attrs: &Attrs,
) -> Result<floatingips::Model> {
    attrs.put_text("description", &mut row.description);
    // As in Neutron, where the association was once all that could be changed: an update that names nothing ends it.
    let ended = attrs.named.is_empty().then_some(&Value::Null);
    if let Some(value) = attrs.get("port_id").or(ended) {
        if let Some(old) = row.port_id.clone()
            && value.as_str() != Some(old.as_str())
        {
            tell_port(cx.core, tx, &old).await?;
        }
        if row.port_id.is_some() {
            ties::untie(&mut row);
        }
        if let Some(port) = value.as_str() {
            associate(cx, tx, &mut row, port, attrs.opt_text("fixed_ip_address")).await?;
        }
    } else if let Some(fixed) = attrs.opt_text("fixed_ip_address") {
        let port = row.port_id.clone();
        let port = port.ok_or_else(|| {
            Fault::BadFloatingIp(
                "fixed_ip_address cannot be specified without a port_id".to_owned(),
            )
        })?;
        associate(cx, tx, &mut row, &port, Some(fixed)).await?;
    }
    store::save(tx, row).await
}

async fn tell_port(core: &Core, tx: &Tx, port_id: &str) -> Result<()> {
    match store::find::<port_table::Entity>(tx, port_id).await? {
        Some(port) => events::tell(tx, core, Event::Changed, &port).await,
        None => Ok(()),
    }
}

/// Gives the address back, unless ports of it are forwarded.
pub async fn delete(cx: &Cx<'_>, tx: &Tx, row: &floatingips::Model) -> Result<()> {
    if forwardings::any(tx, &row.id).await? {
        return Err(Fault::FloatingIpForwards(row.id.clone()));
    }
    if let Some(port) = &row.port_id {
        tell_port(cx.core, tx, port).await?;
    }
    store::delete::<floatingips::Entity>(tx, &row.id).await?;
    if let Some(port) = store::find::<port_table::Entity>(tx, &row.floating_port_id).await? {
        port_life::remove(tx, &port).await?;
    }
    Ok(())
}

/// Floating addresses as shown.
pub async fn show(db: &impl ConnectionTrait, rows: Vec<floatingips::Model>) -> Result<Vec<View>> {
    let own: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let forwarded = forwardings::of(db, &own).await?;
    let ids: Vec<String> = rows.iter().filter_map(|row| row.port_id.clone()).collect();
    let mut details: HashMap<String, Value> = HashMap::new();
    if !ids.is_empty() {
        for port in port_table::Entity::find()
            .filter(among(port_table::Column::Id, &ids))
            .all(db)
            .await?
        {
            details.insert(port.id, json!({
                "name": port.name, "network_id": port.network_id, "mac_address": port.mac_address,
                "admin_state_up": port.admin_state_up, "status": port.status,
                "device_id": port.device_id, "device_owner": port.device_owner,
            }));
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut view = views::standard(&row);
            let mine = forwarded.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let mine: Vec<Value> = mine.iter().map(forwardings::brief).collect();
            views::fill(&mut view, json!({
                "description": row.description, "floating_network_id": row.floating_network_id,
                "floating_ip_address": row.floating_ip_address, "port_id": row.port_id,
                "fixed_ip_address": row.fixed_ip_address, "router_id": row.router_id, "status": row.status,
                "port_details": row.port_id.as_ref().and_then(|port| details.get(port)),
                "port_forwardings": mine,
                "dns_name": row.dns_name, "dns_domain": row.dns_domain,
            }));
            view
        })
        .collect())
}
