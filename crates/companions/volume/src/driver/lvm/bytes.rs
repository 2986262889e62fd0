//! Bytes in and out of devices, on threads that may wait. One run at a time writes to a device, and a thread for which
//! nobody waits any more stops after its piece: a step that took too long leaves nobody who writes beside the next one.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, fallocate};

use crate::driver::{DriverError, Result, sparse};

/// How many zeros are written at once.
const CHUNK: usize = 4 << 20;

/// How many bytes are zeroed or copied before a thread looks whether anybody waits for it.
const PIECE: u64 = 64 << 20;

/// How often it is looked whether a device that another run writes to is free.
const LOOK: Duration = Duration::from_millis(100);

/// A device that nobody else writes zeros or copies to, in this process or another one.
#[derive(Debug)]
pub struct Held {
    file: Flock<File>,
    device: PathBuf,
}

/// Waits until no other run writes to a device. No limit of time of its own: the caller's step has one.
///
/// # Errors
/// It is not there, or cannot be opened or locked.
pub async fn hold(device: PathBuf) -> Result<Held> {
    let mut file = open(device.clone(), true).await?;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => return Ok(Held { file, device }),
            Err((file, Errno::EAGAIN | Errno::EINTR)) => file,
            Err((_, error)) => return Err(failed(&device, error.into())),
        };
        tokio::time::sleep(LOOK).await;
    }
}

/// Opens a file or device.
///
/// # Errors
/// It is not there, or cannot be opened.
pub async fn open(path: PathBuf, write: bool) -> Result<File> {
    blocking(move |_| {
        let opened = OpenOptions::new().read(true).write(write).open(&path);
        opened.map_err(|error| failed(&path, error))
    })
    .await
}

/// Bytes that it has.
///
/// # Errors
/// It cannot say.
pub fn length(file: &File, path: &Path) -> Result<u64> {
    let mut file = file;
    let length = file.seek(SeekFrom::End(0));
    length.map_err(|error| failed(path, error))
}

/// A device holds zeros from a byte on, and they are on disk.
///
/// # Errors
/// It cannot be written.
pub async fn zero(held: Held, from: u64) -> Result<Held> {
    blocking(move |left| {
        let end = length(&held.file, &held.device)?;
        let zeroed = zeros(&held.file, from, end, left).and_then(|()| held.file.sync_all());
        match zeroed {
            Ok(()) => Ok(held),
            Err(error) => Err(failed(&held.device, error)),
        }
    })
    .await
}

fn zeros(file: &File, from: u64, end: u64, left: &AtomicBool) -> io::Result<()> {
    let mut at = from;
    while at < end {
        go_on(left)?;
        let to = end.min(at.saturating_add(PIECE));
        zero_piece(file, at, to)?;
        at = to;
    }
    Ok(())
}

fn zero_piece(file: &File, from: u64, end: u64) -> io::Result<()> {
    let offset = |at: u64| i64::try_from(at).map_err(|_| io::Error::other("beyond all devices"));
    // Both read as zeros; the first one gives blocks back, where a device can.
    for how in [
        FallocateFlags::FALLOC_FL_PUNCH_HOLE,
        FallocateFlags::FALLOC_FL_ZERO_RANGE,
    ] {
        let how = how | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match fallocate(file, how, offset(from)?, offset(end - from)?) {
            Ok(()) => return Ok(()),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::ENODEV) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut to = file;
    to.seek(SeekFrom::Start(from))?;
    let chunk = vec![0; CHUNK];
    let mut left = end - from;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        to.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// The data of a file goes to the same places of a device, and is on disk.
///
/// # Errors
/// One of them fails, or the device is too small.
pub async fn copy(from: File, path: PathBuf, to: Held) -> Result<()> {
    blocking(move |left| {
        let size = length(&from, &path)?;
        let copied = data(&from, &to.file, size, left).and_then(|()| to.file.sync_all());
        copied.map_err(|error| failed(&to.device, error))
    })
    .await
}

fn data(from: &File, to: &File, size: u64, left: &AtomicBool) -> io::Result<()> {
    let mut at = 0;
    while let Some((begin, end)) = sparse::next_data(from, at, size)? {
        go_on(left)?;
        let end = end.min(begin.saturating_add(PIECE));
        sparse::copy_range(from, to, begin, end)?;
        at = end;
    }
    Ok(())
}

/// Sets a flag when it is dropped: with the future that waits, however that ends.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn go_on(left: &AtomicBool) -> io::Result<()> {
    match left.load(Ordering::Relaxed) {
        true => Err(io::Error::other("nobody waits for it any more")),
        false => Ok(()),
    }
}

/// Work on a thread; its flag is set when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let left = Arc::new(AtomicBool::new(false));
    let _leaving = Leaving(left.clone());
    let done = tokio::task::spawn_blocking(move || work(&left)).await;
    done.unwrap_or_else(|error| {
        Err(DriverError::Io {
            what: "a thread ended early".to_owned(),
            source: io::Error::other(error.to_string()),
        })
    })
}

fn failed(path: &Path, source: io::Error) -> DriverError {
    match source.kind() {
        io::ErrorKind::NotFound => DriverError::NotFound(path.display().to_string()),
        io::ErrorKind::StorageFull => DriverError::Full(path.to_owned()),
        _ => DriverError::Io {
            what: format!("{} cannot be used", path.display()),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_run_at_a_time_has_a_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = folder.path().join("device");
        std::fs::write(&device, [7; 4096]).expect("written");
        let held = hold(device.clone()).await.expect("held");
        let mut next = tokio::spawn(hold(device.clone()));
        let soon = tokio::time::timeout(3 * LOOK, &mut next).await;
        assert!(soon.is_err(), "it waits");
        let held = zero(held, 1024).await.expect("zeroed");
        assert!(!next.is_finished(), "it waits");
        drop(held);
        next.await.expect("no panic").expect("held");
        let mut there = [7_u8; 4096];
        there[1024..].fill(0);
        assert_eq!(std::fs::read(&device).expect("read"), there);
        let missing = hold(folder.path().join("missing")).await;
        let missing = missing.expect_err("missing");
        assert!(matches!(missing, DriverError::NotFound(_)), "{missing}");
    }

    #[tokio::test]
    async fn work_for_which_nobody_waits_ends() {
        let (begin, begun) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let work = tokio::spawn(blocking(move |left| {
            begin.send(()).expect("somebody listens");
            while go_on(left).is_ok() {
                std::thread::yield_now();
            }
            end.send(()).expect("somebody listens");
            Ok(())
        }));
        begun.await.expect("it begins");
        work.abort();
        ended.await.expect("it ends");
    }

    #[test]
    fn nothing_is_written_when_nobody_waits() {
        let left = AtomicBool::new(true);
        let (from, to) = (tempfile::tempfile(), tempfile::tempfile());
        let (from, mut to) = (from.expect("a file"), to.expect("a file"));
        (&from).write_all(b"new").expect("written");
        to.write_all(b"old").expect("written");
        zeros(&to, 0, 3, &left).expect_err("nobody waits");
        data(&from, &to, 3, &left).expect_err("nobody waits");
        let mut held = [0; 3];
        std::os::unix::fs::FileExt::read_exact_at(&to, &mut held, 0).expect("read");
        assert_eq!(&held, b"old");
    }
}
