//! Copies of files that are mostly holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

nix::ioctl_write_int!(
    /// `FICLONE` of `linux/fs.h`: the file shares the blocks of another until one of them is written.
    ficlone,
    0x94,
    9
);

/// Makes `to`, which is empty, hold what `from` holds: at once and without room of its own where the file system can,
/// else data by data, and holes stay holes.
pub fn copy(from: &File, to: &File) -> io::Result<()> {
    if cloned(from, to)? {
        return Ok(());
    }
    let size = from.metadata()?.size();
    to.set_len(size)?;
    let mut at = 0;
    while let Some((begin, end)) = next_data(from, at, size)? {
        copy_range(from, to, begin, end)?;
        at = end;
    }
    Ok(())
}

/// Bytes that a copy of the file needs where the file system cannot share blocks.
pub fn allocated(file: &File) -> io::Result<u64> {
    /// The unit of `st_blocks`, whatever the file system's is.
    const BLOCK: u64 = 512;
    Ok(file.metadata()?.blocks() * BLOCK)
}

fn cloned(from: &File, to: &File) -> io::Result<bool> {
    let source = nix::sys::ioctl::ioctl_param_type::try_from(from.as_raw_fd())
        .map_err(|_| io::Error::other("a negative descriptor"))?;
    // SAFETY: both descriptors are open for as long as the call lasts, and the kernel touches no memory of ours.
    match unsafe { ficlone(to.as_raw_fd(), source) } {
        Ok(_) => Ok(true),
        Err(
            Errno::EOPNOTSUPP
            | Errno::EXDEV
            | Errno::EINVAL
            | Errno::ENOTTY
            | Errno::ENOSYS
            | Errno::EPERM
            | Errno::ETXTBSY,
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where the next data at or behind `at` begins and ends; none when only a hole is left.
pub fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let offset = |at: u64| i64::try_from(at).map_err(|_| io::Error::other("beyond all files"));
    let begin = match lseek(file, offset(at)?, Whence::SeekData) {
        Ok(begin) => begin,
        Err(Errno::ENXIO) => return Ok(None),
        // A file system without holes.
        Err(Errno::EINVAL) => return Ok(Some((at, size))),
        Err(error) => return Err(error.into()),
    };
    let end = lseek(file, begin, Whence::SeekHole)?;
    Ok(Some((begin.unsigned_abs(), end.unsigned_abs().min(size))))
}

/// Copies within the kernel where it can.
pub fn copy_range(from: &File, to: &File, begin: u64, end: u64) -> io::Result<()> {
    let (mut from, mut to) = (from, to);
    from.seek(SeekFrom::Start(begin))?;
    to.seek(SeekFrom::Start(begin))?;
    io::copy(&mut from.take(end - begin), &mut to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_copy_holds_the_same_and_needs_no_more_room() {
        let mut from = tempfile::tempfile().expect("a file");
        from.write_all(b"beginning").expect("written");
        from.set_len(64 << 20).expect("grown");
        from.write_all_at(b"middle", 32 << 20).expect("written");
        let to = tempfile::tempfile().expect("a file");
        copy(&from, &to).expect("copied");
        let mut read = [0; 6];
        to.read_exact_at(&mut read, 32 << 20).expect("read");
        assert_eq!(&read, b"middle");
        assert_eq!(to.metadata().expect("size").len(), 64 << 20);
        assert!(allocated(&to).expect("blocks") < 1 << 20);
    }
}
