//! VMDK with its header and data in one file: monolithicSparse and streamOptimized.

use std::io::{Read, Seek};

use super::source::{MOST, Source, le32, le64};
use super::{Format, Refusal};

const SECTOR: u64 = 512;
/// The grain directory is named by a footer instead.
const AT_END: u64 = u64::MAX;
const FOOTER: u32 = 3;
/// Sectors that one grain table may cover at most in QEMU: 512 entries of 64 MiB.
const MOST_ENTRIES: u32 = 512;
const MOST_GRAIN: u64 = 131_072;
/// QEMU refuses a grain directory of more than 512 Mi entries; 1 Mi covers 16 TiB at the smallest
/// usual grain of 64 KiB, with room to spare.
const MOST_TABLES: u64 = 1 << 20;

/// Words that begin a header line of the descriptor. A line that is none of them is refused.
const HEADERS: [&str; 7] = [
    "version",
    "encoding",
    "cid",
    "parentcid",
    "createtype",
    "isnativesnapshot",
    "longcontentid",
];

fn wrong<T>(why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed(Format::Vmdk, why))
}

/// Checks header, footer and descriptor, and gives the size of the disk.
pub fn check<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let head = source.read(0, SECTOR as usize)?;
    let (version, capacity) = (le32(&head, 4), le64(&head, 12));
    if !(1..=3).contains(&version) {
        return wrong("a version other than 1 to 3");
    }
    let Some(disk) = capacity.checked_mul(SECTOR) else {
        return wrong("an impossible disk size");
    };
    let (grain, entries) = (le64(&head, 20), le32(&head, 44));
    if !grain.is_power_of_two() || !(8..=MOST_GRAIN).contains(&grain) {
        return wrong("an impossible grain size");
    }
    if entries == 0 || entries > MOST_ENTRIES {
        return wrong("an impossible grain table size");
    }
    if capacity.div_ceil(grain * u64::from(entries)) > MOST_TABLES {
        return wrong("an absurd grain directory");
    }
    if le64(&head, 56) == AT_END {
        footer(source, &head)?;
    }
    let text = descriptor(source, &head)?;
    describes_itself(&text, capacity)?;
    Ok(disk)
}

/// A stream ends with a footer marker, a second header that agrees with the first, and an end marker.
fn footer<R: Read + Seek>(source: &mut Source<R>, head: &[u8]) -> Result<(), Refusal> {
    let tail = source.tail(3 * SECTOR as usize)?;
    let (marker, rest) = tail.split_at(SECTOR as usize);
    let (footer, end) = rest.split_at(SECTOR as usize);
    let agrees = footer[..56] == head[..56];
    let marked = le32(marker, 8) == 0
        && le32(marker, 12) == FOOTER
        && marker[16..].iter().all(|&byte| byte == 0)
        && end.iter().all(|&byte| byte == 0);
    if !agrees || !marked || le64(footer, 56) == AT_END {
        return wrong("a footer that does not agree with the header");
    }
    Ok(())
}

fn descriptor<R: Read + Seek>(source: &mut Source<R>, head: &[u8]) -> Result<String, Refusal> {
    let (at, length) = (le64(head, 28), le64(head, 36));
    let (Some(start), Some(bytes)) = (at.checked_mul(SECTOR), length.checked_mul(SECTOR)) else {
        return wrong("a descriptor outside of the file");
    };
    let inside = start
        .checked_add(bytes)
        .is_some_and(|end| end <= source.size());
    if at == 0 || bytes == 0 || bytes > MOST as u64 || !inside {
        return wrong("a descriptor outside of the file");
    }
    let raw = source.read(start, bytes as usize)?;
    let (text, padding) = match raw.iter().position(|&byte| byte == 0) {
        Some(end) => raw.split_at(end),
        None => (raw.as_slice(), [].as_slice()),
    };
    let rest = match padding.iter().rposition(|&byte| byte != 0) {
        Some(last) => &padding[..=last],
        None => &[],
    };
    if !is_remainder(text, rest) {
        return wrong("a descriptor with text behind its end");
    }
    match String::from_utf8(text.to_vec()) {
        Ok(text) => Ok(text),
        Err(_) => wrong("a descriptor that is no text"),
    }
}

/// Whether what stands behind the end is what QEMU leaves there. It writes a new content id as a number without leading
/// zeros (`vmdk_write_cid` in block/vmdk.c): of a shorter descriptor's predecessor the last characters stay, up to seven
/// of them, with the new end in front. Readers stop at the end, so they mean nothing.
fn is_remainder(text: &[u8], rest: &[u8]) -> bool {
    let Some((0, left)) = rest.split_first() else {
        return rest.is_empty();
    };
    left.len() < 8 && text.ends_with(left)
}

/// Every line of the descriptor must be understood, and the disk must be this very file.
fn describes_itself(text: &str, capacity: u64) -> Result<(), Refusal> {
    let (mut kind, mut extents) = (String::new(), 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('#') || line.starts_with("ddb.") {
            continue;
        }
        if let Some((access, rest)) = line.split_once(' ')
            && matches!(access, "RW" | "RDONLY" | "NOACCESS")
        {
            extent(rest, capacity)?;
            extents += 1;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return wrong("a descriptor line that is not understood");
        };
        let (key, value) = (
            key.trim().to_ascii_lowercase(),
            value.trim().trim_matches('"'),
        );
        if key.starts_with("parentfilename") || (key == "parentcid" && !is_none(value)) {
            return Err(Refusal::Parent);
        }
        if !HEADERS.contains(&key.as_str()) {
            return wrong("a descriptor line that is not understood");
        }
        if key == "createtype" {
            kind = value.to_ascii_lowercase();
        }
    }
    if !matches!(kind.as_str(), "monolithicsparse" | "streamoptimized") || extents != 1 {
        return Err(Refusal::Extents);
    }
    Ok(())
}

/// A parent id of all ones means that there is no parent.
fn is_none(parent: &str) -> bool {
    parent.eq_ignore_ascii_case("ffffffff")
}

/// `<sectors> SPARSE "<name>"`, with a plain name and all of the disk.
fn extent(rest: &str, capacity: u64) -> Result<(), Refusal> {
    let mut words = rest.splitn(3, ' ');
    let sectors: Option<u64> = words.next().and_then(|word| word.parse().ok());
    let sparse = words.next() == Some("SPARSE");
    let name = words.next().unwrap_or_default().trim();
    let plain = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|name| !name.is_empty() && !name.contains(['/', '\\', '"', ':']));
    if sectors == Some(capacity) && sparse && plain {
        Ok(())
    } else {
        Err(Refusal::Extents)
    }
}
