//! qcow2, versions 2 and 3 (QEMU docs/interop/qcow2).

use std::io::{Read, Seek};

use super::source::{Source, be32, be64};
use super::{Format, Refusal};

/// Incompatible features: dirty, corrupt, external data, compression type, extended L2.
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN: u64 = 0b1_1111;
/// Autoclear feature: the external data file can be read as raw.
const RAW_DATA: u64 = 1 << 1;

/// Header extensions that decide something.
const END: u32 = 0;
const DATA_FILE_NAME: u32 = 0x4441_5441;
const ENCRYPTION: u32 = 0x0537_be77;
const BACKING_FORMAT: u32 = 0xe279_2aca;

/// QEMU's limits: 32 MiB of L1, 8 MiB of refcount table, 65536 snapshots.
const MOST_L1: u64 = 32 << 20;
const MOST_REFCOUNTS: u64 = 8 << 20;
const MOST_SNAPSHOTS: u32 = 65_536;

fn wrong<T>(why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed(Format::Qcow2, why))
}

/// Checks the header and gives the size of the disk.
pub fn check<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let head = source.read(0, 4096)?;
    let version = be32(&head, 4);
    if !(2..=3).contains(&version) {
        return wrong("a version other than 2 and 3");
    }
    if be64(&head, 8) != 0 || be32(&head, 16) != 0 {
        return Err(Refusal::BackingFile);
    }
    let cluster_bits = be32(&head, 20);
    if !(9..=21).contains(&cluster_bits) {
        return wrong("a cluster size outside of 512 bytes to 2 MiB");
    }
    let cluster = 1u64 << cluster_bits;
    if be32(&head, 32) != 0 {
        return Err(Refusal::Encrypted);
    }
    let features = if version == 3 { be64(&head, 72) } else { 0 };
    let header = if version == 3 {
        version_three(&head, cluster, features)?
    } else {
        72
    };
    extensions(source, header, cluster)?;
    tables(&head, source.size(), cluster, features)?;
    Ok(be64(&head, 24))
}

fn version_three(head: &[u8], cluster: u64, features: u64) -> Result<u64, Refusal> {
    if features & !KNOWN != 0 {
        return Err(Refusal::UnknownFeatures(features & !KNOWN));
    }
    if features & DATA_FILE != 0 || be64(head, 88) & RAW_DATA != 0 {
        return Err(Refusal::DataFile);
    }
    if features & CORRUPT != 0 {
        return wrong("it is marked as corrupt");
    }
    if be32(head, 96) > 6 {
        return wrong("a refcount width of more than 64 bits");
    }
    let length = u64::from(be32(head, 100));
    if length < 104 || !length.is_multiple_of(8) || length > cluster || length > 4096 {
        return wrong("an impossible header length");
    }
    let compression = if length > 104 { head[104] } else { 0 };
    if (compression != 0) != (features & COMPRESSION != 0) || compression > 1 {
        return wrong("an unknown compression");
    }
    Ok(length)
}

/// Walks the header extensions, which end inside of the first cluster.
fn extensions<R: Read + Seek>(
    source: &mut Source<R>,
    from: u64,
    cluster: u64,
) -> Result<(), Refusal> {
    let end = cluster.min(super::source::MOST as u64);
    let first = source.read(0, end as usize)?;
    let mut at = from;
    while at + 8 <= end {
        let start = at as usize;
        let (kind, length) = (be32(&first, start), u64::from(be32(&first, start + 4)));
        match kind {
            END => return Ok(()),
            DATA_FILE_NAME => return Err(Refusal::DataFile),
            ENCRYPTION => return Err(Refusal::Encrypted),
            BACKING_FORMAT if length > 0 => return Err(Refusal::BackingFile),
            _ => {}
        }
        at += 8 + length.next_multiple_of(8);
    }
    if at > end {
        return wrong("a header extension that leaves the first cluster");
    }
    Ok(())
}

/// The tables that the header points to: of sane sizes, aligned, and inside of the file.
fn tables(head: &[u8], file: u64, cluster: u64, features: u64) -> Result<(), Refusal> {
    let disk = be64(head, 24);
    if disk > i64::MAX as u64 {
        return wrong("an impossible disk size");
    }
    let entry = if features & EXTENDED_L2 != 0 { 16 } else { 8 };
    let covered = u128::from(cluster) * u128::from(cluster / entry);
    let needed = u128::from(disk).div_ceil(covered);
    let l1 = u64::from(be32(head, 36)) * 8;
    if l1 > MOST_L1 || needed * 8 > u128::from(l1) {
        return wrong("an L1 table that does not fit the disk");
    }
    let refcounts = u64::from(be32(head, 56)) * cluster;
    if refcounts == 0 || refcounts > MOST_REFCOUNTS {
        return wrong("an absurd refcount table");
    }
    let snapshots = be32(head, 60);
    if snapshots > MOST_SNAPSHOTS {
        return wrong("too many snapshots");
    }
    // A snapshot's entry has at least 40 bytes.
    let parts = [
        (be64(head, 40), l1),
        (be64(head, 48), refcounts),
        (be64(head, 64), u64::from(snapshots) * 40),
    ];
    let file = file.next_multiple_of(cluster);
    for (at, length) in parts {
        let inside = at.checked_add(length).is_some_and(|end| end <= file);
        if length > 0 && (at == 0 || !at.is_multiple_of(cluster) || !inside) {
            return wrong("a table outside of the file");
        }
    }
    Ok(())
}
