//! How many connections at once: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Most connections of a listener. A connection beyond them is closed at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Of all clients together.
    pub in_all: usize,
    /// Of one client: an IPv4 address, or the 64 bits in front of an IPv6 address, which is what one
    /// customer is given.
    pub per_address: usize,
    /// Addresses that speak for many clients: proxies that the operator named. Only `in_all` binds them.
    pub proxies: Arc<[ipnet::IpNet]>,
}

impl Default for Limits {
    /// None.
    fn default() -> Self {
        Limits {
            in_all: usize::MAX,
            per_address: usize::MAX,
            proxies: Arc::from([]),
        }
    }
}

/// Who is connected.
#[derive(Debug)]
pub(super) struct Connected {
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connected: Arc<Connected>,
    client: IpAddr,
}

impl Connected {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Connected {
            limits,
            open: Mutex::default(),
        })
    }

    /// A place for a connection from `address`; none when it would be one too many.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let client = client(address);
        let proxy = self
            .limits
            .proxies
            .iter()
            .any(|net| net.contains(&address.to_canonical()));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.by_address.get(&client).copied().unwrap_or(0);
        if open.in_all >= self.limits.in_all || (!proxy && own >= self.limits.per_address) {
            return None;
        }
        open.in_all += 1;
        open.by_address.insert(client, own + 1);
        Some(Place {
            connected: self.clone(),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .connected
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.in_all -= 1;
        match open.by_address.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(open.by_address.remove(&self.client)),
        }
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_client_leaves_room_for_the_others_and_places_come_back() {
        let connected = Connected::new(Limits {
            in_all: 3,
            per_address: 2,
            proxies: Arc::from([]),
        });
        let first = connected.enter(address("192.0.2.1")).expect("room");
        let second = connected.enter(address("::ffff:192.0.2.1")).expect("room");
        assert!(connected.enter(address("192.0.2.1")).is_none(), "its third");
        let other = connected.enter(address("192.0.2.2")).expect("another's");
        assert!(
            connected.enter(address("192.0.2.3")).is_none(),
            "all are taken"
        );
        drop((first, other));
        assert!(connected.enter(address("192.0.2.1")).is_some());
        drop(second);
        let open = connected.open.lock().unwrap();
        assert_eq!((open.in_all, open.by_address.len()), (0, 0));
    }

    #[test]
    fn an_ipv6_customer_is_one_client_and_a_named_proxy_is_many() {
        let connected = Connected::new(Limits {
            in_all: 100,
            per_address: 1,
            proxies: Arc::from(["10.0.0.9/32".parse().expect("a net")]),
        });
        let held = connected.enter(address("2001:db8::1"));
        assert!(held.is_some());
        assert!(connected.enter(address("2001:db8::2")).is_none());
        assert!(connected.enter(address("2001:db8:0:1::2")).is_some());
        let proxied: Vec<_> = (0..5)
            .map(|_| connected.enter(address("10.0.0.9")))
            .collect();
        assert!(proxied.iter().all(Option::is_some));
    }
}
