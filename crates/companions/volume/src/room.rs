//! Whether a file system still has the room that is to be left free on it: asked while a file becomes larger.

use std::fs::File;
use std::io;

/// Bytes written between two looks.
const LOOK: u64 = 16 << 20;

/// What is written to one file system, and how much is left free there.
#[derive(Debug)]
pub struct Room {
    keep_free: u64,
    /// Bytes since the last look.
    unseen: u64,
}

impl Room {
    /// Nothing is written yet: the first bytes are looked at.
    pub fn new(keep_free: u64) -> Self {
        Room {
            keep_free,
            unseen: LOOK,
        }
    }

    /// Told before bytes are written to a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`]: no more than what is to be left is free.
    pub fn take(&mut self, to: &File, bytes: u64) -> io::Result<()> {
        self.unseen = self.unseen.saturating_add(bytes);
        if self.unseen < LOOK {
            return Ok(());
        }
        self.unseen = 0;
        let stat = nix::sys::statvfs::fstatvfs(to)?;
        #[allow(clippy::unnecessary_cast)] // their width differs by platform
        let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
        match free < self.keep_free {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}
