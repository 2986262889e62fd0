//! VDI (VirtualBox).

use std::io::{Read, Seek};

use super::source::{Source, le32, le64, sixteen};
use super::{Format, Refusal};

const DYNAMIC: u32 = 1;
const STATIC: u32 = 2;
const BLOCK: u32 = 1 << 20;
/// QEMU's limit: a block map of 512 MiB is absurd, 16 Mi blocks are 16 TiB.
const MOST_BLOCKS: u32 = 16 << 20;

fn wrong<T>(why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed(Format::Vdi, why))
}

/// Checks the header and gives the size of the disk.
pub fn check<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, Refusal> {
    let head = source.read(0, 512)?;
    if le32(&head, 0x44) != 0x0001_0001 {
        return wrong("a version other than 1.1");
    }
    if !matches!(le32(&head, 0x4c), DYNAMIC | STATIC) {
        return Err(Refusal::Parent);
    }
    let (link, parent) = (sixteen(&head, 0x1a8), sixteen(&head, 0x1b8));
    if link != [0; 16] || parent != [0; 16] {
        return Err(Refusal::Parent);
    }
    if le32(&head, 0x168) != 512 || le32(&head, 0x178) != BLOCK || le32(&head, 0x17c) != 0 {
        return wrong("a sector or block size other than QEMU's");
    }
    let (disk, blocks) = (le64(&head, 0x170), le32(&head, 0x180));
    if blocks > MOST_BLOCKS || u64::from(blocks) * u64::from(BLOCK) < disk {
        return wrong("a block map that does not fit the disk");
    }
    if le32(&head, 0x184) > blocks {
        return wrong("more blocks in use than there are");
    }
    let map = u64::from(le32(&head, 0x154)) + u64::from(blocks) * 4;
    if map > source.size() {
        return wrong("a block map outside of the file");
    }
    Ok(disk)
}
