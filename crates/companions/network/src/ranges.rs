//! Arithmetic on addresses and ranges. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Result};
use crate::tables::subnets;

/// A subnet's range. Stored ranges were checked when they came in.
pub fn range(subnet: &subnets::Model) -> Result<IpNet> {
    subnet
        .cidr
        .parse()
        .map_err(|_| Fault::Broken(format!("cidr {}", subnet.cidr)))
}

/// Addresses from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub start: IpAddr,
    pub end: IpAddr,
}

impl std::fmt::Display for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

impl Pool {
    /// Whether the address lies in the pool.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.start.is_ipv4()
            && (number(self.start)..=number(self.end)).contains(&number(ip))
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Pool) -> bool {
        number(self.start) <= number(other.end) && number(other.start) <= number(self.end)
    }

    /// How many addresses there are; saturates for the whole of IPv6.
    pub fn size(&self) -> u128 {
        (number(self.end) - number(self.start)).saturating_add(1)
    }
}

/// A route of a subnet or router, as the API writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

/// The address as a number.
pub fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The address of the same family as `like` with this number.
pub fn address(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// The addresses that may be handed out when nobody says: all but network, broadcast (IPv4) or the router anycast
/// address (IPv6), and the gateway.
pub fn default_pools(net: IpNet, gateway: Option<IpAddr>) -> Vec<Pool> {
    let (mut first, mut last) = (number(net.network()), number(last_address(net)));
    let single = net.prefix_len() == net.max_prefix_len();
    let pair = net.prefix_len() + 1 == net.max_prefix_len();
    if net.addr().is_ipv4() && !single && !pair {
        first += 1;
        last -= 1;
    } else if net.addr().is_ipv6() && !single && !pair {
        first += 1;
    }
    let pool = |start: u128, end: u128| Pool {
        start: address(net.network(), start),
        end: address(net.network(), end),
    };
    match gateway.filter(|gateway| net.contains(gateway)).map(number) {
        Some(taken) if (first..=last).contains(&taken) => {
            let mut pools = Vec::new();
            if taken > first {
                pools.push(pool(first, taken - 1));
            }
            if taken < last {
                pools.push(pool(taken + 1, last));
            }
            pools
        }
        _ => vec![pool(first, last)],
    }
}

/// The last address of a range.
pub fn last_address(net: IpNet) -> IpAddr {
    net.broadcast()
}

/// The gateway when nobody says: the first address after the network's own.
pub fn default_gateway(net: IpNet) -> IpAddr {
    address(net.network(), number(net.network()).saturating_add(1))
}

/// The address that a host with this MAC gives itself in a /64 (modified EUI-64).
pub fn eui64(net: IpNet, mac: &str) -> Option<IpAddr> {
    let octets: Vec<u8> = mac
        .split(':')
        .filter_map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    let [a, b, c, d, e, f] = octets[..] else {
        return None;
    };
    let low = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    let high = number(net.network()) >> 64 << 64;
    Some(address(net.network(), high | u128::from(low)))
}

/// What is left of `free` ranges when `taken` are cut out, as the largest aligned ranges.
pub fn first_free(free: &[IpNet], taken: &[IpNet], prefix: u8) -> Option<IpNet> {
    for range in free.iter().filter(|range| range.prefix_len() <= prefix) {
        let step = 1u128 << (range.max_prefix_len() - prefix);
        let mut at = number(range.network());
        let end = number(last_address(*range));
        while at <= end {
            let candidate = IpNet::new(address(range.network(), at), prefix).ok()?;
            let hit = taken
                .iter()
                .find(|net| net.contains(&candidate) || candidate.contains(*net));
            let past = match hit {
                None => return Some(candidate),
                Some(net) => number(last_address(*net)).max(number(last_address(candidate))),
            };
            // The next aligned place behind what was hit.
            at = match past.checked_add(1) {
                Some(next) => next.div_ceil(step).checked_mul(step)?,
                None => return None,
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a range")
    }

    fn pools(text: &str, gateway: Option<&str>) -> String {
        let gateway = gateway.map(|ip| ip.parse().expect("an address"));
        let pools = default_pools(net(text), gateway);
        pools
            .iter()
            .map(Pool::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_gateway_splits_the_default_pool() {
        assert_eq!(
            pools("10.0.0.0/24", Some("10.0.0.1")),
            "10.0.0.2-10.0.0.254"
        );
        assert_eq!(
            pools("10.0.0.0/24", Some("10.0.0.9")),
            "10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254"
        );
        assert_eq!(pools("10.0.0.0/24", None), "10.0.0.1-10.0.0.254");
        assert_eq!(
            pools("2001:db8::/64", Some("2001:db8::1")),
            "2001:db8::2-2001:db8::ffff:ffff:ffff:ffff"
        );
        assert_eq!(pools("10.0.0.4/31", None), "10.0.0.4-10.0.0.5");
    }

    #[test]
    fn a_mac_makes_an_address() {
        let made = eui64(net("2001:db8::/64"), "fa:16:3e:00:00:01").expect("an address");
        assert_eq!(made.to_string(), "2001:db8::f816:3eff:fe00:1");
    }

    #[test]
    fn the_first_free_prefix_is_aligned_and_behind_what_is_taken() {
        let free = [net("10.0.0.0/16")];
        let taken = [net("10.0.0.0/24"), net("10.0.1.0/25")];
        assert_eq!(first_free(&free, &taken, 24), Some(net("10.0.2.0/24")));
        assert_eq!(first_free(&free, &taken, 25), Some(net("10.0.1.128/25")));
        assert_eq!(first_free(&[net("10.0.0.0/24")], &taken, 26), None);
    }
}
