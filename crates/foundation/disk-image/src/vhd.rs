//! VHD (Virtual PC): a footer behind a raw disk (fixed), or at both ends of a sparse one (dynamic).

use std::io::{Read, Seek};

use super::source::{Source, be32, be64};
use super::{Format, Refusal};

const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
const FOOTER: usize = 512;
/// Entries of the block table: 8 Mi blocks of 2 MiB are 16 TiB; the format itself ends at 2 TiB.
const MOST_BLOCKS: u32 = 8 << 20;

/// Sectors of the largest geometry.
const MOST_GEOMETRY: u64 = 65_535 * 16 * 255;

/// The footer as far as it matters.
struct Footer {
    kind: u32,
    table: u64,
    disk: u64,
}

fn footer(bytes: &[u8], format: Format) -> Result<Footer, Refusal> {
    if be32(bytes, 12) != 0x0001_0000 {
        return Err(Refusal::Malformed(format, "an unknown version"));
    }
    let sum = bytes
        .iter()
        .enumerate()
        .filter(|(at, _)| !(64..68).contains(at))
        .fold(0u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)));
    if be32(bytes, 64) != !sum {
        return Err(Refusal::Malformed(format, "a wrong checksum"));
    }
    let kind = be32(bytes, 60);
    if kind == DIFFERENCING {
        return Err(Refusal::Parent);
    }
    // QEMU takes the size from the geometry or from the size field, depending on who made the
    // image: the larger one counts, unless the geometry is at its end and says nothing.
    let (cylinders, heads, sectors) = (be32(bytes, 56) >> 16, bytes[58], bytes[59]);
    let mut geometry = u64::from(cylinders) * u64::from(heads) * u64::from(sectors);
    if geometry == MOST_GEOMETRY {
        geometry = 0;
    }
    Ok(Footer {
        kind,
        table: be64(bytes, 16),
        disk: be64(bytes, 48).max(geometry * 512),
    })
}

/// A raw disk with a footer behind it.
pub fn check_fixed<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let format = Format::VhdFixed;
    let tail = source.tail(FOOTER)?;
    let footer = footer(&tail, format)?;
    if footer.kind != FIXED {
        return Err(Refusal::Malformed(
            format,
            "a sparse disk without its first footer",
        ));
    }
    if footer.disk > source.size() {
        return Err(Refusal::Malformed(format, "a disk larger than the file"));
    }
    Ok(footer.disk)
}

/// A sparse disk: footer, sparse header, block table, blocks, footer.
pub fn check_dynamic<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let format = Format::VhdDynamic;
    let wrong = |why| Err(Refusal::Malformed(format, why));
    let head = source.read(0, FOOTER)?;
    let footer = footer(&head, format)?;
    if footer.kind != DYNAMIC {
        return wrong("a fixed disk with a footer in front");
    }
    if source.tail(FOOTER)? != head {
        return wrong("two footers that do not agree");
    }
    let sparse = source.read(footer.table, 1024)?;
    if !sparse.starts_with(b"cxsparse") {
        return wrong("no sparse header");
    }
    let (entries, block) = (be32(&sparse, 28), be32(&sparse, 32));
    if !block.is_power_of_two() || !(4096..=256 << 20).contains(&block) {
        return wrong("an impossible block size");
    }
    let covered = u64::from(entries) * u64::from(block);
    if entries > MOST_BLOCKS || covered < be64(&head, 48) {
        return wrong("a block table that does not fit the disk");
    }
    let table = be64(&sparse, 16).checked_add(u64::from(entries) * 4);
    if table.is_none_or(|end| end > source.size()) {
        return wrong("a block table outside of the file");
    }
    Ok(footer.disk)
}
