//! How volumes are served, out of the section of the service and of those of back ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use settings::Reader;

use crate::settings::{Helper, Nbd, Tgt};

/// Names of targets have 223 bytes, of which two ids take 81.
const LONGEST_PREFIX: usize = 128;

/// What the options say, of whichever helper they are.
#[derive(Debug, Clone)]
pub struct Serving {
    helper: String,
    address: IpAddr,
    ports: RangeInclusive<u16>,
    port: u16,
    prefix: String,
    control: u16,
}

/// Reads the section of the service.
pub fn read(from: &mut Reader<'_>) -> Serving {
    let ports: RangeInclusive<u16> = from.integer("nbd_first_port")..=from.integer("nbd_last_port");
    if ports.is_empty() {
        from.refuse("nbd_last_port", "must not be less than nbd_first_port");
    }
    let address: Option<IpAddr> = from.parsed("target_ip_address");
    Serving {
        helper: from.text("target_helper"),
        address: address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        ports,
        port: from.integer("target_port"),
        prefix: prefix(from),
        control: from.integer("tgt_control_port"),
    }
}

/// It becomes a part of names of targets, which are words of commands.
fn prefix(from: &mut Reader<'_>) -> String {
    let prefix = from.text("target_prefix");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
    let is_one = prefix.starts_with("iqn.") && prefix.len() <= LONGEST_PREFIX;
    if !is_one || !prefix.chars().all(plain) {
        from.refuse(
            "target_prefix",
            "must begin with iqn. and have letters, digits, '.', ':' and '-', 128 at most",
        );
    }
    prefix
}

impl Serving {
    /// The same with what the section of a back end says.
    pub fn within(&self, section: &mut Reader<'_>) -> Self {
        let helper = section.optional("target_helper");
        let address: Option<IpAddr> = section.parsed("target_ip_address");
        Serving {
            helper: helper.unwrap_or_else(|| self.helper.clone()),
            address: address.unwrap_or(self.address),
            ..self.clone()
        }
    }

    /// How the volumes are served. Cinder's other helpers are refused, whose volumes no host would reach.
    pub fn helper(&self, from: &mut Reader<'_>) -> Helper {
        if self.address.is_unspecified() {
            from.refuse(
                "target_ip_address",
                "must be an address that hosts can connect to",
            );
        }
        match self.helper.as_str() {
            "local" => Helper::Local,
            "nbd" => Helper::Nbd(Nbd {
                address: self.address,
                ports: self.ports.clone(),
            }),
            "tgtadm" => Helper::Tgt(Tgt {
                portal: SocketAddr::new(self.address, self.port),
                prefix: self.prefix.clone(),
                control: self.control,
            }),
            other => {
                from.refuse(
                    "target_helper",
                    format!("'{other}' is not built: local, nbd and tgtadm are"),
                );
                Helper::Local
            }
        }
    }
}
