//! Subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::addresses;
use crate::attributes::Attrs;
use crate::core::{Core, Cx};
use crate::db::sharing;
use crate::db::store::{self, Tx, read_json};
use crate::dhcp;
use crate::fault::{Fault, Result, kinds, missing};
use crate::owners;
use crate::pools;
use crate::ranges::{self, Pool, Route, range};
use crate::tables::{allocations, networks, ports, subnets};
use crate::views::{self, View};

/// Which subnets the caller sees: its own, those of its networks, and those of networks shared with it.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.sees_all() {
        return Condition::all();
    }
    let own = crate::networks::ids_of(cx.project());
    Condition::any()
        .add(subnets::Column::ProjectId.eq(cx.project()))
        .add(subnets::Column::NetworkId.in_subquery(own))
        .add(sharing::subnet_is_shared(cx.project()))
}

/// Makes a subnet, and what follows from it: the DHCP port's address, automatic addresses of ports.
pub async fn create(
    cx: &Cx<'_>,
    tx: &Tx,
    network: &networks::Model,
    attrs: &Attrs,
) -> Result<subnets::Model> {
    let others = addresses::subnets_locked(tx, &network.id).await?;
    let (cidr, pool_id) = choose_range(cx, tx, attrs).await?;
    let version = if cidr.addr().is_ipv4() { 4 } else { 6 };
    // Held, so that its packets stay as large: who changes that looks at the subnets.
    let held = store::hold::<networks::Entity>(tx, &network.id).await?;
    let held = held.ok_or_else(|| missing(&kinds::NETWORK, network.id.as_str()))?;
    crate::networks::carries(&held.id, held.mtu, version == 6)?;
    if let Some(wanted) = attrs.number("ip_version")
        && wanted != version
    {
        return Err(Fault::InvalidInput(format!(
            "cidr '{cidr}' does not match the ip_version '{wanted}'"
        )));
    }
    for other in &others {
        let range = range(other)?;
        if range.contains(&cidr) || cidr.contains(&range) {
            return Err(Fault::InvalidInput(format!(
                "Requested subnet with cidr: {cidr} for network: {} overlaps with another subnet",
                network.id
            )));
        }
    }
    let gateway = match attrs.get("gateway_ip") {
        Some(Value::Null) => None,
        Some(_) => Some(wanted_gateway(attrs, cidr)?),
        None => Some(ranges::default_gateway(cidr))
            .filter(|_| cidr.prefix_len() < cidr.max_prefix_len()),
    };
    let ranges: Vec<Pool> = match attrs.get("allocation_pools").and_then(Value::as_array) {
        Some(given) if !given.is_empty() => attrs.read("allocation_pools")?,
        _ => ranges::default_pools(cidr, gateway),
    };
    check_pools(&ranges, cidr)?;
    gateway_outside(&ranges, gateway)?;
    let now = store::now();
    let row = subnets::Model {
        id: store::new_id(),
        project_id: attrs.text("project_id"),
        network_id: network.id.clone(),
        name: attrs.text("name"),
        description: attrs.text("description"),
        ip_version: version as i32,
        cidr: cidr.to_string(),
        gateway_ip: gateway.map(|ip| ip.to_string()),
        enable_dhcp: attrs.flag("enable_dhcp", true),
        ipv6_ra_mode: attrs.opt_text("ipv6_ra_mode"),
        ipv6_address_mode: attrs.opt_text("ipv6_address_mode"),
        allocation_pools: to_text(&ranges),
        dns_nameservers: attrs
            .get("dns_nameservers")
            .unwrap_or(&json!([]))
            .to_string(),
        host_routes: attrs.get("host_routes").unwrap_or(&json!([])).to_string(),
        service_types: attrs.get("service_types").unwrap_or(&json!([])).to_string(),
        subnetpool_id: pool_id,
        dns_publish_fixed_ip: attrs.flag("dns_publish_fixed_ip", false),
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    check_dhcp(&row, cidr)?;
    check_modes(&row, cidr)?;
    check_lists(cx, &row)?;
    if sharing::has_uplink(tx, &network.id).await? {
        cx.core.host.admit_subnet(&row)?;
    }
    store::insert(tx, row.clone()).await?;
    if addresses::is_automatic(&row) {
        address_existing_ports(tx, &row, cidr).await?;
    }
    dhcp::settle(tx, cx.core, &network.id).await?;
    store::revise::<networks::Model>(tx, &network.id).await?;
    Ok(row)
}

/// The range: given, or taken from a pool.
async fn choose_range(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<(IpNet, Option<String>)> {
    let given: Option<IpNet> = attrs.opt_text("cidr").and_then(|text| text.parse().ok());
    let version = attrs.number("ip_version").map(|version| version as i32);
    let pool = match attrs.opt_text("subnetpool_id") {
        Some(id) if id == "prefix_delegation" => {
            return Err(Fault::InvalidInput(
                "Prefix delegation is not supported".to_owned(),
            ));
        }
        Some(id) => Some(pools::usable(cx, tx, &id).await?),
        None if attrs.flag("use_default_subnetpool", false) => {
            let version = version.unwrap_or(4);
            let found = pools::default_of(cx, tx, version).await?;
            Some(found.ok_or_else(|| {
                Fault::InvalidInput(format!("No default subnetpool found for IPv{version}"))
            })?)
        }
        None => None,
    };
    match (given, pool) {
        (Some(cidr), None) => Ok((cidr, None)),
        (given, Some(pool)) => {
            let cidr = pools::take(
                tx,
                &pool,
                given,
                attrs.number("prefixlen"),
                &attrs.text("project_id"),
            )
            .await?;
            Ok((cidr, Some(pool.id)))
        }
        (None, None) => Err(Fault::InvalidInput(
            "a subnetpool must be specified in the absence of a cidr".to_owned(),
        )),
    }
}

fn wanted_gateway(attrs: &Attrs, cidr: IpNet) -> Result<IpAddr> {
    let ip: IpAddr = attrs
        .text("gateway_ip")
        .parse()
        .map_err(|_| crate::fault::invalid("gateway_ip", "not an address"))?;
    if ip.is_ipv4() != cidr.addr().is_ipv4() {
        let version = if cidr.addr().is_ipv4() { 4 } else { 6 };
        return Err(Fault::InvalidInput(format!(
            "gateway_ip '{ip}' does not match the ip_version '{version}'"
        )));
    }
    let edge = ip == cidr.network() || (ip.is_ipv4() && ip == cidr.broadcast());
    if edge && cidr.prefix_len() + 1 < cidr.max_prefix_len() {
        return Err(Fault::InvalidInput(
            "Gateway is not valid on subnet".to_owned(),
        ));
    }
    Ok(ip)
}

fn check_pools(pools: &[Pool], cidr: IpNet) -> Result<()> {
    for (at, pool) in pools.iter().enumerate() {
        if pool.start.is_ipv4() != pool.end.is_ipv4()
            || ranges::number(pool.start) > ranges::number(pool.end)
        {
            return Err(Fault::InvalidPool(pool.to_string()));
        }
        if !cidr.contains(&pool.start) || !cidr.contains(&pool.end) {
            return Err(Fault::PoolOutOfBounds(pool.to_string(), cidr.to_string()));
        }
        if let Some(other) = pools[..at].iter().find(|other| other.overlaps(pool)) {
            return Err(Fault::OverlappingPools(
                format!("{other}, {pool}"),
                cidr.to_string(),
            ));
        }
    }
    Ok(())
}

fn gateway_outside(pools: &[Pool], gateway: Option<IpAddr>) -> Result<()> {
    let hit = gateway.and_then(|ip| {
        pools
            .iter()
            .find(|pool| pool.contains(ip))
            .map(|pool| (ip, pool))
    });
    match hit {
        Some((ip, pool)) => Err(Fault::GatewayConflict {
            ip: ip.to_string(),
            pool: pool.to_string(),
        }),
        None => Ok(()),
    }
}

/// Refuses ranges that DHCP cannot serve, as Neutron does where it is enabled.
fn check_dhcp(row: &subnets::Model, cidr: IpNet) -> Result<()> {
    if !row.enable_dhcp {
        return Ok(());
    }
    let first = cidr.network();
    let this_network = matches!(first, IpAddr::V4(first) if first.octets()[0] == 0);
    let why = if cidr.prefix_len() + 1 >= cidr.max_prefix_len() {
        "Subnet has a prefix length that is incompatible with DHCP service enabled"
    } else if first.is_multicast() {
        "Multicast IP subnet is not supported if enable_dhcp is True."
    } else if first.is_loopback() {
        "Loopback IP subnet is not supported if enable_dhcp is True."
    } else if this_network {
        "Addresses of 0.0.0.0/8 are not supported if enable_dhcp is True."
    } else {
        return Ok(());
    };
    Err(Fault::InvalidInput(why.to_owned()))
}

fn check_modes(row: &subnets::Model, cidr: IpNet) -> Result<()> {
    let (ra, address) = (&row.ipv6_ra_mode, &row.ipv6_address_mode);
    if ra.is_none() && address.is_none() {
        return Ok(());
    }
    let refused = |why: String| Err(Fault::InvalidInput(why));
    if row.ip_version == 4 {
        return refused(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4".to_owned(),
        );
    }
    if !row.enable_dhcp {
        return refused(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
                .to_owned(),
        );
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return refused(format!(
            "ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. If both attributes \
             are set, they must be the same value"
        ));
    }
    if addresses::is_automatic(row) && cidr.prefix_len() != 64 {
        return refused(format!(
            "Invalid CIDR {cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the \
             prefix to be /64"
        ));
    }
    Ok(())
}

fn check_lists(cx: &Cx<'_>, row: &subnets::Model) -> Result<()> {
    let settings = &cx.core.settings;
    let servers: Vec<IpAddr> = read_json(&row.dns_nameservers)?;
    if servers.len() > settings.max_dns_nameservers {
        let most = settings.max_dns_nameservers;
        return Err(Fault::InvalidInput(format!(
            "Unable to complete operation for {}. The number of DNS nameservers exceeds the limit {most}",
            row.id
        )));
    }
    let routes: Vec<Route> = read_json(&row.host_routes)?;
    if routes.len() > settings.max_host_routes {
        let most = settings.max_host_routes;
        return Err(Fault::InvalidInput(format!(
            "Unable to complete operation for {}. The number of host routes exceeds the limit {most}",
            row.id
        )));
    }
    let v4 = row.ip_version == 4;
    for route in routes {
        if route.destination.addr().is_ipv4() != v4 || route.nexthop.is_ipv4() != v4 {
            return Err(Fault::InvalidInput(format!(
                "route '{}' via '{}' does not match the ip_version '{}'",
                route.destination, route.nexthop, row.ip_version
            )));
        }
    }
    if servers.iter().any(|server| server.is_ipv4() != v4) {
        return Err(Fault::InvalidInput(format!(
            "dns_nameserver does not match the ip_version '{}'",
            row.ip_version
        )));
    }
    Ok(())
}

/// Ports that exist get their automatic address on a new subnet.
async fn address_existing_ports(tx: &Tx, row: &subnets::Model, cidr: IpNet) -> Result<()> {
    let ports = ports::Entity::find()
        .filter(ports::Column::NetworkId.eq(&row.network_id))
        .all(tx)
        .await?;
    for port in &ports {
        if owners::is_router(&port.device_owner) {
            continue;
        }
        let Some(ip) = ranges::eui64(cidr, &port.mac_address) else {
            continue;
        };
        let held = addresses::of_port(tx, &port.id).await?;
        let next = allocations::Model {
            subnet_id: row.id.clone(),
            ip_address: ip.to_string(),
            port_id: port.id.clone(),
            network_id: row.network_id.clone(),
            position: held.len() as i32,
        };
        store::insert(tx, next).await?;
    }
    Ok(())
}

/// Changes a subnet.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: subnets::Model,
    attrs: &Attrs,
) -> Result<subnets::Model> {
    let cidr = range(&row)?;
    let had_dhcp = row.enable_dhcp;
    attrs.put_text("name", &mut row.name);
    attrs.put_text("description", &mut row.description);
    attrs.put_flag("enable_dhcp", &mut row.enable_dhcp);
    attrs.put_flag("dns_publish_fixed_ip", &mut row.dns_publish_fixed_ip);
    attrs.put_json("dns_nameservers", &mut row.dns_nameservers);
    attrs.put_json("host_routes", &mut row.host_routes);
    attrs.put_json("service_types", &mut row.service_types);
    let mut gateway: Option<IpAddr> = row.gateway_ip.as_ref().and_then(|ip| ip.parse().ok());
    if attrs.has("gateway_ip") {
        let wanted = match attrs.get("gateway_ip") {
            Some(Value::Null) => None,
            _ => Some(wanted_gateway(attrs, cidr)?),
        };
        if wanted != gateway {
            gateway_unused(tx, &row).await?;
        }
        gateway = wanted;
        row.gateway_ip = gateway.map(|ip| ip.to_string());
    }
    let ranges: Vec<Pool> = match attrs.has("allocation_pools") {
        true => attrs.read("allocation_pools")?,
        false => read_json(&row.allocation_pools)?,
    };
    check_pools(&ranges, cidr)?;
    gateway_outside(&ranges, gateway)?;
    row.allocation_pools = to_text(&ranges);
    check_modes(&row, cidr)?;
    check_dhcp(&row, cidr)?;
    check_lists(cx, &row)?;
    if attrs.has("gateway_ip") && sharing::has_uplink(tx, &row.network_id).await? {
        cx.core.host.admit_subnet(&row)?;
    }
    let row = store::save(tx, row).await?;
    if row.enable_dhcp != had_dhcp {
        dhcp::settle(tx, cx.core, &row.network_id).await?;
    }
    store::revise::<networks::Model>(tx, &row.network_id).await?;
    Ok(row)
}

/// Refuses to move a gateway address that a router holds.
async fn gateway_unused(tx: &Tx, row: &subnets::Model) -> Result<()> {
    let Some(ip) = &row.gateway_ip else {
        return Ok(());
    };
    let Some(held) = allocations::Entity::find_by_id((row.id.clone(), ip.clone()))
        .one(tx)
        .await?
    else {
        return Ok(());
    };
    let port = store::find::<ports::Entity>(tx, &held.port_id).await?;
    match port {
        Some(port) if port.device_owner == owners::ROUTER_INTERFACE => Err(Fault::GatewayIpInUse {
            ip: ip.clone(),
            port: port.id,
        }),
        _ => Ok(()),
    }
}

/// Removes a subnet that no port needs.
pub async fn delete(core: &Core, tx: &Tx, row: &subnets::Model) -> Result<()> {
    let held = allocations::Entity::find()
        .filter(allocations::Column::SubnetId.eq(&row.id))
        .all(tx)
        .await?;
    let ids: Vec<String> = held.iter().map(|held| held.port_id.clone()).collect();
    let users = ports::Entity::find()
        .filter(ports::Column::Id.is_in(ids))
        .all(tx)
        .await?;
    let automatic = addresses::is_automatic(row);
    for port in &users {
        let goes_along = port.device_owner == owners::DHCP
            || (automatic && !owners::is_router(&port.device_owner));
        if !goes_along {
            let reason = "One or more ports have an IP allocation from this subnet".to_owned();
            return Err(Fault::SubnetInUse {
                id: row.id.clone(),
                reason,
            });
        }
    }
    allocations::Entity::delete_many()
        .filter(allocations::Column::SubnetId.eq(&row.id))
        .exec(tx)
        .await?;
    store::delete::<subnets::Entity>(tx, &row.id).await?;
    core.cursors
        .lock()
        .expect("nobody panics holding the cursors")
        .remove(&row.id);
    store::revise::<networks::Model>(tx, &row.network_id).await?;
    dhcp::settle(tx, core, &row.network_id).await
}

/// Subnets as shown.
pub fn show(row: subnets::Model) -> View {
    let mut view = views::standard(&row);
    views::fill(
        &mut view,
        json!({
            "name": row.name, "description": row.description, "network_id": row.network_id,
            "ip_version": row.ip_version, "cidr": row.cidr, "gateway_ip": row.gateway_ip,
            "enable_dhcp": row.enable_dhcp, "ipv6_ra_mode": row.ipv6_ra_mode,
            "ipv6_address_mode": row.ipv6_address_mode,
            "allocation_pools": views::json(&row.allocation_pools),
            "dns_nameservers": views::json(&row.dns_nameservers),
            "host_routes": views::json(&row.host_routes),
            "service_types": views::json(&row.service_types),
            "subnetpool_id": row.subnetpool_id, "segment_id": null,
            "dns_publish_fixed_ip": row.dns_publish_fixed_ip,
        }),
    );
    view
}

fn to_text(pools: &[Pool]) -> String {
    serde_json::to_string(pools).expect("addresses are written as text")
}
