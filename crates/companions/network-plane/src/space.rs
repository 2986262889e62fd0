//! An opened network namespace: its file and its netlink sockets, kept from apply to apply.

use std::collections::BTreeMap;
use std::fs::{self, File};

use ipnet::IpNet;

use crate::PlaneError;
use crate::kernel::links::{self, Link};
use crate::kernel::netlink::{Family, Socket};
use crate::kernel::netns;
use crate::label::{Label, Whose};
use crate::layout::Key;
use crate::names;

/// A namespace that this process works in.
pub struct Opened {
    pub file: File,
    /// Tells a namespace from a later one of the same name.
    pub inode: u64,
    pub route: Socket,
    pub netfilter: Socket,
}

/// What is in a namespace now.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By name.
    pub links: BTreeMap<String, Link>,
    /// With the device's index.
    pub addresses: Vec<(u32, IpNet)>,
}

impl Opened {
    pub fn new(file: File) -> Result<Opened, PlaneError> {
        let open = |family| {
            Socket::open(family).map_err(|e| PlaneError::kernel("open a netlink socket", e))
        };
        let (route, netfilter) = netns::inside(&file, || {
            Ok((open(Family::Route)?, open(Family::Netfilter)?))
        })?;
        Ok(Opened {
            inode: netns::inode(&file)?,
            file,
            route,
            netfilter,
        })
    }

    pub fn snapshot(&mut self) -> Result<Snapshot, PlaneError> {
        let links = self.links()?;
        let addresses = links::addresses(&mut self.route)
            .map_err(|e| PlaneError::kernel("list addresses", e))?;
        Ok(Snapshot { links, addresses })
    }

    pub fn links(&mut self) -> Result<BTreeMap<String, Link>, PlaneError> {
        let links =
            links::links(&mut self.route).map_err(|e| PlaneError::kernel("list devices", e))?;
        Ok(links
            .into_iter()
            .map(|link| (link.name.clone(), link))
            .collect())
    }
}

/// The name of a namespace; `None` for the host's own.
pub fn name(cloud_id: &str, key: &Key) -> Option<String> {
    match key {
        Key::Switch => Some(names::switch_namespace(cloud_id)),
        Key::Host => None,
        Key::Dhcp(name) | Key::Router(name) => Some(name.clone()),
    }
}

/// Opens a namespace of our own, making it if need be. `true`: it was made just now.
pub fn open_or_create(name: &str, key: &Key, label: &Label) -> Result<(Opened, bool), PlaneError> {
    if let Some(file) = netns::open(name)? {
        let mut opened = Opened::new(file)?;
        return match label.whose(&mut opened)? {
            Whose::Ours => Ok((opened, false)),
            // Below a name that is ours: made before there were labels, or a crash came in between.
            Whose::Unknown => label.put(&mut opened).map(|()| (opened, false)),
            Whose::Foreign => Err(PlaneError::Foreign(name.to_owned())),
        };
    }
    let file = netns::create(name, || prepare(key))?;
    let mut opened = Opened::new(file)?;
    label.put(&mut opened)?;
    Ok((opened, true))
}

/// Kernel settings of a fresh namespace, by role: (file under /proc/sys/net, value).
fn settings(key: &Key) -> &'static [(&'static str, &'static str)] {
    match key {
        // Bridges and taps are cables, not hosts: no addresses of their own. Bridged IP goes through conntrack; a TCP
        // connection that is not known is not picked up half-way, or revoked ones would come back.
        Key::Switch => &[
            ("ipv6/conf/all/disable_ipv6", "1"),
            ("ipv6/conf/default/disable_ipv6", "1"),
            ("bridge/bridge-nf-call-iptables", "1"),
            ("bridge/bridge-nf-call-ip6tables", "1"),
            ("bridge/bridge-nf-call-arptables", "0"),
            ("netfilter/nf_conntrack_tcp_loose", "0"),
        ],
        Key::Dhcp(_) => &[
            ("ipv6/conf/default/accept_ra", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
        ],
        // `default` and not `all` for what new devices copy.
        Key::Router(_) => &[
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv4/conf/all/arp_announce", "2"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv6/conf/default/forwarding", "1"),
            ("ipv6/conf/default/accept_ra", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ],
        Key::Host => &[],
    }
}

/// Writes the settings of the calling thread's namespace. Those of IPv6 are left out where the kernel has none; the
/// bridge's are needed, security groups are nothing without them.
fn prepare(key: &Key) -> Result<(), PlaneError> {
    for (file, value) in settings(key) {
        let path = std::path::Path::new("/proc/sys/net").join(file);
        if !path.exists() && (file.starts_with("ipv6/") || file.contains("arptables")) {
            continue;
        }
        if !path.exists() && file.starts_with("bridge/") {
            return Err(PlaneError::NoBridgeFilter);
        }
        fs::write(&path, value).map_err(|e| PlaneError::file(path, e))?;
    }
    Ok(())
}
