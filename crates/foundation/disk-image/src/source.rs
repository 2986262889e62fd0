//! Bounded reading, and numbers out of bytes.

use std::io::{self, Read, Seek, SeekFrom};

/// Most bytes read at once: the longest header part of any format, VMDK's descriptor.
pub const MOST: usize = 1 << 20;

/// A reader with its size.
pub struct Source<'a, R> {
    reader: &'a mut R,
    size: u64,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    /// Measures the reader.
    pub fn new(reader: &'a mut R) -> io::Result<Self> {
        let size = reader.seek(SeekFrom::End(0))?;
        Ok(Source { reader, size })
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `length` bytes from `at`, at most [`MOST`]; what lies behind the end reads as zero.
    pub fn read(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let length = length.min(MOST);
        let mut bytes = vec![0; length];
        if at < self.size {
            let there = usize::try_from(self.size - at)
                .unwrap_or(usize::MAX)
                .min(length);
            self.reader.seek(SeekFrom::Start(at))?;
            self.reader.read_exact(&mut bytes[..there])?;
        }
        Ok(bytes)
    }

    /// The last `length` bytes; zeros in front when there are fewer.
    pub fn tail(&mut self, length: usize) -> io::Result<Vec<u8>> {
        match self.size.checked_sub(length as u64) {
            Some(at) => self.read(at, length),
            None => Ok(vec![0; length]),
        }
    }
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut found = [0; N];
    if let Some(there) = at.checked_add(N).and_then(|end| from.get(at..end)) {
        found.copy_from_slice(there);
    }
    found
}

/// A big-endian number; zero when it lies outside.
pub fn be32(from: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes(from, at))
}

/// See [`be32`].
pub fn be64(from: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes(from, at))
}

/// A little-endian number; zero when it lies outside.
pub fn le16(from: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(from, at))
}

/// See [`le16`].
pub fn le32(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(from, at))
}

/// See [`le16`].
pub fn le64(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(from, at))
}

/// Sixteen bytes, such as a GUID as it is stored.
pub fn sixteen(from: &[u8], at: usize) -> [u8; 16] {
    bytes(from, at)
}
