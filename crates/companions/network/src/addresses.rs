//! Address management: which address a port gets.
//!
//! Exact under concurrency: an address is a row whose key is (subnet, address), so two ports can never hold the
//! same; the loser's transaction is tried again. What is here only finds good candidates quickly.

use std::net::IpAddr;

use serde::Deserialize;
use sql::sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::core::Core;
use crate::db::sharing;
use crate::db::store::{Tx, read_json};
use crate::fault::{Fault, Result};
use crate::owners;
use crate::ranges::{self, Pool, number, range};
use crate::tables::{allocations, ports, subnets};

/// What a caller asks for in one entry of `fixed_ips`.
#[derive(Clone, Debug, Deserialize)]
pub struct Wish {
    pub subnet_id: Option<String>,
    pub ip_address: Option<IpAddr>,
}

/// An address that a port gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub subnet_id: String,
    pub ip: IpAddr,
}

/// Whom addresses are for.
pub struct Receiver<'a> {
    pub port_id: &'a str,
    pub network_id: &'a str,
    pub mac: &'a str,
    pub device_owner: &'a str,
}

/// Whether ports on the subnet make their own addresses from their MAC.
pub fn is_automatic(subnet: &subnets::Model) -> bool {
    let by_itself =
        |mode: &Option<String>| matches!(mode.as_deref(), Some("slaac" | "dhcpv6-stateless"));
    by_itself(&subnet.ipv6_address_mode)
        || (subnet.ipv6_address_mode.is_none()
            && by_itself(&subnet.ipv6_ra_mode)
            && subnet.ip_version == 6)
}

/// The subnets of a network, locked until the transaction ends where the engine has row locks: allocations of one
/// subnet then queue instead of colliding.
pub async fn subnets_locked(tx: &Tx, network_id: &str) -> Result<Vec<subnets::Model>> {
    Ok(subnets::Entity::find()
        .filter(subnets::Column::NetworkId.eq(network_id))
        .order_by_asc(subnets::Column::CreatedAt)
        .order_by_asc(subnets::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?)
}

/// Chooses addresses: those wished for, or without wishes one IPv4, one stateful IPv6 and every automatic one.
///
/// # Errors
/// The wish cannot be met, or no address is left.
pub async fn choose(
    tx: &Tx,
    core: &Core,
    receiver: &Receiver<'_>,
    subnets: &[subnets::Model],
    wishes: Option<Vec<Wish>>,
) -> Result<Vec<Given>> {
    let serving: Vec<&subnets::Model> = subnets
        .iter()
        .filter(|subnet| serves(subnet, receiver.device_owner))
        .collect();
    let mut given = Vec::new();
    match wishes {
        None => {
            if serving.is_empty() && !subnets.is_empty() {
                return Err(Fault::IpAddressGenerationFailure(
                    receiver.network_id.to_owned(),
                ));
            }
            for version in [4, 6] {
                let of_version: Vec<&subnets::Model> = serving
                    .iter()
                    .copied()
                    .filter(|s| s.ip_version == version && !is_automatic(s))
                    .collect();
                if !of_version.is_empty() {
                    given.push(from_any(tx, core, receiver, &of_version, &given).await?);
                }
            }
        }
        Some(mut wishes) => {
            if wishes.len() > core.settings.max_fixed_ips {
                return Err(Fault::InvalidInput(
                    "Exceeded maximum amount of fixed ips per port".to_owned(),
                ));
            }
            // What is left to us comes last, so that it takes no address that another entry names.
            wishes.sort_by_key(|wish| wish.ip_address.is_none());
            for wish in wishes {
                let one = granted(tx, core, receiver, subnets, wish, &given).await?;
                if given.contains(&one) {
                    let ip = one.ip.to_string();
                    return Err(Fault::IpAddressAlreadyAllocated {
                        ip,
                        subnet: one.subnet_id,
                    });
                }
                given.push(one);
            }
            if given.is_empty() {
                return Ok(given);
            }
        }
    }
    if !owners::is_router(receiver.device_owner) {
        add_automatic(receiver, &serving, &mut given)?;
    }
    Ok(given)
}

/// Adds the addresses that the port makes by itself.
fn add_automatic(
    receiver: &Receiver<'_>,
    serving: &[&subnets::Model],
    given: &mut Vec<Given>,
) -> Result<()> {
    for subnet in serving.iter().filter(|subnet| is_automatic(subnet)) {
        if given.iter().any(|one| one.subnet_id == subnet.id) {
            continue;
        }
        if let Some(ip) = ranges::eui64(range(subnet)?, receiver.mac) {
            given.push(Given {
                subnet_id: subnet.id.clone(),
                ip,
            });
        }
    }
    Ok(())
}

/// Whether a subnet is for ports of this owner (`service_types`).
fn serves(subnet: &subnets::Model, device_owner: &str) -> bool {
    let types: Vec<String> = read_json(&subnet.service_types).unwrap_or_default();
    types.is_empty()
        || types
            .iter()
            .any(|kind| device_owner.starts_with(kind.as_str()))
}

/// The next free address of the first subnet that has one besides those just `given`.
async fn from_any(
    tx: &Tx,
    core: &Core,
    receiver: &Receiver<'_>,
    subnets: &[&subnets::Model],
    given: &[Given],
) -> Result<Given> {
    for subnet in subnets {
        if let Some(ip) = next_free(tx, core, subnet, given).await? {
            return Ok(Given {
                subnet_id: subnet.id.clone(),
                ip,
            });
        }
    }
    Err(Fault::IpAddressGenerationFailure(
        receiver.network_id.to_owned(),
    ))
}

async fn granted(
    tx: &Tx,
    core: &Core,
    receiver: &Receiver<'_>,
    subnets: &[subnets::Model],
    wish: Wish,
    given: &[Given],
) -> Result<Given> {
    let subnet = match (&wish.subnet_id, wish.ip_address) {
        (Some(id), _) => subnets.iter().find(|subnet| &subnet.id == id).ok_or_else(|| {
            Fault::InvalidInput(format!(
                "Failed to create port on network {}, because fixed_ips included invalid subnet {id}",
                receiver.network_id
            ))
        })?,
        (None, Some(ip)) => containing(subnets, ip)?,
        (None, None) => return Err(Fault::InvalidInput("IP allocation requires subnet_id or ip_address".to_owned())),
    };
    let net = range(subnet)?;
    let automatic = is_automatic(subnet) && !owners::is_router(receiver.device_owner);
    match wish.ip_address {
        Some(ip) if !net.contains(&ip) => Err(Fault::InvalidIpForSubnet(ip.to_string())),
        Some(ip) if automatic && Some(ip) != ranges::eui64(net, receiver.mac) => {
            Err(Fault::InvalidInput(format!(
                "IPv6 address {ip} can not be directly assigned to a port on subnet {} since the subnet is \
                 configured for automatic addresses",
                subnet.id
            )))
        }
        Some(ip) => {
            if ip.is_ipv4()
                && net.prefix_len() < 31
                && (ip == net.network() || ip == net.broadcast())
            {
                return Err(Fault::InvalidIpForSubnet(ip.to_string()));
            }
            if is_taken(tx, &subnet.id, ip, receiver.port_id).await?
                || is_way_out(tx, receiver, subnet, ip).await?
            {
                return Err(Fault::IpAddressAlreadyAllocated {
                    ip: ip.to_string(),
                    subnet: subnet.id.clone(),
                });
            }
            Ok(Given {
                subnet_id: subnet.id.clone(),
                ip,
            })
        }
        None if automatic => {
            let ip = ranges::eui64(net, receiver.mac)
                .ok_or_else(|| Fault::Broken(format!("MAC address {}", receiver.mac)))?;
            Ok(Given {
                subnet_id: subnet.id.clone(),
                ip,
            })
        }
        None => from_any(tx, core, receiver, &[subnet], given).await,
    }
}

fn containing(subnets: &[subnets::Model], ip: IpAddr) -> Result<&subnets::Model> {
    for subnet in subnets {
        if range(subnet)?.contains(&ip) {
            return Ok(subnet);
        }
    }
    Err(Fault::InvalidIpForNetwork(ip.to_string()))
}

/// Whether another port holds the address.
pub async fn is_taken(tx: &Tx, subnet_id: &str, ip: IpAddr, but: &str) -> Result<bool> {
    let row = allocations::Entity::find_by_id((subnet_id.to_owned(), ip.to_string()))
        .one(tx)
        .await?;
    Ok(row.is_some_and(|row| row.port_id != but))
}

/// Whether the address is the way out of an external network, which the host's uplink or the provider's router holds
/// without a port of ours. Only a router that is joined with the network as its gateway gets it.
async fn is_way_out(
    tx: &Tx,
    receiver: &Receiver<'_>,
    subnet: &subnets::Model,
    ip: IpAddr,
) -> Result<bool> {
    let gateway = subnet.gateway_ip.as_ref().and_then(|ip| ip.parse().ok());
    if gateway != Some(ip) || receiver.device_owner == owners::ROUTER_INTERFACE {
        return Ok(false);
    }
    sharing::has_uplink(tx, &subnet.network_id).await
}

/// Candidates tried one by one before the whole subnet is looked at.
const QUICK_TRIES: usize = 12;

/// A free address of the subnet's pools that is not among those just `given`, or `None`. Goes round the pools, so that an address just given back rests
/// for a while: neighbours still have it in their ARP tables.
async fn next_free(
    tx: &Tx,
    core: &Core,
    subnet: &subnets::Model,
    given: &[Given],
) -> Result<Option<IpAddr>> {
    let is_given = |ip: IpAddr| {
        given
            .iter()
            .any(|one| one.subnet_id == subnet.id && one.ip == ip)
    };
    let pools: Vec<Pool> = read_json(&subnet.allocation_pools)?;
    if pools.is_empty() {
        return Ok(None);
    }
    for _ in 0..QUICK_TRIES {
        let candidate = step(core, &subnet.id, &pools);
        if is_given(candidate) {
            continue;
        }
        let key = (subnet.id.clone(), candidate.to_string());
        if allocations::Entity::find_by_id(key)
            .one(tx)
            .await?
            .is_none()
        {
            return Ok(Some(candidate));
        }
    }
    let used: Vec<String> = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::IpAddress)
        .filter(allocations::Column::SubnetId.eq(&subnet.id))
        .into_tuple()
        .all(tx)
        .await?;
    let used: std::collections::HashSet<u128> = used
        .iter()
        .filter_map(|ip| ip.parse::<IpAddr>().ok())
        .map(number)
        .collect();
    for pool in &pools {
        let mut free = (number(pool.start)..=number(pool.end))
            .filter(|at| !used.contains(at))
            .map(|at| ranges::address(pool.start, at))
            .filter(|ip| !is_given(*ip));
        if let Some(ip) = free.next() {
            return Ok(Some(ip));
        }
    }
    Ok(None)
}

/// Moves the subnet's cursor to its next address. Each caller gets another one, so that requests running side by
/// side do not try the same.
fn step(core: &Core, subnet_id: &str, pools: &[Pool]) -> IpAddr {
    let mut cursors = core
        .cursors
        .lock()
        .expect("nobody panics holding the cursors");
    let last = cursors.get(subnet_id).copied();
    let after = |at: u128| {
        let inside = pools
            .iter()
            .find(|pool| number(pool.start) <= at && at < number(pool.end));
        match inside {
            Some(pool) => Some(ranges::address(pool.start, at + 1)),
            None => pools
                .iter()
                .map(|pool| pool.start)
                .filter(|start| number(*start) > at)
                .min(),
        }
    };
    let next = last.and_then(after).unwrap_or(pools[0].start);
    cursors.insert(subnet_id.to_owned(), number(next));
    next
}

/// Writes what was chosen.
pub async fn record(tx: &Tx, receiver: &Receiver<'_>, given: &[Given]) -> Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let rows = given.iter().enumerate().map(|(position, one)| {
        allocations::Model {
            subnet_id: one.subnet_id.clone(),
            ip_address: one.ip.to_string(),
            port_id: receiver.port_id.to_owned(),
            network_id: receiver.network_id.to_owned(),
            position: position as i32,
        }
        .into_active_model()
    });
    allocations::Entity::insert_many(rows)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Gives back all addresses of a port.
pub async fn release(tx: &Tx, port_id: &str) -> Result<()> {
    allocations::Entity::delete_many()
        .filter(allocations::Column::PortId.eq(port_id))
        .exec(tx)
        .await?;
    Ok(())
}

/// The addresses of a port, in order.
pub async fn of_port(
    db: &impl sql::sea_orm::ConnectionTrait,
    port_id: &str,
) -> Result<Vec<allocations::Model>> {
    Ok(allocations::Entity::find()
        .filter(allocations::Column::PortId.eq(port_id))
        .order_by_asc(allocations::Column::Position)
        .all(db)
        .await?)
}

/// Adds an address on `subnet` to a port that the service itself owns.
pub async fn add_one(
    tx: &Tx,
    core: &Core,
    port: &ports::Model,
    subnet: &subnets::Model,
) -> Result<Given> {
    let receiver = Receiver {
        port_id: &port.id,
        network_id: &port.network_id,
        mac: &port.mac_address,
        device_owner: &port.device_owner,
    };
    let wish = Wish {
        subnet_id: Some(subnet.id.clone()),
        ip_address: None,
    };
    let given = choose(
        tx,
        core,
        &receiver,
        std::slice::from_ref(subnet),
        Some(vec![wish]),
    )
    .await?;
    record(tx, &receiver, &given).await?;
    given
        .into_iter()
        .next()
        .ok_or_else(|| Fault::IpAddressGenerationFailure(port.network_id.clone()))
}
