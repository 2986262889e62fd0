//! Formats without much of a header: ISO 9660 and UDF, LUKS, ploop.

use std::io::{Read, Seek};

use super::detect::VOLUME;
use super::source::{Source, le16, le32, le64};
use super::{Format, Refusal};

/// ISO: the size is the volume's, if the descriptor is a primary one; a volume may be smaller than
/// the file (padding, partitions behind it), but not larger than a disc can be.
pub fn iso<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let volume = source.read(VOLUME, 2048)?;
    if volume[0] != 1 || &volume[1..6] != b"CD001" {
        return Ok(source.size());
    }
    let blocks = u64::from(le32(&volume, 80));
    Ok(blocks * u64::from(le16(&volume, 128)))
}

/// LUKS 1 and 2, as data of an encrypted volume: the bytes are used as they are.
pub fn luks<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let head = source.read(0, 8)?;
    match (head[6], head[7]) {
        (0, 1 | 2) => Ok(source.size()),
        _ => Err(Refusal::Malformed(
            Format::Luks,
            "a version other than 1 and 2",
        )),
    }
}

/// ploop (Parallels): the block table must lie in the file.
pub fn ploop<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let wrong = |why| Err(Refusal::Malformed(Format::Ploop, why));
    let head = source.read(0, 64)?;
    let (tracks, entries) = (le32(&head, 28), le32(&head, 32));
    if le32(&head, 16) != 2 || tracks == 0 || tracks > 1 << 22 {
        return wrong("an unknown version or block size");
    }
    if 64 + u64::from(entries) * 4 > source.size() {
        return wrong("a block table outside of the file");
    }
    // The older form keeps 32 bits of the size.
    let sectors = if head.starts_with(b"WithoutFreeSpace") {
        u64::from(le32(&head, 36))
    } else {
        le64(&head, 36)
    };
    match sectors.checked_mul(512) {
        Some(size) if sectors <= u64::from(entries) * u64::from(tracks) => Ok(size),
        _ => wrong("a block table that does not fit the disk"),
    }
}
