//! Small numbers for long ids: packet marks for ports, conntrack zones for networks.
//!
//! A number stays with its id for as long as the id is wanted, also over restarts (they are saved with the rest of the
//! plane's memory): a changed zone would forget the network's connections.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::wanted::Wanted;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    ports: BTreeMap<String, u32>,
    networks: BTreeMap<String, u16>,
}

impl Numbers {
    /// Gives every port and network of `wanted` a number and forgets the others.
    pub fn assign(&mut self, wanted: &Wanted) {
        assign(
            &mut self.ports,
            wanted.ports.iter().map(|p| p.id.as_str()),
            // The highest bit says that a port has no port security.
            u32::MAX >> 1,
        );
        assign(
            &mut self.networks,
            wanted.networks.iter().map(|n| n.id.as_str()),
            u16::MAX,
        );
    }

    /// A port's packet mark, never 0.
    pub fn port(&self, id: &str) -> Option<u32> {
        self.ports.get(id).copied()
    }

    /// A network's conntrack zone, never 0. `None` beyond 65,535 networks: those share zone 0.
    pub fn network(&self, id: &str) -> Option<u16> {
        self.networks.get(id).copied()
    }
}

/// Keeps known numbers, then hands out the lowest free ones up to `most`.
fn assign<'a, N: Copy + Ord + TryFrom<u64>>(
    numbers: &mut BTreeMap<String, N>,
    ids: impl Iterator<Item = &'a str>,
    most: N,
) {
    let ids: BTreeSet<&str> = ids.collect();
    numbers.retain(|id, _| ids.contains(id.as_str()));
    let taken: BTreeSet<N> = numbers.values().copied().collect();
    let mut free = (1u64..)
        .map_while(|n| N::try_from(n).ok())
        .take_while(|n| *n <= most)
        .filter(|n| !taken.contains(n));
    for id in ids {
        if !numbers.contains_key(id)
            && let Some(number) = free.next()
        {
            numbers.insert(id.to_owned(), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::assign;
    use std::collections::BTreeMap;

    #[test]
    fn a_number_stays_with_its_id_and_free_ones_are_used_again() {
        let mut numbers = BTreeMap::new();
        assign(&mut numbers, ["a", "b", "c"].into_iter(), u16::MAX);
        assert_eq!(numbers["c"], 3);
        assign(&mut numbers, ["b", "c", "d"].into_iter(), u16::MAX);
        assert_eq!((numbers["b"], numbers["c"], numbers["d"]), (2, 3, 1));
        assign(&mut numbers, ["b", "c", "d", "e"].into_iter(), 3);
        assert!(!numbers.contains_key("e"), "there is none left");
    }
}
