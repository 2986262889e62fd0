//! Looks a wanted state over before anything is made of it.
//!
//! What passes can be written into nft rules and dnsmasq files as it is: names and ids hold no characters that mean
//! something there, references lead somewhere, device names fit. What does not pass is taken out and reported.

use std::collections::{BTreeMap, BTreeSet};

use crate::PlaneError;
use crate::firewall::switch::{port_protocol, protocol};
use crate::names;
use crate::report::Object;
use crate::wanted::{DhcpHost, Matching, Network, Port, Remote, Router, Rule, Wanted};

/// The part of `wanted` that can be brought about, and why the rest cannot.
pub fn admit(wanted: &Wanted) -> (Wanted, Vec<(Object, PlaneError)>) {
    let mut problems = Vec::new();
    let mut names_taken = BTreeSet::new();
    let mut fresh = |name: String| -> Result<(), PlaneError> {
        if names_taken.insert(name.clone()) {
            Ok(())
        } else {
            Err(wrong(format!("the name {name} is taken")))
        }
    };
    let mut admitted = Wanted::default();
    for set in &wanted.address_sets {
        match id(&set.id) {
            Ok(()) => admitted.address_sets.push(set.clone()),
            Err(e) => problems.push((Object::Plane, e)),
        }
    }
    for network in &wanted.networks {
        let fresh_names = |()| {
            fresh(names::dhcp_namespace("", &network.id))
                .and_then(|()| fresh(names::bridge(&network.id)))
        };
        match check_network(network).and_then(fresh_names) {
            Ok(()) => admitted.networks.push(without_bad_hosts(
                without_unserved(network, &mut problems),
                &mut problems,
            )),
            Err(e) => problems.push((Object::Network(network.id.clone()), e)),
        }
    }
    let known: BTreeSet<&str> = admitted.networks.iter().map(|n| n.id.as_str()).collect();
    for port in &wanted.ports {
        let names = |()| {
            fresh(port.tap.clone()).and_then(|()| fresh(format!("port {}", names::short(&port.id))))
        };
        match check_port(port, &known).and_then(names) {
            Ok(()) => admitted.ports.push(port.clone()),
            Err(e) => problems.push((Object::Port(port.id.clone()), e)),
        }
    }
    for router in &wanted.routers {
        let fresh_names = |()| {
            fresh(names::router_namespace("", &router.id))?;
            let ports = router.interfaces.iter().map(|i| &i.port_id);
            let mut ports = ports.chain(router.gateway.iter().map(|g| &g.port_id));
            ports.try_for_each(|id| fresh(names::router_interface(id)))
        };
        match check_router(router, &known).and_then(fresh_names) {
            Ok(()) => admitted.routers.push(router.clone()),
            Err(e) => problems.push((Object::Router(router.id.clone()), e)),
        }
    }
    add_missing_sets(&mut admitted);
    (admitted, problems)
}

/// A rule may name a set that is not there: it is empty.
fn add_missing_sets(wanted: &mut Wanted) {
    let mut sets: BTreeMap<String, _> = wanted
        .address_sets
        .drain(..)
        .map(|s| (s.id.clone(), s))
        .collect();
    for rule in wanted
        .ports
        .iter()
        .filter_map(|p| p.security.as_ref())
        .flatten()
    {
        if let Remote::Set(id) = &rule.remote {
            sets.entry(id.clone())
                .or_insert_with(|| crate::wanted::AddressSet {
                    id: id.clone(),
                    members: Vec::new(),
                });
        }
    }
    wanted.address_sets = sets.into_values().collect();
}

fn check_network(network: &Network) -> Result<(), PlaneError> {
    id(&network.id)?;
    if let Some(domain) = &network.dns_domain {
        hostname(domain)?;
    }
    if !(68..=65_535).contains(&network.mtu) {
        return Err(wrong(format!("an MTU of {} is not possible", network.mtu)));
    }
    for subnet in &network.subnets {
        id(&subnet.id)?;
    }
    network
        .dhcp_port
        .as_ref()
        .map_or(Ok(()), |port| mac(&port.mac).map(drop))
}

/// DHCP and metadata need a port. Without one the network itself is still good for its servers.
fn without_unserved(network: &Network, problems: &mut Vec<(Object, PlaneError)>) -> Network {
    let mut network = network.clone();
    if network.dhcp_port.is_none() && (network.metadata || network.subnets.iter().any(|s| s.dhcp)) {
        let error = wrong("DHCP or metadata is wanted but there is no DHCP port".into());
        problems.push((Object::Network(network.id.clone()), error));
        network.metadata = false;
        network.subnets.iter_mut().for_each(|s| s.dhcp = false);
    }
    network
}

/// One bad reservation must not take DHCP from the others.
fn without_bad_hosts(mut network: Network, problems: &mut Vec<(Object, PlaneError)>) -> Network {
    network.dhcp_hosts.retain(|host| match check_host(host) {
        Ok(()) => true,
        Err(e) => {
            problems.push((Object::Network(network.id.clone()), e));
            false
        }
    });
    network
}

fn check_host(host: &DhcpHost) -> Result<(), PlaneError> {
    mac(&host.mac)?;
    if let Some(name) = &host.hostname {
        hostname(name)?;
    }
    for option in &host.options {
        let name_fits = !option.name.is_empty()
            && option
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !name_fits
            || option.value.chars().any(char::is_control)
            || !matches!(option.ip_version, 4 | 6)
        {
            return Err(wrong(format!(
                "the DHCP option {:?} of {} cannot be offered",
                option.name, host.mac
            )));
        }
    }
    Ok(())
}

fn check_port(port: &Port, networks: &BTreeSet<&str>) -> Result<(), PlaneError> {
    id(&port.id)?;
    known(&port.network_id, networks)?;
    mac(&port.mac)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(4..=15).contains(&port.tap.len())
        || !port.tap.starts_with("tap")
        || !port.tap.chars().all(fits)
    {
        return Err(wrong(format!(
            "{:?} is no tap name: \"tap\" and up to 12 letters, digits, '-'",
            port.tap
        )));
    }
    for pair in &port.allowed_address_pairs {
        pair.mac.as_deref().map(mac).transpose()?;
    }
    port.security.iter().flatten().try_for_each(check_rule)
}

fn check_rule(rule: &Rule) -> Result<(), PlaneError> {
    if let Remote::Set(set) = &rule.remote {
        id(set)?;
    }
    let number = protocol(rule);
    match rule.matching {
        Matching::Any => Ok(()),
        Matching::Ports { min, max } if min <= max && number.and_then(port_protocol).is_some() => {
            Ok(())
        }
        Matching::Icmp { .. } if matches!(number, Some(1 | 58)) => Ok(()),
        _ => Err(wrong(format!(
            "a rule asks {:?} of protocol {number:?}",
            rule.matching
        ))),
    }
}

fn check_router(router: &Router, networks: &BTreeSet<&str>) -> Result<(), PlaneError> {
    id(&router.id)?;
    for interface in &router.interfaces {
        id(&interface.port_id)?;
        mac(&interface.mac)?;
        known(&interface.network_id, networks)?;
    }
    if let Some(gateway) = &router.gateway {
        id(&gateway.port_id)?;
        mac(&gateway.mac)?;
        known(&gateway.network_id, networks)?;
    }
    Ok(())
}

fn known(network: &str, networks: &BTreeSet<&str>) -> Result<(), PlaneError> {
    if networks.contains(network) {
        Ok(())
    } else {
        Err(wrong(format!("its network {network} is not there")))
    }
}

fn id(id: &str) -> Result<(), PlaneError> {
    let fits =
        (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits {
        Ok(())
    } else {
        Err(wrong(format!("{id:?} is no id")))
    }
}

fn hostname(name: &str) -> Result<(), PlaneError> {
    let fits = (1..=253).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if fits {
        Ok(())
    } else {
        Err(wrong(format!("{name:?} is no host name")))
    }
}

/// The six bytes of `aa:bb:cc:dd:ee:ff`.
pub fn mac(text: &str) -> Result<[u8; 6], PlaneError> {
    let parse = || {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(bytes)
    };
    parse().ok_or_else(|| wrong(format!("{text:?} is no MAC address")))
}

fn wrong(why: String) -> PlaneError {
    PlaneError::Wanted(why)
}

#[cfg(test)]
mod tests;
