//! Numbers of users for guests: each guest runs as a user of its own, so that what it can reach is what was given to
//! it. The numbers are in no file of the machine; nobody else has them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hypervisor::{DriverError, Result};

/// The numbers and who has which. Kept in the servers' records; this is the picture of all records.
#[derive(Debug)]
pub(crate) struct Users {
    base: u32,
    count: u32,
    taken: Mutex<BTreeMap<u32, String>>,
}

impl Users {
    /// `count` numbers from `base` on. One alone is shared by all guests.
    pub fn new(base: u32, count: u32) -> Self {
        Self {
            base,
            count: count.max(1),
            taken: Mutex::default(),
        }
    }

    /// A number for this server: the one of its record, if that is in the range and nobody else's, else a free one.
    /// Which one is tried first follows from the server's id, so that two clouds of a machine seldom take the same.
    ///
    /// # Errors
    /// `Hypervisor`, when none is free.
    pub fn take(&self, id: &str, recorded: Option<u32>) -> Result<u32> {
        if self.count == 1 {
            return Ok(self.base);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |number: &u32| taken.get(number).is_none_or(|owner| owner == id);
        let first = id.bytes().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33) ^ u32::from(byte)
        }) % self.count;
        let all = (0..self.count).map(|step| {
            let offset = (u64::from(first) + u64::from(step)) % u64::from(self.count);
            self.base.saturating_add(offset as u32)
        });
        let range = self.base..self.base.saturating_add(self.count);
        let recorded = recorded.filter(|number| range.contains(number));
        let number = recorded.into_iter().chain(all).find(free);
        let number = number.ok_or_else(|| DriverError::Hypervisor {
            what: "start the guest".to_owned(),
            why: format!(
                "all {} user numbers are taken: raise [qemu] uid_count",
                self.count
            ),
        })?;
        taken.insert(number, id.to_owned());
        Ok(number)
    }

    /// Users of the machine, by the text of `/etc/passwd`, who have a number of the range.
    pub fn clash(&self, passwd: &str) -> Vec<String> {
        let range = self.base..self.base.saturating_add(self.count);
        let clashes = |line: &&str| {
            let number = line.split(':').nth(2).and_then(|text| text.parse().ok());
            number.is_some_and(|number: u32| range.contains(&number))
        };
        let lines = passwd.lines().filter(clashes);
        lines
            .filter_map(|line| Some(line.split(':').next()?.to_owned()))
            .collect()
    }

    /// The server is gone.
    pub fn release(&self, id: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, owner| owner != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_keeps_a_number_that_is_nobody_elses() {
        let users = Users::new(70_000, 3);
        let a = users.take("a", None).unwrap();
        assert_eq!(users.take("a", Some(a)).unwrap(), a);
        assert_ne!(users.take("b", Some(a)).unwrap(), a, "a restored record");
        let c = users.take("c", Some(1000)).unwrap();
        assert!((70_000..70_003).contains(&c), "never outside the range");
        assert!(users.take("d", None).is_err());
        users.release("a");
        assert_eq!(users.take("d", None).unwrap(), a);
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:70002:70002::/:/bin/sh\nodd\n";
        assert_eq!(users.clash(passwd), ["ann"]);
        let shared = Users::new(64_000, 1);
        assert_eq!(shared.take("a", None).unwrap(), 64_000);
        assert_eq!(shared.take("b", None).unwrap(), 64_000);
    }
}
