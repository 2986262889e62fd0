//! Names of a volume in a running guest.
//!
//! A guest is started with each volume in its *first slot*, named by the volume's id alone. What takes the place of a volume
//! meanwhile is another node in the same QEMU, and needs another name: the id, and a word made of where its bytes are. The
//! node, the folder of its storage daemon and the socket between them have the same slot, so that each tells the others.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypervisor::{Result, parse_id};

/// Characters of a word, without the dot before it.
const WORD: usize = 4;

/// Name of the node that holds a volume, and the mark on its descriptor: from the volume's id, within the 31 characters
/// that QEMU allows.
pub(crate) fn node(volume_id: &str) -> String {
    let digits: String = volume_id.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).unwrap_or_default();
    format!("vol-{}", URL_SAFE_NO_PAD.encode(number.to_be_bytes()))
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    volume_id: String,
    /// With the dot; nothing of a first slot.
    word: String,
}

impl Slot {
    /// The one that a start gives a volume.
    ///
    /// # Errors
    /// `NotFound` when the id is no UUID.
    pub fn first(volume_id: &str) -> Result<Self> {
        Ok(Self {
            volume_id: parse_id(volume_id)?.to_owned(),
            word: String::new(),
        })
    }

    /// That of a volume's node with this name; none: the node is another one's, or a filter that QEMU puts above it.
    ///
    /// # Errors
    /// `NotFound` when the id is no UUID.
    pub fn of_node(volume_id: &str, name: &str) -> Result<Option<Self>> {
        let mut slot = Self::first(volume_id)?;
        let word = name.strip_prefix(&node(volume_id));
        let Some(word) = word.filter(|word| is_word(word)) else {
            return Ok(None);
        };
        word.clone_into(&mut slot.word);
        Ok(Some(slot))
    }

    /// What is named so; none: this is no name of a slot.
    pub fn named(name: &str) -> Option<Self> {
        let (id, word) = name.split_at(name.find('.').unwrap_or(name.len()));
        let mut slot = Self::first(id).ok().filter(|_| is_word(word))?;
        word.clone_into(&mut slot.word);
        Some(slot)
    }

    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// The name of its node.
    pub fn node(&self) -> String {
        format!("{}{}", node(&self.volume_id), self.word)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.volume_id, self.word)
    }
}

/// Nothing, or a dot and as many characters as [`crate::volumes::twin`] writes.
fn is_word(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    word.is_empty()
        || word
            .strip_prefix('.')
            .is_some_and(|rest| rest.len() == WORD && rest.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use hypervisor::Volume;
    use serde_json::json;

    use super::*;
    use crate::volumes;

    const ID: &str = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";

    #[test]
    fn node_and_name_of_a_slot_tell_the_same() {
        let new: Volume = serde_json::from_value(json!({
            "id": ID, "source": {"nbd": {"host": "10.0.0.1", "port": 10_809, "export": "one"}},
        }))
        .unwrap();
        let first = Slot::first(ID).unwrap();
        assert_eq!(first.node(), volumes::node(ID));
        assert_eq!(first.to_string(), ID);
        let twin = volumes::twin(&new, None).unwrap();
        let other = Slot::of_node(ID, &twin).unwrap().expect("a slot");
        assert_ne!(other, first);
        assert_eq!(other.node(), twin);
        assert_eq!(other.volume_id(), ID);
        for slot in [first, other] {
            assert_eq!(
                Slot::of_node(ID, &slot.node()).unwrap().as_ref(),
                Some(&slot)
            );
            assert_eq!(Slot::named(&slot.to_string()), Some(slot));
        }
    }

    #[test]
    fn what_names_no_slot_is_none() {
        let mirror = volumes::mirror(&volumes::node(ID));
        for node in ["root", &mirror, &format!("{}x", volumes::node(ID))] {
            assert_eq!(Slot::of_node(ID, node).unwrap(), None, "{node}");
        }
        let socket = format!("{ID}.nbd");
        let odd = [
            "",
            "..",
            "../../etc",
            &socket,
            &format!("{ID}.abc/"),
            &format!("{ID}.ab.d"),
        ];
        for name in odd {
            assert_eq!(Slot::named(name), None, "{name}");
        }
        assert!(Slot::first("../x").is_err() && Slot::of_node("x", "y").is_err());
    }
}
