//! The host's data plane: the virtual networks of one cloud on one machine.
//!
//! Input is a complete [`Wanted`] state; [`Plane::apply`] makes the host look like it, touching only what differs, and
//! may be repeated at any time, also after the process was killed: it adopts what exists.
//!
//! What there is on the host:
//! - namespace `kn-<cloud>`: a bridge for each network, a persistent tap for each port, the security groups;
//! - namespace `kn-<cloud>-d-<net>`: dnsmasq and the metadata address of a network;
//! - namespace `kn-<cloud>-r-<router>`: a router with its NAT;
//! - in the host's own namespace only `kx<net>`: the host's end of the cable to an external network, and the nftables
//!   table `inet kilonova_<cloud>`, which says what comes in there.
//!
//! ```text
//!  host: kx<net>                             kn-<cloud>-r-<router>: rg<port>  ri<port>
//!         |                                                          |         |
//!  kn-<cloud>: ex<net>--br<external net>--rg<port>-------------------+         |
//!              tap<port>--br<net>--ri<port>------------------------------------+
//!                           |
//!                          dh<net>---------kn-<cloud>-d-<net>: dhcp0 (dnsmasq, 169.254.169.254)
//! ```
//!
//! To look inside: `ip netns exec kn-<cloud> nft list ruleset` (also `ip -br link`, `bridge fdb`, `conntrack -L`).
//!
//! Taps are made with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR` and one queue, by TUNSETPERSIST. Whoever runs the server
//! opens `/dev/net/tun` on a thread that entered the namespace, asks TUNSETIFF for the same name with the same three
//! flags, and gives the descriptor to QEMU (`-netdev tap,fd=N`).

mod adverts;
mod apply;
mod check;
mod daemon;
mod dhcp;
mod error;
mod firewall;
pub mod host;
mod kernel;
mod label;
mod layout;
mod memory;
mod metadata;
mod names;
mod numbers;
mod owners;
mod plane;
mod report;
mod space;
mod wanted;

pub use error::PlaneError;
pub use firewall::host::{GatewayService, Transport};
pub use metadata::MetadataListener;
pub use names::{
    bridge, dhcp_namespace, router_namespace, switch_namespace, tap_name, uplink_host,
};
pub use plane::{Plane, PlaneSettings};
pub use report::{Failure, Object, Report};
pub use wanted::*;
