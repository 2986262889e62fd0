//! Connection tracking entries and the firewall's generation, by nfnetlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{DUMP, Message, Socket, attributes};

const CTNETLINK: u16 = 1 << 8;
const CT_NEW: u16 = CTNETLINK;
const CT_GET: u16 = CTNETLINK | 1;
const CT_DELETE: u16 = CTNETLINK | 2;
const NFT_GETGEN: u16 = (10 << 8) | 16;
const NFTA_GEN_ID: u16 = 1;
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const CT_ID: u16 = 12;
const CT_ZONE: u16 = 18;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const NESTED: u16 = 0x8000;

/// A tracked connection, seen from whoever began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub zone: u16,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// Destination port; 0 where the protocol has none.
    pub port: u16,
    /// Source port; 0 where the protocol has none.
    pub source_port: u16,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// Where replies go: differs from `source` behind SNAT.
    pub reply_destination: IpAddr,
    /// What names the entry to the kernel.
    pub family: u8,
    pub tuple: Vec<u8>,
    pub id: Vec<u8>,
}

#[cfg(test)]
impl Default for Flow {
    fn default() -> Flow {
        let nobody = IpAddr::from([0, 0, 0, 0]);
        Flow {
            zone: 0,
            source: nobody,
            destination: nobody,
            protocol: 0,
            port: 0,
            source_port: 0,
            icmp: None,
            reply_destination: nobody,
            family: 0,
            tuple: Vec::new(),
            id: Vec::new(),
        }
    }
}

/// A number that changes with every change to the namespace's firewall rules.
pub fn generation(socket: &mut Socket) -> io::Result<u32> {
    let answers = socket.ask(Message::new(NFT_GETGEN, 0).raw(&[0; 4]))?;
    answers
        .iter()
        .find_map(|(_, body)| {
            attributes(body.get(4..)?)
                .find(|(kind, _)| *kind == NFTA_GEN_ID)
                .and_then(|(_, v)| be32(v))
        })
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// All tracked connections of the namespace.
pub fn flows(socket: &mut Socket) -> io::Result<Vec<Flow>> {
    let answers = socket.ask(Message::new(CT_GET, DUMP).raw(&[0; 4]))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == CT_NEW)
        .filter_map(|(_, body)| parse(body))
        .collect())
}

/// Forgets a connection: its next packet is judged anew. One that is gone already is fine.
pub fn forget(socket: &mut Socket, flow: &Flow) -> io::Result<()> {
    let message = Message::new(CT_DELETE, 0)
        .raw(&[flow.family, 0, 0, 0])
        .attribute(TUPLE_ORIG | NESTED, &flow.tuple)
        .attribute(CT_ZONE, &flow.zone.to_be_bytes())
        .attribute(CT_ID, &flow.id);
    match socket.ask(message) {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other.map(drop),
    }
}

fn parse(body: &[u8]) -> Option<Flow> {
    let (mut tuple, mut reply, mut id, mut zone) = (None, None, Vec::new(), 0);
    for (kind, value) in attributes(body.get(4..)?) {
        match kind {
            TUPLE_ORIG => tuple = Some(value),
            TUPLE_REPLY => reply = Some(value),
            CT_ID => id = value.to_vec(),
            CT_ZONE => zone = be16(value)?,
            _ => {}
        }
    }
    let tuple = tuple?;
    let (source, destination) = ends(tuple)?;
    let (_, reply_destination) = ends(reply?)?;
    let mut flow = Flow {
        zone,
        source,
        destination,
        protocol: 0,
        port: 0,
        source_port: 0,
        icmp: None,
        reply_destination,
        family: *body.first()?,
        tuple: tuple.to_vec(),
        id,
    };
    let (_, transport) = attributes(tuple).find(|(kind, _)| *kind == TUPLE_PROTO)?;
    for (kind, value) in attributes(transport) {
        match kind {
            1 => flow.protocol = *value.first()?,
            2 => flow.source_port = be16(value)?,
            3 => flow.port = be16(value)?,
            5 | 8 => flow.icmp.get_or_insert_default().0 = *value.first()?,
            6 | 9 => flow.icmp.get_or_insert_default().1 = *value.first()?,
            _ => {}
        }
    }
    Some(flow)
}

/// Source and destination of a tuple.
fn ends(tuple: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (_, ip) = attributes(tuple).find(|(kind, _)| *kind == TUPLE_IP)?;
    let (mut source, mut destination) = (None, None);
    for (kind, value) in attributes(ip) {
        match kind {
            1 => source = value.first_chunk::<4>().map(|b| Ipv4Addr::from(*b).into()),
            2 => destination = value.first_chunk::<4>().map(|b| Ipv4Addr::from(*b).into()),
            3 => source = value.first_chunk::<16>().map(|b| Ipv6Addr::from(*b).into()),
            4 => destination = value.first_chunk::<16>().map(|b| Ipv6Addr::from(*b).into()),
            _ => {}
        }
    }
    Some((source?, destination?))
}

fn be16(value: &[u8]) -> Option<u16> {
    value
        .first_chunk::<2>()
        .map(|bytes| u16::from_be_bytes(*bytes))
}

fn be32(value: &[u8]) -> Option<u32> {
    value
        .first_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes))
}
