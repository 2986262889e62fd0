//! Which blocks a backup has, by their numbers, and where their bytes lie.

use std::io::{self, Read, Write};

/// A block that is not zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number on the disk.
    pub block: u64,
    /// The place in the chain of the backup whose data has it.
    pub owner: u32,
    /// Bytes in the data; as many as the block has where it is not pressed.
    pub length: u32,
    /// Where it begins in the data.
    pub at: u64,
    /// SHA-256 of the block.
    pub digest: [u8; 32],
}

/// Bytes of an entry: numbers are little-endian.
const SIZE: usize = 56;

impl Entry {
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.block.to_le_bytes())?;
        to.write_all(&self.owner.to_le_bytes())?;
        to.write_all(&self.length.to_le_bytes())?;
        to.write_all(&self.at.to_le_bytes())?;
        to.write_all(&self.digest)
    }

    fn read(bytes: &[u8; SIZE]) -> Self {
        let [block, at] = [0, 16].map(|from| u64::from_le_bytes(part(bytes, from)));
        let [owner, length] = [8, 12].map(|from| u32::from_le_bytes(part(bytes, from)));
        Entry {
            block,
            owner,
            length,
            at,
            digest: part(bytes, 24),
        }
    }
}

fn part<const N: usize>(bytes: &[u8; SIZE], from: usize) -> [u8; N] {
    std::array::from_fn(|at| bytes[from + at])
}

/// Reads entries in their order.
pub struct Reader<R> {
    from: R,
    ahead: Option<Entry>,
}

impl<R: Read> Reader<R> {
    pub fn new(from: R) -> Self {
        Reader { from, ahead: None }
    }

    /// The next entry; none at the end.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.ahead.take() {
            return Ok(Some(entry));
        }
        let mut bytes = [0; SIZE];
        let mut have = 0;
        while have < SIZE {
            match self.from.read(&mut bytes[have..])? {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => have += count,
            }
        }
        Ok(Some(Entry::read(&bytes)))
    }

    /// The entry of a block, if it has one. To be asked with rising numbers.
    pub fn find(&mut self, block: u64) -> io::Result<Option<Entry>> {
        while let Some(entry) = self.next()? {
            if entry.block >= block {
                self.ahead = Some(entry);
                break;
            }
        }
        Ok(self.ahead.filter(|entry| entry.block == block))
    }
}
