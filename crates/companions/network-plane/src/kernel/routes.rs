//! All routes of a namespace, in every table: what the host reaches and how.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::links::parse_ip;
use super::netlink::{DUMP, Message, Socket, attributes, number};

const NEWROUTE: u16 = 24;
const GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const RTN_BROADCAST: u8 = 3;
const RTN_ANYCAST: u8 = 4;
const RTN_MULTICAST: u8 = 5;
/// A copy that the kernel made of a route for one destination.
const RTM_F_CLONED: u32 = 0x200;

/// A route as the kernel has it, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyRoute {
    pub destination: IpNet,
    /// None for a connected network; several where the route is shared out.
    pub next_hops: Vec<IpAddr>,
    /// Index of the device, where there is one.
    pub device: Option<u32>,
}

/// The routes of all tables but broadcasts, multicasts and IPv6 link-local ones.
pub fn all(socket: &mut Socket) -> io::Result<Vec<AnyRoute>> {
    let answers = socket.ask(Message::new(GETROUTE, DUMP).raw(&[0; 12]))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == NEWROUTE)
        .filter_map(|(_, body)| parse(body))
        .collect())
}

fn parse(body: &[u8]) -> Option<AnyRoute> {
    let (family, prefix, kind) = (*body.first()?, *body.get(1)?, *body.get(7)?);
    let flags = number(body.get(8..12)?)?;
    if [RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST].contains(&kind) || flags & RTM_F_CLONED != 0 {
        return None;
    }
    let mut destination: IpAddr = match i32::from(family) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let (mut next_hops, mut device) = (Vec::new(), None);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => destination = parse_ip(value)?,
            RTA_GATEWAY => next_hops.extend(parse_ip(value)),
            // A family of two bytes, then the address.
            RTA_VIA => next_hops.extend(value.get(2..).and_then(parse_ip)),
            RTA_OIF => device = number(value),
            RTA_MULTIPATH => {
                let (hops, first) = multipath(value);
                next_hops.extend(hops);
                device = device.or(first);
            }
            _ => {}
        }
    }
    let link_local = matches!(destination, IpAddr::V6(a) if a.is_unicast_link_local());
    let multicast = destination.is_multicast();
    (!link_local && !multicast).then_some(AnyRoute {
        destination: IpNet::new(destination, prefix).ok()?,
        next_hops,
        device,
    })
}

/// The next hops of a shared route, and the device of the first: entries of a header (length, flags, weight, device)
/// and attributes.
fn multipath(value: &[u8]) -> (Vec<IpAddr>, Option<u32>) {
    let (mut hops, mut device, mut rest) = (Vec::new(), None, value);
    while let Some(length) = rest
        .first_chunk::<2>()
        .map(|bytes| usize::from(u16::from_ne_bytes(*bytes)))
    {
        let Some(entry) = rest.get(..length).filter(|entry| entry.len() >= 8) else {
            break;
        };
        device = device.or(number(&entry[4..8]));
        for (kind, value) in attributes(&entry[8..]) {
            match kind {
                RTA_GATEWAY => hops.extend(parse_ip(value)),
                RTA_VIA => hops.extend(value.get(2..).and_then(parse_ip)),
                _ => {}
            }
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    (hops, device)
}
