//! The disk out of a qcow2 file whose header the inspector accepted: no backing file, no data file, not encrypted. Tables
//! and clusters are read with every offset checked, since an image is untrusted (QEMU docs/interop/qcow2).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::room::Room;

/// The file is not what its header promises.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("its qcow2 tables are wrong: {0}")]
    Tables(&'static str),
    #[error("its qcow2 data cannot be unpacked")]
    Compressed,
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, Malformed>;

/// Incompatible features that change how tables and clusters are read.
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// Where a table or cluster lies: bits 9 to 55.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// A cluster of an L2 entry is compressed, or reads as zeros.
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// The unit of lengths of compressed clusters.
const SECTOR: u64 = 512;

/// What of the header is needed.
struct Image<'f> {
    file: &'f File,
    length: u64,
    cluster_bits: u32,
    disk: u64,
}

/// Writes the disk in `from` to `to`, which is empty. Clusters that are not there stay holes. So many bytes of the file
/// system are left free.
pub fn unpack(from: &File, to: &File, keep_free: u64) -> Result<()> {
    let mut head = [0; 104];
    from.read_exact_at(&mut head, 0)?;
    let version = be32(&head, 4);
    let features = if version >= 3 { be64(&head, 72) } else { 0 };
    if features & EXTENDED_L2 != 0 {
        return Err(Malformed::Tables("subclusters are not read"));
    }
    if features & COMPRESSION != 0 {
        return Err(Malformed::Tables("only deflate is read"));
    }
    let image = Image {
        file: from,
        length: from.metadata()?.len(),
        cluster_bits: be32(&head, 20),
        disk: be64(&head, 24),
    };
    if !(9..=21).contains(&image.cluster_bits) {
        return Err(Malformed::Tables("an impossible size of clusters"));
    }
    to.set_len(image.disk)?;
    let cluster = 1u64 << image.cluster_bits;
    let covered = cluster / 8 * cluster;
    let tables = image.disk.div_ceil(covered);
    let l1 = image.table(be64(&head, 40), tables)?;
    let mut room = Room::new(keep_free);
    for (index, entry) in l1.into_iter().enumerate() {
        let table = entry & OFFSET;
        if table != 0 {
            let begin = index as u64 * covered;
            image.unpack_table(table, begin, to, &mut room)?;
        }
    }
    to.sync_all()?;
    Ok(())
}

impl Image<'_> {
    /// Entries of a table, all of which lie in the file.
    fn table(&self, at: u64, entries: u64) -> Result<Vec<u64>> {
        let bytes = entries
            .checked_mul(8)
            .filter(|bytes| at.checked_add(*bytes).is_some_and(|end| end <= self.length))
            .ok_or(Malformed::Tables("a table outside of the file"))?;
        let length = usize::try_from(bytes).map_err(|_| Malformed::Tables("a table too large"))?;
        let mut read = vec![0; length];
        self.file.read_exact_at(&mut read, at)?;
        Ok(read.chunks_exact(8).map(|entry| be64(entry, 0)).collect())
    }

    fn unpack_table(&self, at: u64, begin: u64, to: &File, room: &mut Room) -> Result<()> {
        let cluster = 1u64 << self.cluster_bits;
        for (index, entry) in self.table(at, cluster / 8)?.into_iter().enumerate() {
            let place = begin + index as u64 * cluster;
            if place >= self.disk {
                return Ok(());
            }
            let data = match entry {
                _ if entry & COMPRESSED != 0 => self.inflated(entry)?,
                _ if entry & ZERO != 0 || entry & OFFSET == 0 => continue,
                _ => self.plain(entry & OFFSET)?,
            };
            let left = usize::try_from(self.disk - place).unwrap_or(usize::MAX);
            room.take(to, cluster)?;
            to.write_all_at(&data[..data.len().min(left)], place)?;
        }
        Ok(())
    }

    /// A cluster as it lies; the last one of a file may be short.
    fn plain(&self, at: u64) -> Result<Vec<u8>> {
        let cluster = 1u64 << self.cluster_bits;
        let there = self.length.checked_sub(at).filter(|there| *there > 0);
        let there = there.ok_or(Malformed::Tables("a cluster outside of the file"))?;
        self.bytes(at, there.min(cluster))
    }

    fn bytes(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        let length = usize::try_from(length).map_err(|_| Malformed::Compressed)?;
        let mut data = vec![0; length];
        self.file.read_exact_at(&mut data, at)?;
        Ok(data)
    }

    fn inflated(&self, entry: u64) -> Result<Vec<u8>> {
        let bits = 62 - (self.cluster_bits - 8);
        let at = entry & ((1 << bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> bits;
        let end = (at & !(SECTOR - 1)) + (sectors + 1) * SECTOR;
        let length = end.min(self.length).checked_sub(at);
        let length = length.ok_or(Malformed::Tables("a cluster outside of the file"))?;
        let packed = self.bytes(at, length)?;
        let cluster = 1usize << self.cluster_bits;
        // What follows the stream in its last sector is another's.
        let data =
            decompress_to_vec_with_limit(&packed, cluster).map_err(|_| Malformed::Compressed)?;
        match data.len() == cluster {
            true => Ok(data),
            false => Err(Malformed::Compressed),
        }
    }
}

/// A number of a header or table; callers read whole entries.
fn be64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of four clusters of 64 KiB: data, a hole, zeros, deflated data.
    fn image() -> Vec<u8> {
        let cluster = 1usize << 16;
        let mut file = vec![0; cluster * 4];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"QFI\xfb");
        put(4, &2u32.to_be_bytes());
        put(20, &16u32.to_be_bytes());
        put(24, &(4 * cluster as u64 - 100).to_be_bytes());
        put(36, &1u32.to_be_bytes());
        put(40, &(cluster as u64).to_be_bytes());
        put(cluster, &((2 * cluster as u64) | (1 << 63)).to_be_bytes());
        let l2 = 2 * cluster;
        put(l2, &((3 * cluster as u64) | (1 << 63)).to_be_bytes());
        put(l2 + 16, &((3 * cluster as u64) | ZERO).to_be_bytes());
        put(3 * cluster, &[7; 10]);
        let packed = miniz_oxide::deflate::compress_to_vec(&vec![9; cluster], 6);
        let at = file.len() as u64;
        let sectors = (packed.len() as u64 - 1) / SECTOR;
        let entry = COMPRESSED | sectors << (62 - 8) | at;
        file[l2 + 24..l2 + 32].copy_from_slice(&entry.to_be_bytes());
        file.extend(packed);
        file
    }

    fn unpacked(image: &[u8]) -> Result<Vec<u8>> {
        let from = tempfile::tempfile().expect("a file");
        from.write_all_at(image, 0).expect("written");
        let to = tempfile::tempfile().expect("a file");
        unpack(&from, &to, 0)?;
        let mut disk =
            vec![0; usize::try_from(to.metadata().expect("a size").len()).expect("small")];
        to.read_exact_at(&mut disk, 0).expect("read");
        Ok(disk)
    }

    #[test]
    fn the_disk_is_what_the_clusters_say() {
        let disk = unpacked(&image()).expect("unpacked");
        let cluster = 1 << 16;
        assert_eq!(disk.len(), 4 * cluster - 100);
        assert_eq!(&disk[..11], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
        assert!(disk[cluster..3 * cluster].iter().all(|byte| *byte == 0));
        assert!(disk[3 * cluster..].iter().all(|byte| *byte == 9));
    }

    #[test]
    fn nothing_is_unpacked_where_there_is_no_room() {
        let from = tempfile::tempfile().expect("a file");
        from.write_all_at(&image(), 0).expect("written");
        let to = tempfile::tempfile().expect("a file");
        let refused = unpack(&from, &to, u64::MAX);
        assert!(
            matches!(refused, Err(Malformed::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
    }

    #[test]
    fn what_leads_out_of_the_file_is_refused() {
        for (at, entry) in [
            (40, u64::MAX),
            (1 << 16, OFFSET),
            (2 << 16, OFFSET),
            ((2 << 16) + 24, COMPRESSED | 0xffff_ffff),
        ] {
            let mut image = image();
            image[at..at + 8].copy_from_slice(&entry.to_be_bytes());
            assert!(unpacked(&image).is_err(), "{at:#x}");
        }
        let mut short = image();
        short.truncate(short.len() - 5);
        assert!(unpacked(&short).is_err());
    }

    #[test]
    fn random_changes_never_panic() {
        let whole = image();
        let mut seed = 7u64;
        for _ in 0..200 {
            let mut image = whole.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(seed >> 33).unwrap_or(0) % 120;
                // The size stays small: the inspector bounds it before.
                if !(24..32).contains(&at) {
                    image[at] = (seed >> 24) as u8;
                }
            }
            drop(unpacked(&image));
        }
    }
}
