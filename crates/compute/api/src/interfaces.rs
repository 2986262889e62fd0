//! Ports attached to a server.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::words::{Id, Tag};

#[derive(Serialize, Versioned)]
pub struct InterfaceView<'v> {
    pub port_id: &'v str,
    pub net_id: &'v str,
    pub mac_addr: &'v str,
    pub port_state: &'v str,
    pub fixed_ips: Option<Vec<FixedIp<'v>>>,
    #[mv(since = "2.70")]
    pub tag: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct FixedIp<'v> {
    pub subnet_id: &'v str,
    pub ip_address: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AttachInterface {
    #[mv(wire = "interfaceAttachment")]
    pub interface: Option<NewInterface>,
}

/// A port, or a network to make one on; neither means any network of the project.
#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct NewInterface {
    pub net_id: Option<Id>,
    pub port_id: Option<Id>,
    #[mv(min_items = 1, max_items = 1)]
    pub fixed_ips: Option<Vec<WantedIp>>,
    #[mv(since = "2.49")]
    pub tag: Option<Tag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct WantedIp {
    #[mv(format = "ip")]
    pub ip_address: String,
}
