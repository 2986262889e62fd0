//! Sockets that a daemon gets, and the way to those of long paths.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::Listen;

/// A name for a path that is short enough for a socket, however long the path is; it holds while the folder is open.
pub(crate) struct Short {
    _folder: File,
    pub path: PathBuf,
}

impl Short {
    pub fn of(path: &Path) -> Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::new(ErrorKind::InvalidInput, "no name of a socket"));
        };
        let folder = File::open(folder)?;
        let path = Path::new("/proc/self/fd")
            .join(folder.as_raw_fd().to_string())
            .join(name);
        Ok(Self {
            _folder: folder,
            path,
        })
    }
}

/// A listening socket of this name, in the place of what was there.
pub(crate) fn unix(path: &Path, owner: Option<u32>) -> Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        removed => removed?,
    }
    let listener = UnixListener::bind(&Short::of(path)?.path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    if let Some(owner) = owner {
        lchown(path, Some(owner), Some(owner))?;
    }
    Ok(listener.into())
}

/// Where clients come to, and its address when it has one.
pub(crate) fn listen(wanted: &Listen) -> Result<(OwnedFd, Option<SocketAddr>)> {
    match wanted {
        Listen::Unix { path, owner } => Ok((unix(path, *owner)?, None)),
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            Ok((listener.into(), Some(address)))
        }
    }
}
