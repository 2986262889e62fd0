//! Routing by input device, for one address: where guests' metadata requests go that come to a router.

use std::io;

use super::netlink::{CREATE, DUMP, EXCLUSIVE, Message, Socket, attributes, number, text};
use crate::dhcp::METADATA_ADDRESS;

const NEWRULE: u16 = 32;
const DELRULE: u16 = 33;
const GETRULE: u16 = 34;
const FRA_DST: u16 = 1;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
/// All our rules have it, and nobody else's in a router's namespace.
const PRIORITY: u32 = 100;

/// Packets for the metadata address that came in by a device are routed by a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detour {
    pub device: String,
    pub table: u32,
}

impl Detour {
    /// The detour of a device, by a table of its own.
    pub fn of(device: &str) -> Detour {
        // FNV-1a; the two top bits keep clear of the kernel's own tables (253 to 255).
        let hash = device.bytes().fold(0x811c_9dc5u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Detour {
            device: device.to_owned(),
            table: hash & 0x3fff_ffff | 0x4000_0000,
        }
    }
}

fn message(kind: u16, flags: u16, detour: &Detour) -> Message {
    const TO_TABLE: u8 = 1;
    let family = u8::try_from(libc::AF_INET).expect("address families are small");
    Message::new(kind, flags)
        .raw(&[family, 32, 0, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0])
        .attribute(FRA_DST, &METADATA_ADDRESS.octets())
        .text(FRA_IIFNAME, &detour.device)
        .number(FRA_PRIORITY, PRIORITY)
        .number(FRA_TABLE, detour.table)
}

/// The detours that there are.
pub fn detours(socket: &mut Socket) -> io::Result<Vec<Detour>> {
    let family = u8::try_from(libc::AF_INET).expect("address families are small");
    let answers =
        socket.ask(Message::new(GETRULE, DUMP).raw(&[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == NEWRULE)
        .filter_map(|(_, body)| parse(body))
        .collect())
}

fn parse(body: &[u8]) -> Option<Detour> {
    let (mut device, mut table, mut priority) = (None, None, None);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            FRA_IIFNAME => device = Some(text(value)),
            FRA_TABLE => table = number(value),
            FRA_PRIORITY => priority = number(value),
            _ => {}
        }
    }
    Some(Detour {
        device: device?,
        table: table?,
    })
    .filter(|_| priority == Some(PRIORITY))
}

pub fn add(socket: &mut Socket, detour: &Detour) -> io::Result<()> {
    socket
        .ask(message(NEWRULE, CREATE | EXCLUSIVE, detour))
        .map(drop)
}

pub fn remove(socket: &mut Socket, detour: &Detour) -> io::Result<()> {
    socket.ask(message(DELRULE, 0, detour)).map(drop)
}
