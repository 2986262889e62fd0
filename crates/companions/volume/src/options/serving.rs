//! How volumes are served, out of the section of the service and of those of back ends.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use settings::Reader;

use crate::settings::{Helper, Nbd};

/// What the options say, of whichever helper they are.
#[derive(Debug, Clone)]
pub struct Serving {
    helper: String,
    address: IpAddr,
    ports: RangeInclusive<u16>,
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
    }
}

impl Serving {
    /// The same with what the section of a back end says.
    pub fn within(&self, section: &mut Reader<'_>) -> Self {
        let helper = section.optional("target_helper");
        let address: Option<IpAddr> = section.parsed("target_ip_address");
        Serving {
            helper: helper.unwrap_or_else(|| self.helper.clone()),
            address: address.unwrap_or(self.address),
            ports: self.ports.clone(),
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
            other => {
                from.refuse(
                    "target_helper",
                    format!("'{other}' is not built: local and nbd are"),
                );
                Helper::Local
            }
        }
    }
}
