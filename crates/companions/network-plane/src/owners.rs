//! Which port has which address, as the switch's rules of this moment see to it. Metadata knows its servers by that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Port ids by network id and address.
pub type OwnersMap = BTreeMap<(String, IpAddr), String>;

/// The map, shared between the plane that loads rules and those who ask. Cheap to clone.
#[derive(Clone, Default)]
pub struct Owners {
    map: Arc<RwLock<OwnersMap>>,
}

impl Owners {
    /// The port that alone can send from this address to the network's metadata listener; `None` if no port can, or
    /// while the address changes hands.
    pub fn of(&self, network_id: &str, address: IpAddr) -> Option<String> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&(network_id.to_owned(), address)).cloned()
    }

    /// Before rules are loaded: forgets what `next` does not have in the same way.
    pub fn keep(&self, next: &OwnersMap) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.retain(|address, port| next.get(address) == Some(port));
    }

    /// After rules were loaded.
    pub fn set(&self, next: OwnersMap) {
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_changes_hands_belongs_to_nobody_meanwhile() {
        let address = IpAddr::from([10, 0, 0, 5]);
        let map = |port: &str| OwnersMap::from([(("net".to_owned(), address), port.to_owned())]);
        let owners = Owners::default();
        owners.set(map("old"));
        owners.keep(&map("old"));
        assert_eq!(owners.of("net", address).as_deref(), Some("old"));
        owners.keep(&map("new"));
        assert_eq!(owners.of("net", address), None);
        owners.set(map("new"));
        assert_eq!(owners.of("net", address).as_deref(), Some("new"));
        assert_eq!(owners.of("other", address), None);
    }
}
