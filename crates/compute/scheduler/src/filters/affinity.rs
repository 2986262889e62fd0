//! Filters by hints that name servers, or an address near by.

use std::net::IpAddr;

use compute_model::request::servers_named;
use serde_json::Value;

use super::Question;
use crate::Host;

/// `DifferentHostFilter`: none of the servers named is here.
pub fn different_host(host: &Host, question: &Question) -> Result<(), String> {
    match any_here(host, question, "different_host") {
        Some(true) => Err("a server is there that is to be elsewhere".to_owned()),
        _ => Ok(()),
    }
}

/// `SameHostFilter`: one of the servers named is here.
pub fn same_host(host: &Host, question: &Question) -> Result<(), String> {
    match any_here(host, question, "same_host") {
        Some(false) => Err("none of the servers named is there".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a server that a hint names is on this host; nothing when it names none.
fn any_here(host: &Host, question: &Question, hint: &str) -> Option<bool> {
    let mut named = servers_named(&question.request.hints, hint).peekable();
    named.peek()?;
    let hosts = &question.request.named_servers;
    Some(named.any(|server| hosts.get(server) == Some(&host.node.host)))
}

/// `SimpleCIDRAffinityFilter`: in the network of the address that the hint names.
pub fn near(host: &Host, question: &Question) -> Result<(), String> {
    let hint = |name| question.request.hints.get(name).and_then(Value::as_str);
    let Some(address) = hint("build_near_host_ip") else {
        return Ok(());
    };
    let mask = hint("cidr").unwrap_or("/24");
    let near = address.parse().ok();
    let here = host.node.facts.host_ip.parse().ok();
    match (near, here) {
        (Some(near), Some(here)) if within(near, mask, here) => Ok(()),
        _ => Err(format!("not in {address}{mask}")),
    }
}

/// Whether two addresses are in one network of this mask: `/24`, or `/255.255.255.0`.
fn within(near: IpAddr, mask: &str, here: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (128, v6.to_bits()),
    };
    let ((size, near), (other_size, here)) = (bits(near), bits(here));
    let mask = mask.trim_start_matches('/');
    let mask = match (mask.parse::<u32>(), mask.parse::<IpAddr>()) {
        (Ok(length), _) if length <= size => u128::MAX.checked_shl(size - length).unwrap_or(0),
        (_, Ok(mask)) if bits(mask).0 == size => bits(mask).1,
        _ => return false,
    };
    size == other_size && (near ^ here) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_near_when_it_has_the_bits_of_the_mask() {
        for (near, mask, here, is) in [
            ("10.1.2.3", "/24", "10.1.2.200", true),
            ("10.1.2.3", "/24", "10.1.3.3", false),
            ("10.1.2.3", "/255.255.0.0", "10.1.3.3", true),
            ("10.1.2.3", "/0", "192.0.2.1", true),
            ("10.1.2.3", "/33", "10.1.2.3", false),
            ("10.1.2.3", "/24", "fd00::1", false),
            ("fd00::1", "/64", "fd00::2", true),
            ("fd00::1", "/64", "fd00:0:0:1::2", false),
        ] {
            let parsed = |text: &str| text.parse().expect("an address");
            assert_eq!(
                within(parsed(near), mask, parsed(here)),
                is,
                "{near}{mask} {here}"
            );
        }
    }
}
