//! How many questions of one server are answered at once: a guest that asks without end, from however
//! many addresses, keeps no other guest waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Questions of one server at once. cloud-init asks one after the other.
pub const PER_SERVER: usize = 8;

/// The count of questions under way.
#[derive(Clone, Debug, Default)]
pub struct Places {
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A question under way; given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    server_id: String,
}

impl Places {
    /// A place for one more question, or `None` when the server has too many under way.
    pub fn take(&self, server_id: &str) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(server_id.to_owned()).or_default();
        if *count >= PER_SERVER {
            return None;
        }
        *count += 1;
        Some(Place {
            places: self.clone(),
            server_id: server_id.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = &self.places.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.server_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.server_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_takes_no_place_of_another() {
        let places = Places::default();
        let mut held: Vec<_> = (0..PER_SERVER).map(|_| places.take("a")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take("a").is_none());
        assert!(places.take("b").is_some());
        held.pop();
        assert!(places.take("a").is_some());
        drop(held);
        assert!(places.taken.lock().expect("lock").is_empty());
    }
}
