//! A small blocking netlink client.
//!
//! A netlink socket belongs to the network namespace of the thread that made it, for life, and may then be used from
//! any thread. So one socket per namespace replaces a thread or a child process per change. Requests are answered by
//! the kernel within the send, so blocking is harmless.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
pub const REQUEST: u16 = 0x1;
pub const ACK: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const CREATE: u16 = 0x400;
pub const EXCLUSIVE: u16 = 0x200;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug)]
pub enum Family {
    Route,
    Netfilter,
}

/// A connection to the kernel, in the namespace of the thread that opened it.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn open(family: Family) -> io::Result<Socket> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        // Larger than any datagram of a dump (the kernel makes them at most 32 KiB).
        Ok(Socket {
            fd,
            sequence: 0,
            buffer: vec![0; 128 * 1024],
        })
    }

    /// Sends one request and returns the answers: (message type, what follows the netlink header).
    pub fn ask(&mut self, message: Message) -> io::Result<Vec<(u16, Vec<u8>)>> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message.finish(self.sequence);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answers = Vec::new();
        loop {
            let length = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            let mut rest = &self.buffer[..length];
            while rest.len() >= HEADER {
                let size = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                if size < HEADER || size > rest.len() {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                }
                let kind = u16::from_ne_bytes([rest[4], rest[5]]);
                let sequence = u32::from_ne_bytes([rest[8], rest[9], rest[10], rest[11]]);
                let body = &rest[HEADER..size];
                if sequence == self.sequence {
                    match kind {
                        NLMSG_DONE => return Ok(answers),
                        NLMSG_ERROR => return verdict(body).map(|()| answers),
                        other => answers.push((other, body.to_vec())),
                    }
                }
                rest = &rest[align(size).min(rest.len())..];
            }
        }
    }
}

/// An error message's code: 0 is the acknowledgement.
fn verdict(body: &[u8]) -> io::Result<()> {
    let code = body
        .first_chunk::<4>()
        .map_or(-libc::EIO, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(-code))
    }
}

fn align(size: usize) -> usize {
    size.next_multiple_of(4)
}

/// A request under construction.
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// `kind` and `flags` as in `nlmsghdr`; [`REQUEST`] and [`ACK`] are added (no ACK for dumps: they end by DONE).
    pub fn new(kind: u16, flags: u16) -> Message {
        let mut bytes = vec![0; HEADER];
        let flags = flags | REQUEST | if flags & DUMP == DUMP { 0 } else { ACK };
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Message { bytes }
    }

    /// Appends a fixed header (`ifinfomsg`, `nfgenmsg`, ...).
    pub fn raw(mut self, bytes: &[u8]) -> Message {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }

    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        let length = u16::try_from(value.len() + 4).expect("attributes are short");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }

    pub fn number(self, kind: u16, value: u32) -> Message {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// A text with its closing zero byte.
    pub fn text(self, kind: u16, value: &str) -> Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// An attribute that holds attributes.
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Message) -> Message) -> Message {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let mut inner = fill(self);
        let length = u16::try_from(inner.bytes.len() - start).expect("attributes are short");
        inner.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        inner.bytes[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        inner
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("requests are short");
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// The attributes in `bytes`: (kind, value). Ends at the first malformed one.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*rest.first()?, *rest.get(1)?]));
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]) & KIND;
        let value = rest.get(4..length)?;
        rest = &rest[align(length).min(rest.len())..];
        Some((kind, value))
    })
}

/// The number in an attribute, in the machine's byte order.
pub fn number(value: &[u8]) -> Option<u32> {
    value
        .first_chunk::<4>()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The text in an attribute, without the closing zero byte.
pub fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}
