//! Bytes in and out of devices, on threads that may wait.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use crate::driver::{DriverError, Result, sparse};

/// How many zeros are written at once.
const CHUNK: usize = 4 << 20;

/// Opens a file or device.
///
/// # Errors
/// It is not there, or cannot be opened.
pub async fn open(path: PathBuf, write: bool) -> Result<File> {
    blocking(move || {
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
pub async fn zero(device: PathBuf, from: u64) -> Result<()> {
    let file = open(device.clone(), true).await?;
    blocking(move || {
        let end = length(&file, &device)?;
        let zeroed = zeros(&file, from, end).and_then(|()| file.sync_all());
        zeroed.map_err(|error| failed(&device, error))
    })
    .await
}

fn zeros(file: &File, from: u64, end: u64) -> io::Result<()> {
    let offset = |at: u64| i64::try_from(at).map_err(|_| io::Error::other("beyond all devices"));
    if from >= end {
        return Ok(());
    }
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
pub async fn copy(from: File, path: PathBuf, device: PathBuf) -> Result<()> {
    let to = open(device.clone(), true).await?;
    blocking(move || {
        let size = length(&from, &path)?;
        let copied = data(&from, &to, size).and_then(|()| to.sync_all());
        copied.map_err(|error| failed(&device, error))
    })
    .await
}

fn data(from: &File, to: &File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while let Some((begin, end)) = sparse::next_data(from, at, size)? {
        sparse::copy_range(from, to, begin, end)?;
        at = end;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
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
