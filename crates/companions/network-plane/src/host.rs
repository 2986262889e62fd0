//! What the host itself uses of the address space: its addresses, its routes, and what it must reach (name servers,
//! proxies, package mirrors). The range of an external network becomes a connected route of the host, so a range that
//! overlaps any of these takes something away from the host.

pub mod landmarks;
pub mod range;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::PlaneError;
use crate::host::landmarks::Seeking;
use crate::kernel::links::{self, Link};
use crate::kernel::netlink::{Family, Socket};
use crate::kernel::routes;

pub use landmarks::Places;
pub use range::{NoRange, choose};

/// One part of the address space, and what the host has it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub net: IpNet,
    pub by: By,
}

/// What the host has an address or range for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// An address of the host with its network, on this device.
    Device(String),
    /// A route; one without a next hop leads to a network that the host is connected to.
    Route {
        via: Option<IpAddr>,
        device: Option<String>,
    },
    /// The next hop of a route.
    NextHop,
    /// A name server, with the file that names it.
    Resolver(String),
    /// A proxy, with the file or variable that names it.
    Proxy(String),
    /// A host that packages are fetched from, with the file or variable that names it.
    Mirror { host: String, source: String },
}

/// What a connected route to a range does to a use of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// It takes a part of a wider route by way of another machine. What that part leads to is not known.
    Diverts,
    /// The host loses an address, a connected network, or something that it must reach.
    Breaks,
}

impl Use {
    /// The harm that a connected route to `range` does; `None` where the two do not touch.
    pub fn harm(&self, range: IpNet) -> Option<Harm> {
        let range = range.trunc();
        if !self.net.contains(&range) && !range.contains(&self.net) {
            return None;
        }
        let wider = self.net.prefix_len() < range.prefix_len();
        let passes_on = matches!(
            self.by,
            By::Route { via: Some(_), .. } | By::Route { device: None, .. }
        );
        Some(if passes_on && wider {
            Harm::Diverts
        } else {
            Harm::Breaks
        })
    }

    /// Whether it is a machine that the host must reach, and not an address or route of its own.
    pub fn is_landmark(&self) -> bool {
        !matches!(self.by, By::Device(_) | By::Route { .. })
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let net = crate::firewall::nft_net(&self.net);
        match &self.by {
            By::Device(device) => write!(f, "{net} of the host's device {device}"),
            By::Route { via: Some(via), .. } => write!(f, "the host's route to {net} by {via}"),
            By::Route {
                device: Some(device),
                ..
            } => write!(f, "the host's route to {net} by its device {device}"),
            By::Route { .. } => write!(f, "the host's route to {net}"),
            By::NextHop => write!(f, "{net}, a next hop of the host's routes"),
            By::Resolver(source) => write!(f, "the name server {net} ({source})"),
            By::Proxy(source) => write!(f, "the proxy at {net} ({source})"),
            By::Mirror { host, source } => {
                write!(f, "the package mirror {host} at {net} ({source})")
            }
        }
    }
}

/// Everything that the host uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses(pub Vec<Use>);

impl Uses {
    /// The worst that a connected route to `range` does, and to what; `None` if it touches nothing.
    pub fn worst(&self, range: IpNet) -> Option<(Harm, &Use)> {
        self.0
            .iter()
            .filter_map(|one| Some((one.harm(range)?, one)))
            // The first of the worst ones: `max_by_key` alone would take the last.
            .rev()
            .max_by_key(|(harm, _)| *harm)
    }
}

/// A way to look at the host, from any thread.
#[derive(Clone)]
pub struct Host {
    /// Opened in the host's namespace, where it stays: entering that one again would need rights.
    socket: Arc<Mutex<Socket>>,
    /// Devices with this label are the cloud's own and not in the host's use.
    own: Option<String>,
    landmarks: Arc<Seeking>,
}

impl Host {
    /// The host of the calling thread's network namespace. Names are looked up in the background from now on.
    ///
    /// # Errors
    /// The kernel has no netlink for us.
    pub fn here(places: Places, own: Option<String>) -> Result<Host, PlaneError> {
        let socket = Socket::open(Family::Route)
            .map_err(|e| PlaneError::kernel("open a netlink socket", e))?;
        Ok(Host {
            socket: Arc::new(Mutex::new(socket)),
            own,
            landmarks: Seeking::start(places),
        })
    }

    /// The names of the cloud's own devices.
    pub(crate) fn own_devices(&self) -> Result<BTreeSet<String>, PlaneError> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let links = links::links(&mut socket)
            .map_err(|e| PlaneError::kernel("list the host's devices", e))?;
        let own = links.into_iter().filter(|link| self.is_own(link));
        Ok(own.map(|link| link.name).collect())
    }

    /// The names of all other devices.
    pub(crate) fn foreign_devices(&self) -> Result<BTreeSet<String>, PlaneError> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let links = links::links(&mut socket)
            .map_err(|e| PlaneError::kernel("list the host's devices", e))?;
        let others = links.into_iter().filter(|link| !self.is_own(link));
        Ok(others.map(|link| link.name).collect())
    }

    fn is_own(&self, link: &Link) -> bool {
        self.own.as_ref() == Some(&link.alias)
    }

    /// What the host uses now. Waits for names that are still looked up, at most [`landmarks::LIMIT`].
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn uses(&self) -> Result<Uses, PlaneError> {
        let uses = {
            let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            kernel_uses(&mut socket, |link| self.is_own(link))
        };
        let mut uses =
            uses.map_err(|e| PlaneError::kernel("list the host's addresses and routes", e))?;
        uses.extend(self.landmarks.found());
        Ok(Uses(uses))
    }
}

/// Addresses and routes, but for those of the cloud's own devices.
fn kernel_uses(socket: &mut Socket, own: impl Fn(&Link) -> bool) -> std::io::Result<Vec<Use>> {
    let links = links::links(socket)?;
    let name = |index: u32| {
        let link = links.iter().find(|link| link.index == index);
        link.map_or_else(|| format!("number {index}"), |link| link.name.clone())
    };
    let ours: BTreeSet<u32> = links
        .iter()
        .filter(|link| own(link))
        .map(|link| link.index)
        .collect();
    let mut uses: Vec<Use> = links::addresses(socket)?
        .into_iter()
        .filter(|(index, _)| !ours.contains(index))
        .map(|(index, net)| Use {
            net: net.trunc(),
            by: By::Device(name(index)),
        })
        .collect();
    for route in routes::all(socket)? {
        if route.device.is_some_and(|index| ours.contains(&index)) {
            continue;
        }
        uses.extend(route.next_hops.iter().map(|hop| Use {
            net: IpNet::from(*hop),
            by: By::NextHop,
        }));
        // The default route is everywhere, and every other route goes before it.
        if route.destination.prefix_len() > 0 {
            uses.push(Use {
                net: route.destination,
                by: By::Route {
                    via: route.next_hops.first().copied(),
                    device: route.device.map(name),
                },
            });
        }
    }
    Ok(uses)
}

#[cfg(test)]
mod tests;
