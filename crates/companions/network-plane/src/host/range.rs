//! The range of the first external network, chosen among private ones.
//!
//! Candidates lie in all three private blocks, since a company's or a VPN's route often covers one of them whole:
//! - 172.24.4.0/24 first: the range of DevStack's public network, so guides and scripts know it. Docker's own pools begin
//!   at 172.17.0.0, and Docker looks at the host's routes before it takes one;
//! - 192.168.x.0/24 with a high x: routers at home, libvirt (122) and virtual machines of desktops use low ones;
//! - 10.x.4.0/24 with a high x: Kubernetes begins at 10.42, 10.96 and 10.244, the demo's private network at 10.20.
//!
//! 100.64.0.0/10 is left out (carriers, Tailscale, metadata services of some clouds), and so are blocks that are not
//! private: what is reserved for documentation or measurements is used on some machines all the same.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::{Harm, Uses};

/// No candidate is free.
#[derive(Debug, thiserror::Error)]
#[error(
    "every private range that could be the external network's is in use on this machine; the first: {0}"
)]
pub struct NoRange(String);

/// The candidates, the preferred ones first.
pub fn candidates() -> impl Iterator<Item = IpNet> {
    let low = (24..32).map(|n| [172, n, 4, 0]);
    let home = (201..209).map(|n| [192, 168, n, 0]);
    let wide = (201..209).map(|n| [10, n, 4, 0]);
    low.chain(home)
        .chain(wide)
        .map(|bytes| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(bytes), 24)))
}

/// The first candidate that touches nothing of the host; where there is none, the first that only takes a part of a
/// wider route, with that route's description.
///
/// # Errors
/// Every candidate would break something.
pub fn choose(uses: &Uses) -> Result<(IpNet, Option<String>), NoRange> {
    let mut bearable = None;
    let mut first = String::new();
    for range in candidates() {
        match uses.worst(range) {
            None => return Ok((range, None)),
            Some((Harm::Diverts, by)) => {
                bearable.get_or_insert_with(|| (range, Some(by.to_string())));
            }
            Some((Harm::Breaks, by)) if first.is_empty() => {
                first = format!("{range} overlaps {by}");
            }
            Some((Harm::Breaks, _)) => {}
        }
    }
    bearable.ok_or(NoRange(first))
}
