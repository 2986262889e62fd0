//! Named text formats, as strict (or as lax) as the originals.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use regex::Regex;

/// A named format of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Printable, no space at either end (in relaxed mode: outer spaces allowed, but something besides them).
    Name,
    /// As [`Format::Name`], also in relaxed mode.
    StrictName,
    /// As [`Format::Name`] in relaxed mode, always.
    SpacedName,
    /// As [`Format::Name`], without `:`.
    AzName,
    /// Printable or empty, spaces anywhere.
    Description,
    Uuid,
    /// A UUID, or nothing at all.
    UuidOrEmpty,
    Base64,
    /// ISO 8601, as loosely as Nova reads it.
    DateTime,
    Ipv4,
    Ipv6,
    /// Either kind of address.
    Ip,
    Cidr,
    Uri,
    /// A regular expression that compiles, and is not empty.
    Regex,
}

/// How a format refuses a text.
pub(crate) enum Misfit {
    /// `'x' is not a 'uuid'`.
    NotA(&'static str),
    /// `'x' is not valid under any of the given schemas`.
    NotAnyOf,
    /// `'x' does not match '…'`.
    NoMatch(&'static str),
    /// A text of its own that replaces the whole message.
    Name(&'static str),
}

const NAME: &str = "printable characters. Can not start or end with whitespace.";
const RELAXED_NAME: &str = "printable characters with at least one non space character";
const AZ_NAME: &str = "printable characters except :.Can not start or end with whitespace.";
const RELAXED_AZ_NAME: &str =
    "printable characters except :, with at least one non space character";

impl Format {
    pub(crate) fn check(self, text: &str, relaxed: bool) -> Result<(), Misfit> {
        let (fits, misfit) = match self {
            Format::Name if relaxed => (is_relaxed_name(text), Misfit::Name(RELAXED_NAME)),
            Format::SpacedName => (is_relaxed_name(text), Misfit::Name(RELAXED_NAME)),
            Format::Name | Format::StrictName => (is_name(text), Misfit::Name(NAME)),
            Format::AzName if relaxed => (
                is_relaxed_name(text) && !text.contains(':'),
                Misfit::Name(RELAXED_AZ_NAME),
            ),
            Format::AzName => (is_name(text) && !text.contains(':'), Misfit::Name(AZ_NAME)),
            Format::Description => (
                is_printable(text),
                Misfit::NoMatch("^[printable characters]*$"),
            ),
            Format::Uuid => (is_uuid(text), Misfit::NotA("uuid")),
            Format::UuidOrEmpty => (text.is_empty() || is_uuid(text), Misfit::NotAnyOf),
            Format::Base64 => (is_base64(text), Misfit::NotA("base64")),
            Format::DateTime => (parse_time(text).is_some(), Misfit::NotA("date-time")),
            Format::Ipv4 => (text.parse::<Ipv4Addr>().is_ok(), Misfit::NotA("ipv4")),
            Format::Ipv6 => (is_ipv6(text), Misfit::NotA("ipv6")),
            Format::Ip => (
                text.parse::<Ipv4Addr>().is_ok() || is_ipv6(text),
                Misfit::NotAnyOf,
            ),
            Format::Cidr => (text.parse::<ipnet::IpNet>().is_ok(), Misfit::NotA("cidr")),
            Format::Uri => (is_uri(text), Misfit::NotA("uri")),
            Format::Regex => (
                !text.is_empty() && Regex::new(text).is_ok(),
                Misfit::NotA("regex"),
            ),
        };
        if fits { Ok(()) } else { Err(misfit) }
    }
}

/// Control, format, unassigned and private characters and the separators of lines and paragraphs are not printable.
/// Nor is anything beyond the basic plane: Nova's check ends there, so an emoji in a name is refused by every cloud.
fn is_printable(text: &str) -> bool {
    static UNPRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{C}\p{Zl}\p{Zp}]").expect("the classes exist"));
    !UNPRINTABLE.is_match(text) && text.chars().all(|c| u32::from(c) < 0xFFFF)
}

fn is_name(text: &str) -> bool {
    let outer = |c: Option<char>| c.is_some_and(char::is_whitespace);
    is_printable(text) && !outer(text.chars().next()) && !outer(text.chars().next_back())
}

fn is_relaxed_name(text: &str) -> bool {
    is_printable(text) && text.chars().any(|c| !c.is_whitespace())
}

/// Hyphens and braces may be anywhere they like, case is free: 32 hexadecimal digits are what counts.
fn is_uuid(text: &str) -> bool {
    let text = text.replace("urn:", "").replace("uuid:", "");
    let digits = text.trim_matches(['{', '}']).bytes().filter(|&b| b != b'-');
    digits.clone().count() == 32 && digits.clone().all(|b| b.is_ascii_hexdigit())
}

/// Characters outside the alphabet are skipped, as Python's decoder does; what is left must come in fours.
fn is_base64(text: &str) -> bool {
    let alphabet = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let digits = text.chars().filter(alphabet).count();
    let padding = text.chars().filter(|&c| c == '=').count();
    match digits % 4 {
        0 => true,
        1 => false,
        2 => padding >= 2,
        _ => padding >= 1,
    }
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn is_uri(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|uri| uri.has_host())
}

/// Reads a time the way Nova reads `changes-since` and its like: ISO 8601, date or date and time, any precision, with
/// or without zone (then UTC).
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    static PARTS: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?x)^(\d{4})(?:-?(\d{2})(?:-?(\d{2})
            (?:[\x20T](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?
            (?:(Z)|([+-])(\d{2}):?(\d{2})?)?)?)?)?$";
        Regex::new(pattern).expect("the pattern is well formed")
    });
    let parts = PARTS.captures(text)?;
    let number = |group: usize, default: u32| {
        parts
            .get(group)
            .map_or(Some(default), |m| m.as_str().parse().ok())
    };
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(1, 0)?).ok()?,
        number(2, 1)?,
        number(3, 1)?,
    )?;
    let fraction = parts.get(7).map_or("", |m| m.as_str());
    let micros = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let local = date.and_hms_micro_opt(number(4, 0)?, number(5, 0)?, number(6, 0)?, micros)?;
    let seconds = i32::try_from(number(10, 0)? * 3600 + number(11, 0)? * 60).ok()?;
    let west = parts.get(9).is_some_and(|sign| sign.as_str() == "-");
    let zone = FixedOffset::east_opt(if west { -seconds } else { seconds })?;
    Some(local.and_local_timezone(zone).single()?.with_timezone(&Utc))
}

/// A pattern of a table, compiled once in the life of the process.
pub(crate) fn compiled(pattern: &'static str) -> Arc<Regex> {
    static COMPILED: LazyLock<RwLock<HashMap<&'static str, Arc<Regex>>>> =
        LazyLock::new(RwLock::default);
    let known = COMPILED
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(pattern)
        .cloned();
    known.unwrap_or_else(|| {
        let regex = Arc::new(
            Regex::new(pattern).expect("patterns are constants of the tables, and well formed"),
        );
        COMPILED
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(pattern, Arc::clone(&regex));
        regex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(format: Format, text: &str) -> bool {
        format.check(text, false).is_ok()
    }

    #[test]
    fn names_are_printable_and_have_no_outer_spaces() {
        for good in ["a", "a b", "", "é", "a:b"] {
            assert!(fits(Format::Name, good), "{good:?}");
        }
        for bad in [" a", "a ", "\u{3000}", "a\tb", "a\u{2028}b", "\u{1F600}"] {
            assert!(!fits(Format::Name, bad), "{bad:?}");
        }
        assert!(Format::Name.check(" a ", true).is_ok());
        assert!(Format::Name.check("  ", true).is_err());
        assert!(!fits(Format::AzName, "a:b"));
        assert!(fits(Format::SpacedName, " a ") && !fits(Format::SpacedName, "  "));
    }

    #[test]
    fn uuids_may_be_written_in_any_of_the_usual_ways() {
        for good in [
            "{6a2bd1b0-0000-4000-8000-000000000000}",
            "6a2bd1b0000040008000000000000000",
            "urn:uuid:6a2bd1b0-0000-4000-8000-000000000000",
            "6A2BD1B0-0000-4000-8000-000000000000",
            "6a2bd1b-00000-4000-8000-000000000000",
        ] {
            assert!(fits(Format::Uuid, good), "{good}");
        }
        assert!(!fits(Format::Uuid, "6a2bd1b0-0000-4000-8000-00000000000"));
        assert!(!fits(Format::Uuid, ""));
        assert!(fits(Format::UuidOrEmpty, ""));
    }

    #[test]
    fn base64_is_read_as_python_reads_it() {
        for good in ["YQ==", "!!", "YQ==\n", "Y Q = =", ""] {
            assert!(fits(Format::Base64, good), "{good:?}");
        }
        for bad in ["YQ", "YQ=", "aGVsbG8", "a"] {
            assert!(!fits(Format::Base64, bad), "{bad:?}");
        }
    }

    #[test]
    fn times_are_read_in_any_precision() {
        let read = |text: &str| parse_time(text).map(|time| time.to_rfc3339());
        assert_eq!(read("2020"), Some("2020-01-01T00:00:00+00:00".into()));
        assert_eq!(read("2020-03"), Some("2020-03-01T00:00:00+00:00".into()));
        assert_eq!(
            read("2020-01-01 00:00:00+01:00"),
            Some("2019-12-31T23:00:00+00:00".into())
        );
        assert_eq!(
            read("20200101T000000Z"),
            Some("2020-01-01T00:00:00+00:00".into())
        );
        assert_eq!(
            read("2020-01-01T00:00:00.123"),
            Some("2020-01-01T00:00:00.123+00:00".into())
        );
        assert_eq!(read("2020-13-01"), None);
        assert_eq!(read("T1"), None);
    }
}
