//! Volumes served by NBD: a storage daemon of QEMU for each export, with a port of its own.
//!
//! The protocol asks nobody who they are and encrypts nothing. An export is reached by who reaches its port and knows its
//! name, which is random; on the loopback address (the default) that are programs of this machine. Daemons are confined:
//! each has a file tree with programs and its volume alone, and no capabilities.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use child::{Abilities, User};
use nix::unistd::{getegid, geteuid, getgroups};
use serde_json::{Value, json};
use storage_daemon::{Limits, Listen, PROGRAM, Part, Running, Source, Wanted, measures};

use super::{Grant, Needs, Result, Target, TargetError};
use crate::driver::Id;
use crate::settings;

/// Folders of programs and what they link.
const PROGRAMS: [&str; 5] = ["/usr", "/lib", "/lib64", "/bin", "/sbin"];

/// Connections of an export at the same time. A host has one or two, and those that broke and are not noticed yet.
const CONNECTIONS: u32 = 16;

/// The unit in which QEMU tells sizes: what is left over behind the last one is not served.
const SECTOR: u64 = 512;

/// `CAP_DAC_OVERRIDE` of `linux/capability.h`: owner and mode of a file are not asked for.
const DAC_OVERRIDE: u8 = 1;

/// See the module.
pub struct Nbd {
    /// A folder for each export, by its id.
    folder: PathBuf,
    address: IpAddr,
    ports: RangeInclusive<u16>,
    abilities: Abilities,
}

impl Nbd {
    /// Opens the folder of daemons, making it when it is missing.
    ///
    /// # Errors
    /// It cannot be made or found.
    pub fn open(folder: &Path, settings: &settings::Nbd) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let address = settings.address;
        if !address.is_loopback() {
            tracing::warn!(
                %address,
                "volumes are served by NBD without encryption: keep the ports from all but hosts (docs/security.md)"
            );
        }
        Ok(Nbd {
            folder: folder.canonicalize()?,
            address,
            ports: settings.ports.clone(),
            abilities: Abilities::look(geteuid().as_raw()),
        })
    }

    fn place(&self, id: Id) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Who a daemon is: this process's user, whose the volumes are, without capabilities. A file that an operator let be
    /// taken over may be another's: whoever serves it keeps the one capability that opens it. None: this process has no
    /// right to change users, and none that it could pass on.
    fn user(&self, volume: &Metadata) -> Option<User> {
        if self.abilities.user.is_some() {
            return None;
        }
        let uid = geteuid().as_raw();
        let is_own = volume.uid() == uid && volume.mode() & 0o600 == 0o600;
        let capabilities = match is_own || volume.file_type().is_block_device() {
            true => Vec::new(),
            false => vec![DAC_OVERRIDE],
        };
        let groups = getgroups().unwrap_or_default();
        Some(User {
            uid,
            gid: getegid().as_raw(),
            groups: groups.into_iter().map(|gid| gid.as_raw()).collect(),
            capabilities,
        })
    }

    async fn start(&self, grant: &Grant, port: u16) -> Result<Running> {
        let named = grant.path.clone();
        // Logical volumes are links to devices. File systems may hang.
        let opened = tokio::task::spawn_blocking(move || -> io::Result<(PathBuf, Metadata)> {
            let path = named.canonicalize()?;
            let facts = path.metadata()?;
            Ok((path, facts))
        });
        let opened = opened.await;
        let opened = opened.unwrap_or_else(|error| Err(io::Error::other(error)));
        let (path, facts) = opened.map_err(|error| {
            TargetError::Failed(format!("{} cannot be used: {error}", grant.path.display()))
        })?;
        let wanted = Wanted {
            source: match facts.file_type().is_block_device() {
                true => Source::Device { path: path.clone() },
                false => Source::File { path: path.clone() },
            },
            read_only: grant.read_only,
            export: grant.token.clone(),
            listen: Listen::Tcp(SocketAddr::new(self.address, port)),
            connections: CONNECTIONS,
        };
        let part = Part {
            path,
            writable: !grant.read_only,
        };
        let measures = measures(&self.abilities, None, &PROGRAMS.map(PathBuf::from), &[part]);
        let mut measures = measures.map_err(|error| {
            TargetError::Failed(format!("a storage daemon cannot be confined: {error}"))
        })?;
        measures.user = self.user(&facts);
        let (place, program) = (self.place(grant.id), Path::new(PROGRAM));
        let running = storage_daemon::ensure(&place, program, &wanted, measures, Limits::default());
        running.await.map_err(|error| failed(&error, port))
    }
}

#[async_trait]
impl Target for Nbd {
    fn protocol(&self) -> &'static str {
        "nbd"
    }

    fn needs(&self) -> Needs {
        Needs {
            ports: Some(self.ports.clone()),
            login: false,
        }
    }

    async fn ensure(&self, grant: &Grant) -> Result<Value> {
        let none = "the export has no port: it was made while another target served volumes";
        let port = grant
            .port
            .ok_or_else(|| TargetError::Failed(none.to_owned()))?;
        let running = self.start(grant, port).await?;
        if running.bytes < grant.size / SECTOR * SECTOR {
            // A daemon offers the size that it found. Its clients come back to the next one.
            let ended = storage_daemon::end(&self.place(grant.id), Limits::default()).await;
            ended.map_err(|error| failed(&error, port))?;
            self.start(grant, port).await?;
        }
        Ok(json!({
            "driver_volume_type": "nbd",
            "data": {"host": self.address.to_string(), "port": port, "export": grant.token},
        }))
    }

    async fn ensure_gone(&self, id: Id) -> Result<()> {
        let place = self.place(id);
        let ended = storage_daemon::end(&place, Limits::default()).await;
        ended.map_err(|error| TargetError::Failed(chain(&error)))?;
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(TargetError::Failed(format!(
                "{} cannot be removed: {error}",
                place.display()
            ))),
            _ => Ok(()),
        }
    }

    async fn served(&self) -> Result<Vec<Id>> {
        let folders = storage_daemon::folders(&self.folder);
        let folders = folders.map_err(|error| TargetError::Failed(chain(&error)))?;
        let ids = folders.iter().filter_map(|folder| {
            let name = folder.file_name()?.to_str()?;
            name.parse().ok()
        });
        Ok(ids.collect())
    }

    async fn alive(&self) -> Result<Vec<Id>> {
        let mut all = self.served().await?;
        all.retain(|id| storage_daemon::running(&self.place(*id)).is_some());
        Ok(all)
    }
}

fn failed(error: &storage_daemon::Error, port: u16) -> TargetError {
    match error {
        storage_daemon::Error::Io { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            TargetError::Taken(port)
        }
        _ => TargetError::Failed(chain(error)),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
