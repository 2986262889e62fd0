//! VHDX (MS-VHDX).

use std::io::{Read, Seek};

use super::source::{Source, le16, le32, le64, sixteen};
use super::{Format, Refusal};

const KIB: u64 = 1024;
/// Where the two headers and the two region tables lie.
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGIONS: [u64; 2] = [192 * KIB, 256 * KIB];
const TABLE: usize = 64 * 1024;
const MOST_ENTRIES: usize = 2047;

/// GUIDs as they are stored.
const BAT: [u8; 16] = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const FILE_PARAMETERS: [u8; 16] =
    *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const DISK_SIZE: [u8; 16] = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
const PARENT: [u8; 16] = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
const HAS_PARENT: u32 = 1 << 1;

fn wrong<T>(why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed(Format::Vhdx, why))
}

/// Checks headers, regions and metadata, and gives the size of the disk.
pub fn check<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    no_log(source)?;
    let table = source.read(REGIONS[0], TABLE)?;
    if source.read(REGIONS[1], TABLE)? != table {
        return wrong("two region tables that do not agree");
    }
    let metadata = region(&table)?;
    let items = source.read(metadata, TABLE)?;
    if !items.starts_with(b"metadata") {
        return wrong("no metadata table");
    }
    let count = usize::from(le16(&items, 10));
    if count > MOST_ENTRIES {
        return wrong("too many metadata items");
    }
    let mut disk = None;
    for at in (0..count).map(|index| 32 + index * 32) {
        let place = metadata.checked_add(u64::from(le32(&items, at + 16)));
        let Some(place) = place else {
            return wrong("metadata outside of the file");
        };
        match sixteen(&items, at) {
            PARENT => return Err(Refusal::Parent),
            FILE_PARAMETERS => {
                let value = source.read(place, 8)?;
                if le32(&value, 4) & HAS_PARENT != 0 {
                    return Err(Refusal::Parent);
                }
                let block = le32(&value, 0);
                if !block.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block) {
                    return wrong("an impossible block size");
                }
            }
            DISK_SIZE => {
                let size = le64(&source.read(place, 8)?, 0);
                if disk.is_some_and(|other| other != size) {
                    return wrong("two disk sizes");
                }
                disk = Some(size);
            }
            _ => {}
        }
    }
    match disk {
        Some(disk) => Ok(disk),
        None => wrong("no disk size"),
    }
}

/// A log that was not replayed could still change everything checked here.
fn no_log<R: Read + Seek>(source: &mut Source<R>) -> Result<(), Refusal> {
    let mut current: Option<(u64, [u8; 16])> = None;
    for place in HEADERS {
        let header = source.read(place, 4096)?;
        let sequence = le64(&header, 8);
        if header.starts_with(b"head") && current.is_none_or(|(other, _)| sequence > other) {
            current = Some((sequence, sixteen(&header, 48)));
        }
    }
    match current {
        None => wrong("no header"),
        Some((_, log)) if log != [0; 16] => wrong("it was not closed properly (it has a log)"),
        Some(_) => Ok(()),
    }
}

/// The place of the metadata; regions that we must but do not know are refused.
fn region(table: &[u8]) -> Result<u64, Refusal> {
    let count = le32(table, 8) as usize;
    if !table.starts_with(b"regi") || count > MOST_ENTRIES {
        return wrong("no region table");
    }
    let mut metadata = None;
    for at in (0..count).map(|index| 16 + index * 32) {
        match sixteen(table, at) {
            METADATA if metadata.is_some() => return wrong("two metadata regions"),
            METADATA => metadata = Some(le64(table, at + 16)),
            BAT => {}
            _ if le32(table, at + 28) & 1 != 0 => return Err(Refusal::UnknownFeatures(1)),
            _ => {}
        }
    }
    match metadata {
        Some(place) => Ok(place),
        None => wrong("no metadata region"),
    }
}
