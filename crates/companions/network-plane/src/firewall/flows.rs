//! Which tracked connections the rules of today would not let begin.
//!
//! Replies pass because the connection is known, so taking a rule away must also end the connections that only it
//! allowed. Other connections of the same port go on.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::switch::protocol;
use crate::kernel::conntrack::Flow;
use crate::wanted::{Direction, Ethertype, Matching, Port, Remote, Rule, Wanted};

/// The rules of all ports, for asking about many connections.
pub struct Judge<'a> {
    sets: BTreeMap<&'a str, &'a [IpNet]>,
    /// Ports by conntrack zone.
    ports: BTreeMap<u16, Vec<&'a Port>>,
}

impl<'a> Judge<'a> {
    /// `zone` gives a network's conntrack zone.
    pub fn new(wanted: &'a Wanted, zone: impl Fn(&str) -> Option<u16>) -> Judge<'a> {
        let sets = wanted
            .address_sets
            .iter()
            .map(|s| (s.id.as_str(), s.members.as_slice()))
            .collect();
        let mut ports: BTreeMap<u16, Vec<&Port>> = BTreeMap::new();
        for port in &wanted.ports {
            if let Some(zone) = zone(&port.network_id) {
                ports.entry(zone).or_default().push(port);
            }
        }
        Judge { sets, ports }
    }

    /// Whether a connection might begin now. Addresses that are no port's of this host (routers, guests elsewhere)
    /// have no say.
    pub fn permits(&self, flow: &Flow) -> bool {
        let Some(ports) = self.ports.get(&flow.zone) else {
            return true;
        };
        let allows = |port: &&&Port, direction| match &port.security {
            None => true,
            Some(rules) => {
                always(flow) || rules.iter().any(|rule| self.matches(rule, direction, flow))
            }
        };
        let sender = ports.iter().find(|p| p.ips.contains(&flow.source));
        let receiver = ports.iter().find(|p| p.ips.contains(&flow.destination));
        sender.iter().all(|p| allows(p, Direction::Egress))
            && receiver.iter().all(|p| allows(p, Direction::Ingress))
    }

    fn matches(&self, rule: &Rule, direction: Direction, flow: &Flow) -> bool {
        let remote = if direction == Direction::Ingress {
            flow.source
        } else {
            flow.destination
        };
        let v4 = rule.ethertype == Ethertype::IPv4;
        if rule.direction != direction
            || remote.is_ipv4() != v4
            || protocol(rule).is_some_and(|p| p != flow.protocol)
        {
            return false;
        }
        let remote_fits = match &rule.remote {
            Remote::Anywhere => true,
            Remote::Cidr(net) => net.contains(&remote),
            Remote::Set(id) => self
                .sets
                .get(id.as_str())
                .is_some_and(|nets| nets.iter().any(|n| n.contains(&remote))),
        };
        remote_fits
            && match rule.matching {
                Matching::Any => true,
                Matching::Ports { min, max } => (min..=max).contains(&flow.port),
                Matching::Icmp { kind, code } => flow
                    .icmp
                    .is_some_and(|(k, c)| k == kind && code.is_none_or(|code| code == c)),
            }
    }
}

/// DHCP and metadata need no rule.
fn always(flow: &Flow) -> bool {
    let udp = |from, to| flow.protocol == 17 && flow.source_port == from && flow.port == to;
    udp(68, 67)
        || udp(67, 68)
        || udp(546, 547)
        || udp(547, 546)
        || (flow.protocol == 6
            && flow.port == 80
            && flow.destination.to_string() == "169.254.169.254")
}
