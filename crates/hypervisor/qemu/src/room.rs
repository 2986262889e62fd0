//! Room on the disk of the servers: what must stay free for records and databases, and what is asked
//! before something large is written.

use std::io::ErrorKind;
use std::path::Path;

use hypervisor::{DriverError, Result};

use crate::layout::Layout;

/// Bytes free on the file system of `path`, for those who are not root.
///
/// # Errors
/// The path does not exist.
pub(crate) fn free(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    #[allow(clippy::unnecessary_cast)]
    let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
    Ok(free)
}

/// Refuses what needs `needed` bytes unless `reserve` bytes stay free beside them.
///
/// # Errors
/// `Io` of kind `StorageFull`, with the numbers.
pub(crate) fn require(path: &Path, what: &str, needed: u64, reserve: u64) -> Result<()> {
    let free = free(path).map_err(DriverError::io(format!("look at {}", path.display())))?;
    if needed.saturating_add(reserve) <= free {
        return Ok(());
    }
    let what = format!(
        "{what}: it needs {needed} bytes of disk, {free} are free, and {reserve} must stay so"
    );
    Err(DriverError::io(what)(ErrorKind::StorageFull.into()))
}

/// MiB of disk that the memory of suspended guests takes.
pub(crate) fn saved_memory_mb(layouts: &[Layout]) -> u64 {
    let lengths = layouts.iter().map(|layout| {
        let saved = std::fs::metadata(layout.memory());
        saved.map_or(0, |metadata| metadata.len())
    });
    lengths.sum::<u64>().div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_use_up_the_reserve_is_refused_with_the_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let have = free(dir.path()).unwrap();
        require(dir.path(), "save it", 1, 0).unwrap();
        let refused = require(dir.path(), "save it", have / 2, have);
        let Err(DriverError::Io { what, source }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        assert!(what.starts_with("save it: it needs "), "{what}");
    }
}
