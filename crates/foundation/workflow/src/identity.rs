//! Who a runner is. Each life of each process has a name of its own, so that no two share leases by accident: two
//! processes of one host, or of two hosts of one name, are two runners.
//!
//! A lease is taken over when it ran out. At once it is taken over only from an earlier life of the same process,
//! and only where that is proven dead: see [`SoleProcess`].

/// Proof that no other process of the same name lives: whoever makes one holds an exclusive lock on what the name
/// was derived from, as the lock of a state folder, for as long as its runner lives.
#[derive(Debug, Clone)]
pub struct SoleProcess {
    name: String,
}

impl SoleProcess {
    /// The one process that `locked` names: something that stands for the locked thing and nothing else, on this
    /// machine or any other that shares the database.
    pub fn holding(locked: uuid::Uuid) -> Self {
        let name = locked.simple().to_string();
        SoleProcess { name }
    }

    /// With what the owners of all its lives begin.
    pub(crate) fn prefix(&self) -> String {
        format!("{}/", self.name)
    }
}

/// The longest name of a place in an owner; the column takes 128 characters.
const MOST_NAME: usize = 60;

/// The owner of leases: whose lives (if that is proven), where, and which life.
pub(crate) fn owner(sole: Option<&SoleProcess>, name: &str) -> String {
    let lives = sole.map(SoleProcess::prefix).unwrap_or_default();
    let name: String = name.chars().filter(|c| *c != '/').take(MOST_NAME).collect();
    format!("{lives}{name}/{}", uuid::Uuid::new_v4().simple())
}

/// Where the runner of a lease is, for people.
pub(crate) fn place(owner: &str) -> &str {
    let mut parts = owner.rsplit('/');
    let life = parts.next().unwrap_or_default();
    parts.next().unwrap_or(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lives_are_one_and_people_see_where_they_are() {
        let sole = SoleProcess::holding(uuid::Uuid::new_v4());
        let (one, two) = (owner(Some(&sole), "node-1"), owner(Some(&sole), "node-1"));
        assert_ne!(one, two);
        assert!(one.starts_with(&sole.prefix()) && two.starts_with(&sole.prefix()));
        let nameless = owner(None, "node-1");
        assert!(!nameless.starts_with(&sole.prefix()));
        assert_eq!((place(&one), place(&nameless)), ("node-1", "node-1"));
        assert!(owner(Some(&sole), &"n".repeat(300)).len() <= 128);
    }
}
