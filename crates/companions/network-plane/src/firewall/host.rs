//! The host's end of external networks: what guests and routers may reach of the host itself, as nftables.
//!
//! The host answers pings and its neighbours, replies of its own connections come back, and services that an operator
//! opens are reached. All else that comes in by a cable of ours is dropped, whichever of the host's addresses it is for.
//! What merely passes through the host is not looked at here. The table has a name of its own; the host's other tables
//! see every packet as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Chain, Map, Table};

/// A port of the host that guests may reach by the gateway address: `tcp/53`, `udp/5000-5010`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayService {
    pub transport: Transport,
    pub first: u16,
    /// Included.
    pub last: u16,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// As nftables writes it.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

impl fmt::Display for GatewayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport.word(), self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

impl FromStr for GatewayService {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "tcp/PORT, udp/PORT or tcp/FIRST-LAST, ports from 1 to 65535";
        let (transport, ports) = text.split_once('/').ok_or(FORM)?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(FORM),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or(FORM)
        };
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(FORM);
        }
        Ok(GatewayService {
            transport,
            first,
            last,
        })
    }
}

/// The name of the table, with its family.
pub fn table_name(cloud_id: &str) -> String {
    format!("inet kilonova_{cloud_id}")
}

/// The table of these devices of the host, with the gateway addresses of each; none without devices.
pub fn tables(
    cloud_id: &str,
    devices: &BTreeMap<String, BTreeSet<IpNet>>,
    services: &BTreeSet<GatewayService>,
) -> Vec<Table> {
    if devices.is_empty() {
        return Vec::new();
    }
    let mut ends = Map::set("type ifname;");
    let mut by_address = Map::set("type ifname . ipv4_addr;");
    let mut by_address6 = Map::set("type ifname . ipv6_addr;");
    for (device, addresses) in devices {
        let device = format!("\"{device}\"");
        for address in addresses.iter().map(IpNet::addr) {
            let map = match address.is_ipv4() {
                true => &mut by_address,
                false => &mut by_address6,
            };
            let key = format!("{device} . {address}");
            map.elements.insert(key, String::new());
        }
        ends.elements.insert(device, String::new());
    }
    let rules = |rules: &[&str]| rules.iter().map(|&r| r.to_owned()).collect();
    let opened = services.iter().map(|service| {
        let text = service.to_string();
        let (transport, ports) = text.split_once('/').expect("written so above");
        format!("{transport} dport {ports} accept")
    });
    vec![Table {
        name: table_name(cloud_id),
        maps: BTreeMap::from([
            ("ends".to_owned(), ends),
            ("gateways4".to_owned(), by_address),
            ("gateways6".to_owned(), by_address6),
        ]),
        chains: BTreeMap::from([
            (
                "input".to_owned(),
                Chain::base(
                    "type filter hook input priority -10;",
                    rules(&["iifname @ends goto gateway"]),
                ),
            ),
            (
                "gateway".to_owned(),
                Chain::plain(rules(&[
                    "ct state established,related accept",
                    "icmp type echo-request accept",
                    "icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept",
                    "iifname . ip daddr @gateways4 jump services",
                    "iifname . ip6 daddr @gateways6 jump services",
                    "drop",
                ])),
            ),
            ("services".to_owned(), Chain::plain(opened.collect())),
        ]),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_as_they_are_written_and_nothing_else_is() {
        for text in ["tcp/53", "udp/53", "udp/5000-5010"] {
            let service: GatewayService = text.parse().expect(text);
            assert_eq!(service.to_string(), text);
        }
        for text in [
            "53",
            "tcp",
            "tcp/",
            "tcp/0",
            "tcp/70000",
            "tcp/9-8",
            "sctp/1",
            "tcp/1 accept; drop",
            "tcp/1-2-3",
        ] {
            assert!(text.parse::<GatewayService>().is_err(), "{text}");
        }
    }
}
