//! Devices, addresses and routes by rtnetlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, RawFd};

use ipnet::IpNet;

use super::netlink::{CREATE, DUMP, EXCLUSIVE, Message, Socket, attributes, number, text};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const BR_FORWARD_DELAY: u16 = 1;
const BR_STP_STATE: u16 = 5;
const BR_MCAST_SNOOPING: u16 = 23;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
/// No duplicate detection: the network service made sure, and a tentative address cannot be bound.
const IFA_F_NODAD: u32 = 2;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
/// Where routes usually are.
pub const MAIN_TABLE: u32 = 254;
/// The kernel's own addresses.
const LOCAL_TABLE: u32 = 255;
/// Routes of this protocol number are ours; the kernel's own are left alone.
const RTPROT_STATIC: u8 = 4;

/// A device as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// "bridge", "veth", "tun" (taps, too); empty for physical devices and loopback.
    pub kind: String,
    pub mac: Vec<u8>,
    pub mtu: u32,
    /// Index of the bridge that it is a port of; 0 for none.
    pub master: u32,
    pub up: bool,
    pub alias: String,
}

/// A route that we made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// [`MAIN_TABLE`] or that of a detour.
    pub table: u32,
    pub destination: IpNet,
    pub next_hop: IpAddr,
}

/// Changes to a device; `None` leaves a property alone.
#[derive(Debug, Default)]
pub struct Change<'a> {
    pub mac: Option<[u8; 6]>,
    pub mtu: Option<u32>,
    /// Index of the bridge; 0 takes it off.
    pub master: Option<u32>,
    pub up: Option<bool>,
    pub alias: Option<&'a str>,
}

/// The far end of a cable.
pub struct End<'a, F> {
    pub name: &'a str,
    pub namespace: &'a F,
}

fn ifinfo(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

pub fn links(socket: &mut Socket) -> io::Result<Vec<Link>> {
    let answers = socket.ask(Message::new(GETLINK, DUMP).raw(&ifinfo(0, 0, 0)))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == NEWLINK)
        .filter_map(|(_, body)| parse_link(body))
        .collect())
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let flags = number(body.get(8..12)?)?;
    let mut link = Link {
        index: number(body.get(4..8)?)?,
        name: String::new(),
        kind: String::new(),
        mac: Vec::new(),
        mtu: 0,
        master: 0,
        up: flags & 1 == 1,
        alias: String::new(),
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_ADDRESS => link.mac = value.to_vec(),
            IFLA_MTU => link.mtu = number(value)?,
            IFLA_MASTER => link.master = number(value)?,
            IFLA_IFALIAS => link.alias = text(value),
            IFLA_LINKINFO => {
                link.kind = attributes(value)
                    .find(|(k, _)| *k == INFO_KIND)
                    .map(|(_, v)| text(v))
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(link)
}

/// A bridge without spanning tree, without delay, without multicast snooping (nobody queries, so it would cut
/// neighbour discovery off).
pub fn add_bridge(socket: &mut Socket, name: &str) -> io::Result<()> {
    let message = Message::new(NEWLINK, CREATE | EXCLUSIVE)
        .raw(&ifinfo(0, 0, 0))
        .text(IFLA_IFNAME, name);
    let message = message.nest(IFLA_LINKINFO, |m| {
        m.text(INFO_KIND, "bridge").nest(INFO_DATA, |m| {
            m.number(BR_FORWARD_DELAY, 0)
                .number(BR_STP_STATE, 0)
                .attribute(BR_MCAST_SNOOPING, &[0])
        })
    });
    socket.ask(message).map(drop)
}

/// A cable (veth pair) from this namespace to another.
pub fn add_cable<F: AsRawFd>(socket: &mut Socket, near: &str, far: &End<'_, F>) -> io::Result<()> {
    let fd: RawFd = far.namespace.as_raw_fd();
    let message = Message::new(NEWLINK, CREATE | EXCLUSIVE)
        .raw(&ifinfo(0, 0, 0))
        .text(IFLA_IFNAME, near);
    let message = message.nest(IFLA_LINKINFO, |m| {
        m.text(INFO_KIND, "veth").nest(INFO_DATA, |m| {
            m.nest(VETH_PEER, |m| {
                m.raw(&ifinfo(0, 0, 0))
                    .text(IFLA_IFNAME, far.name)
                    .attribute(IFLA_NET_NS_FD, &fd.to_ne_bytes())
            })
        })
    });
    socket.ask(message).map(drop)
}

pub fn change(socket: &mut Socket, index: u32, change: &Change<'_>) -> io::Result<()> {
    let (flags, mask) = change.up.map_or((0, 0), |up| (u32::from(up), 1));
    let mut message = Message::new(NEWLINK, 0).raw(&ifinfo(index, flags, mask));
    if let Some(mac) = change.mac {
        message = message.attribute(IFLA_ADDRESS, &mac);
    }
    if let Some(mtu) = change.mtu {
        message = message.number(IFLA_MTU, mtu);
    }
    if let Some(master) = change.master {
        message = message.number(IFLA_MASTER, master);
    }
    if let Some(alias) = change.alias {
        message = message.attribute(IFLA_IFALIAS, alias.as_bytes());
    }
    socket.ask(message).map(drop)
}

pub fn remove(socket: &mut Socket, index: u32) -> io::Result<()> {
    ignore(
        libc::ENODEV,
        socket
            .ask(Message::new(DELLINK, 0).raw(&ifinfo(index, 0, 0)))
            .map(drop),
    )
}

/// All addresses but IPv6 link-local ones: (device index, address with prefix length).
pub fn addresses(socket: &mut Socket) -> io::Result<Vec<(u32, IpNet)>> {
    let answers = socket.ask(Message::new(GETADDR, DUMP).raw(&[0; 8]))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == NEWADDR)
        .filter_map(|(_, body)| parse_address(body))
        .collect())
}

fn parse_address(body: &[u8]) -> Option<(u32, IpNet)> {
    let prefix = *body.get(1)?;
    let index = number(body.get(4..8)?)?;
    let values: Vec<_> = attributes(body.get(8..)?).collect();
    // IFA_LOCAL is the own address; IPv6 has only IFA_ADDRESS.
    let value = [IFA_LOCAL, IFA_ADDRESS]
        .iter()
        .find_map(|k| values.iter().find(|(kind, _)| kind == k))?
        .1;
    let address = parse_ip(value)?;
    let link_local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
    (!link_local).then_some((index, IpNet::new(address, prefix).ok()?))
}

pub(super) fn parse_ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(Ipv4Addr::from(*value.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*value.first_chunk::<16>()?).into()),
        _ => None,
    }
}

fn ip_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    u8::try_from(family).expect("address families are small")
}

fn address_message(kind: u16, flags: u16, index: u32, address: IpNet) -> Message {
    let mut header = [
        family(address.addr()),
        address.prefix_len(),
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let bytes = ip_bytes(address.addr());
    let message = Message::new(kind, flags)
        .raw(&header)
        .attribute(IFA_LOCAL, &bytes)
        .attribute(IFA_ADDRESS, &bytes);
    if address.addr().is_ipv6() {
        message.number(IFA_FLAGS, IFA_F_NODAD)
    } else {
        message
    }
}

pub fn add_address(socket: &mut Socket, index: u32, address: IpNet) -> io::Result<()> {
    ignore(
        libc::EEXIST,
        socket
            .ask(address_message(NEWADDR, CREATE | EXCLUSIVE, index, address))
            .map(drop),
    )
}

pub fn remove_address(socket: &mut Socket, index: u32, address: IpNet) -> io::Result<()> {
    ignore(
        libc::EADDRNOTAVAIL,
        socket
            .ask(address_message(DELADDR, 0, index, address))
            .map(drop),
    )
}

/// Our routes (protocol "static").
pub fn routes(socket: &mut Socket) -> io::Result<Vec<Route>> {
    let answers = socket.ask(Message::new(GETROUTE, DUMP).raw(&[0; 12]))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == NEWROUTE)
        .filter_map(|(_, body)| parse_route(body))
        .collect())
}

fn parse_route(body: &[u8]) -> Option<Route> {
    let (family, prefix, protocol) = (*body.first()?, *body.get(1)?, *body.get(5)?);
    if protocol != RTPROT_STATIC {
        return None;
    }
    let unspecified = if i32::from(family) == libc::AF_INET {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let (mut destination, mut next_hop, mut table) = (unspecified, None, u32::from(*body.get(4)?));
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => destination = parse_ip(value)?,
            RTA_GATEWAY => next_hop = parse_ip(value),
            RTA_TABLE => table = number(value)?,
            _ => {}
        }
    }
    let destination = IpNet::new(destination, prefix).ok()?;
    let route = Route {
        table,
        destination,
        next_hop: next_hop?,
    };
    (table != LOCAL_TABLE).then_some(route)
}

fn route_message(kind: u16, flags: u16, route: &Route) -> Message {
    const RTN_UNICAST: u8 = 1;
    let header = [
        family(route.next_hop),
        route.destination.prefix_len(),
        0,
        0,
        0,
        RTPROT_STATIC,
        0,
        RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    Message::new(kind, flags)
        .raw(&header)
        .number(RTA_TABLE, route.table)
        .attribute(RTA_DST, &ip_bytes(route.destination.network()))
        .attribute(RTA_GATEWAY, &ip_bytes(route.next_hop))
}

pub fn add_route(socket: &mut Socket, route: &Route) -> io::Result<()> {
    ignore(
        libc::EEXIST,
        socket
            .ask(route_message(NEWROUTE, CREATE | EXCLUSIVE, route))
            .map(drop),
    )
}

pub fn remove_route(socket: &mut Socket, route: &Route) -> io::Result<()> {
    ignore(
        libc::ESRCH,
        socket.ask(route_message(DELROUTE, 0, route)).map(drop),
    )
}

/// Takes one error for success: the change was already there.
fn ignore(code: i32, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.raw_os_error() == Some(code) => Ok(()),
        other => other,
    }
}
