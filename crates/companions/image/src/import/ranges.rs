//! Which addresses `web-download` may ask: those of the public internet, and what the operator allows.
//!
//! A user must not reach through us what they cannot reach themselves: this machine, its
//! neighbours, the metadata service, or any of these behind an IPv6 address that wraps an IPv4 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// Ranges that are not of the public internet: IANA's special-purpose registries (RFC 6890 and its
/// updates), multicast, and what is reserved.
const RANGES: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "private (RFC 1918)"),
    ("100.64.0.0/10", "shared (RFC 6598)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private (RFC 1918)"),
    ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.88.99.0/24", "6to4 relays (RFC 7526)"),
    ("192.168.0.0/16", "private (RFC 1918)"),
    ("198.18.0.0/15", "benchmarks (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
    ("64:ff9b:1::/48", "a local translator (RFC 8215)"),
    ("2001::/23", "protocol assignments (RFC 2928)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 3056)"),
    ("3fff::/20", "documentation (RFC 9637)"),
];

/// Only these IPv6 addresses are of the public internet at all (RFC 4291, IANA): the rest holds
/// private (`fc00::/7`), link-local, site-local, multicast, loopback and compatible addresses.
const GLOBAL_V6: &str = "2000::/3";

/// Behind it a translator passes on to the IPv4 address in the last 32 bits (RFC 6052).
const NAT64: &str = "64:ff9b::/96";

static REFUSED: LazyLock<Vec<(IpNet, &str)>> = LazyLock::new(|| {
    let ranges = RANGES.iter();
    ranges.map(|(range, what)| (net(range), *what)).collect()
});

fn net(range: &str) -> IpNet {
    range.parse().expect("a constant range")
}

/// What speaks against asking `address`: none if nothing does. `allowed` are the ranges that the
/// operator lets users reach; `own` the addresses of this machine.
pub fn refusal(address: IpAddr, allowed: &[IpNet], own: &[IpAddr]) -> Option<&'static str> {
    let address = address.to_canonical();
    if allowed.iter().any(|range| range.contains(&address)) {
        return None;
    }
    if own.contains(&address) {
        return Some("this machine's own");
    }
    let listed = REFUSED.iter().find(|(range, _)| range.contains(&address));
    if let Some((_, what)) = listed {
        return Some(what);
    }
    let IpAddr::V6(v6) = address else {
        return None;
    };
    if net(NAT64).contains(&address) {
        let behind = IpAddr::V4(last_bits(v6));
        return refusal(behind, allowed, own);
    }
    (!net(GLOBAL_V6).contains(&address)).then_some("private, link-local or reserved")
}

fn last_bits(v6: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = v6.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// The addresses of this machine's interfaces, as they are now.
///
/// # Errors
/// The kernel does not name them; nothing may be asked then.
pub fn own_addresses() -> std::io::Result<Vec<IpAddr>> {
    let found = nix::ifaddrs::getifaddrs().map_err(std::io::Error::from)?;
    let addresses = found.filter_map(|interface| {
        let address = interface.address?;
        if let Some(v4) = address.as_sockaddr_in() {
            return Some(IpAddr::V4(v4.ip()));
        }
        address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))
    });
    Ok(addresses.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, allowed: &[IpNet], own: &[IpAddr]) -> bool {
        refusal(text.parse().expect("an address"), allowed, own).is_some()
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_asked() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refused(text, &[], &[]), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert!(!refused(text, &[], &[]), "{text}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_refused_also_when_it_is_public_and_however_it_is_written() {
        let own = ["8.8.8.8".parse().unwrap(), "2a00::7".parse().unwrap()];
        for text in ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00::7"] {
            assert!(refused(text, &[], &own), "{text}");
            assert!(!refused(text, &[], &[]), "{text}");
        }
        let own = own_addresses().expect("interfaces");
        for address in own {
            assert!(refusal(address, &[], &[address]).is_some(), "{address}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_asked_and_nothing_beside_it() {
        let allowed = [net("10.1.0.0/16"), net("fd00::/64")];
        for text in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "fd00::5",
        ] {
            assert!(!refused(text, &allowed, &[]), "{text}");
        }
        assert!(!refused(
            "10.1.2.3",
            &allowed,
            &["10.1.2.3".parse().unwrap()]
        ));
        for text in ["10.2.0.1", "fd00:1::5", "192.168.0.1"] {
            assert!(refused(text, &allowed, &[]), "{text}");
        }
    }
}
