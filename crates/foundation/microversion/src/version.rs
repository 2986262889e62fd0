//! Versions and ranges of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One microversion, as `2.79`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    pub major: u16,
    pub minor: u16,
}

impl Version {
    /// Before every version of every service.
    pub const MIN: Version = Version::new(0, 0);
    /// After every version of every service.
    pub const MAX: Version = Version::new(u16::MAX, u16::MAX);

    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether what came with `since` is there. This is how a handler asks for changed *behaviour*.
    pub const fn at_least(self, since: Version) -> bool {
        self.major > since.major || (self.major == since.major && self.minor >= since.minor)
    }

    /// Whether what went away after `until` is still there.
    pub const fn at_most(self, until: Version) -> bool {
        until.at_least(self)
    }

    /// The version right after this one, of the same major number.
    pub const fn next(self) -> Version {
        Version::new(self.major, self.minor + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Text that is no version. The wording is Nova's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")]
pub struct ParseVersionError {
    pub text: String,
}

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Accepts what Nova's `^([1-9]\d*)\.([1-9]\d*|0)$` accepts: no sign, no leading zeros. Numbers too large for
    /// any version we will ever have are read as the largest one, so that they are refused as *unknown*.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(major, minor)| {
            let major = number(major).filter(|&n| n > 0)?;
            Some(Version::new(major, number(minor)?))
        });
        parsed.ok_or_else(|| ParseVersionError {
            text: text.to_owned(),
        })
    }
}

fn number(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let no_leading_zero = digits == "0" || !digits.starts_with('0');
    (plain && no_leading_zero).then(|| digits.parse().unwrap_or(u16::MAX))
}

impl TryFrom<String> for Version {
    type Error = ParseVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// The versions `min..=max` in which something exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub min: Version,
    pub max: Version,
}

impl Range {
    /// Every version.
    pub const ALWAYS: Range = Range {
        min: Version::MIN,
        max: Version::MAX,
    };

    pub const fn since(min: Version) -> Self {
        Self {
            min,
            max: Version::MAX,
        }
    }

    pub const fn between(min: Version, max: Version) -> Self {
        Self { min, max }
    }

    pub const fn contains(&self, version: Version) -> bool {
        version.at_least(self.min) && version.at_most(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!(Version::new(2, 9) < Version::new(2, 79));
        assert!(Version::new(2, 100).at_least(Version::new(2, 99)));
        assert!(!Version::new(2, 1).at_least(Version::new(2, 2)));
    }

    #[test]
    fn text_that_is_no_version_is_refused_in_the_words_clients_know() {
        for bad in [
            "", "2", "2.", ".1", "2.01", "02.1", "0.1", "2.1.1", "-2.1", "+2.1", "2. 1", "two.one",
            "2.1\n",
        ] {
            let refused = bad.parse::<Version>().expect_err(bad);
            let expected = format!(
                "API Version String {bad} is of invalid format. Must be of format MajorNum.MinorNum."
            );
            assert_eq!(refused.to_string(), expected);
        }
        assert_eq!("2.0".parse(), Ok(Version::new(2, 0)));
        assert_eq!("2.104".parse(), Ok(Version::new(2, 104)));
        assert_eq!("2.99999999".parse(), Ok(Version::new(2, u16::MAX)));
    }
}
