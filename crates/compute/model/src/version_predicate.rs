//! What an image demands of the hypervisor's version: `>=7.2, <9` (Nova's `VersionPredicate`).

use std::cmp::Ordering;
use std::str::FromStr;

use crate::hardware::BadWord;

/// Comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPredicate(Vec<(Comparison, [u32; 3])>);

/// How a version compares, as `<`, `<=`, …: the orderings that are good.
type Comparison = &'static [Ordering];

/// Longer signs before those that they begin with.
const SIGNS: &[(&str, Comparison)] = &[
    ("<=", &[Ordering::Less, Ordering::Equal]),
    (">=", &[Ordering::Greater, Ordering::Equal]),
    ("!=", &[Ordering::Less, Ordering::Greater]),
    ("==", &[Ordering::Equal]),
    ("<", &[Ordering::Less]),
    (">", &[Ordering::Greater]),
];

impl VersionPredicate {
    /// Whether a version satisfies it: major * 1,000,000 + minor * 1,000 + micro, as hypervisors report it.
    pub fn is_satisfied_by(&self, version: u32) -> bool {
        let version = [
            version / 1_000_000,
            version / 1_000 % 1_000,
            version % 1_000,
        ];
        self.0
            .iter()
            .all(|(good, wanted)| good.contains(&version.cmp(wanted)))
    }
}

impl FromStr for VersionPredicate {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let parts: Option<Vec<_>> = text.split(',').map(comparison).collect();
        parts.map(VersionPredicate).ok_or_else(|| BadWord {
            what: "comparison of versions",
            text: text.to_owned(),
        })
    }
}

fn comparison(text: &str) -> Option<(Comparison, [u32; 3])> {
    let text = text.trim();
    let (sign, good) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign))?;
    let mut version = [0; 3];
    let parts: Vec<&str> = text[sign.len()..].trim().split('.').collect();
    if parts.len() > version.len() {
        return None;
    }
    for (place, part) in version.iter_mut().zip(parts) {
        *place = part.parse().ok()?;
    }
    Some((*good, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comparisons_must_hold() {
        for (text, good, bad) in [
            (">=7.2", 7_002_000, 7_001_999),
            (">=7.2, <9", 8_000_001, 9_000_000),
            ("==7.2.1", 7_002_001, 7_002_000),
            ("!=7.2", 7_002_001, 7_002_000),
            ("<= 7", 7_000_000, 7_000_001),
            (">6", 6_000_001, 6_000_000),
        ] {
            let predicate: VersionPredicate = text.parse().unwrap();
            assert!(predicate.is_satisfied_by(good), "{text} {good}");
            assert!(!predicate.is_satisfied_by(bad), "{text} {bad}");
        }
        for odd in ["", "7.2", ">=", ">=a", ">=1.2.3.4", ">=7,", "=7", ">=7;x"] {
            assert!(odd.parse::<VersionPredicate>().is_err(), "{odd}");
        }
    }
}
