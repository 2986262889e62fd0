//! How many connections guests may hold open at the metadata proxy: bounded per source address and in total, so that a
//! guest that opens connections without end takes neither the descriptors of the process nor the others' metadata.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Connections that one address of one network may hold. A guest at boot opens a few.
pub const PER_SOURCE: usize = 32;
/// Connections that all guests of this host may hold together.
pub const IN_ALL: usize = 256;

/// Whose connection: addresses mean something only within their network.
type Source = (String, IpAddr);

/// The count of open connections.
#[derive(Debug, Default)]
pub struct Doors {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    in_all: usize,
    by_source: HashMap<Source, usize>,
}

/// The right to keep one connection open; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    doors: Arc<Doors>,
    source: Source,
}

impl Doors {
    /// A pass for one more connection, or `None` when there are too many already.
    pub fn enter(self: &Arc<Self>, network_id: &str, address: IpAddr) -> Option<Pass> {
        let source = (network_id.to_owned(), address);
        let mut open = self.open.lock().expect("nobody panics while counting");
        if open.in_all >= IN_ALL {
            return None;
        }
        let held = open.by_source.get(&source).copied().unwrap_or_default();
        if held >= PER_SOURCE {
            return None;
        }
        open.in_all += 1;
        open.by_source.insert(source.clone(), held + 1);
        Some(Pass {
            doors: self.clone(),
            source,
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self
            .doors
            .open
            .lock()
            .expect("nobody panics while counting");
        open.in_all -= 1;
        let last = match open.by_source.get_mut(&self.source) {
            Some(held) => {
                *held -= 1;
                *held == 0
            }
            None => false,
        };
        if last {
            open.by_source.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn one_guest_keeps_no_other_out_and_a_closed_connection_makes_room() {
        let doors = Arc::new(Doors::default());
        let mut held: Vec<Pass> = (0..PER_SOURCE)
            .map(|_| doors.enter("net", guest(1)).expect("room"))
            .collect();
        assert!(doors.enter("net", guest(1)).is_none());
        assert!(doors.enter("net", guest(2)).is_some(), "another guest");
        assert!(doors.enter("other", guest(1)).is_some(), "another network");
        held.pop();
        assert!(doors.enter("net", guest(1)).is_some());
        drop(held);
        assert!(doors.open.lock().expect("lock").by_source.is_empty());
    }

    #[test]
    fn all_guests_together_are_bounded_too() {
        let doors = Arc::new(Doors::default());
        let held: Vec<Pass> = (0..IN_ALL)
            .map(|at| {
                doors
                    .enter("net", guest((at / PER_SOURCE) as u8))
                    .expect("room")
            })
            .collect();
        assert!(doors.enter("net", guest(200)).is_none());
        drop(held);
        assert!(doors.enter("net", guest(200)).is_some());
    }
}
