//! Names of hosts, as a type that cannot hold anything else.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most characters of a name: what a column of ours holds. Nova allows 255; a Linux machine's
/// own name has at most 64.
const MAX_LENGTH: usize = 191;

/// The name of a host in the cloud: letters, digits, `.`, `-` and `_` (Nova's pattern), beginning
/// with a letter, a digit or `_`, so that it can be part of a path, a queue's name or a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// A text that is no name of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a host name: 1 to {MAX_LENGTH} letters, digits, '.', '-' and '_', beginning with a letter, a digit or '_'"
)]
pub struct NoHostName;

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = NoHostName;

    fn from_str(text: &str) -> Result<Self, NoHostName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let good = text.len() <= MAX_LENGTH
            && !text.starts_with(['.', '-'])
            && !text.is_empty()
            && text.bytes().all(allowed);
        match good {
            true => Ok(HostName(text.to_owned())),
            false => Err(NoHostName),
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = NoHostName;

    fn try_from(text: String) -> Result<Self, NoHostName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

impl Deref for HostName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<HostName> for String {
    fn eq(&self, name: &HostName) -> bool {
        *self == name.0
    }
}

impl Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_a_folder_or_a_queue_are_none() {
        let long = "h".repeat(MAX_LENGTH + 1);
        for bad in [
            "",
            ".",
            "..",
            "../../evil",
            "a/b",
            "/etc",
            "a b",
            "a\nb",
            "a\0b",
            "-rf",
            ".hidden",
            "ä",
            "a:b",
            "a*",
            "#",
            "a\\b",
            &long,
        ] {
            assert_eq!(bad.parse::<HostName>(), Err(NoHostName), "{bad:?}");
            let json = serde_json::to_string(bad).expect("a text");
            assert!(serde_json::from_str::<HostName>(&json).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_machines_have_are_taken() {
        let long = "h".repeat(MAX_LENGTH);
        for good in [
            "localhost",
            "node-1.example.org",
            "_x",
            "10.0.0.1",
            "A",
            &long,
        ] {
            let name: HostName = good.parse().expect(good);
            assert_eq!(name.as_str(), good);
            let json = serde_json::to_string(&name).expect("a text");
            assert_eq!(serde_json::from_str::<HostName>(&json).expect(good), name);
        }
    }
}
