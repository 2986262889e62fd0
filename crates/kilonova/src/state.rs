//! The cloud's folder: where its files lie, what it keeps secret, and the lock that keeps a second
//! process out.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Characters of a generated password: some 140 bits.
const PASSWORD_LENGTH: usize = 24;

/// The folder of a cloud, locked for this process.
pub struct State {
    pub path: PathBuf,
    pub secrets: Secrets,
    /// 8 hex digits, different for each folder of a machine: part of the names of namespaces.
    pub cloud_id: String,
    /// Held until the process ends.
    lock: Flock<fs::File>,
}

/// What only this cloud knows; made at the first start.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub admin_password: String,
    pub demo_password: String,
    /// From which the passwords of the services' users are derived.
    pub service_password: String,
    pub metadata_secret: String,
    /// From which older releases derived the ids of hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_namespace: Option<Uuid>,
}

impl Secrets {
    fn new() -> Self {
        let password = || Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH);
        Secrets {
            admin_password: password(),
            demo_password: password(),
            service_password: password(),
            metadata_secret: password(),
            node_namespace: None,
        }
    }

    /// The id that older releases gave the node of a host: derived from the host's name.
    pub fn derived_node_id(&self, host: &str) -> Option<String> {
        let namespace = self.node_namespace.as_ref()?;
        Some(Uuid::new_v5(namespace, host.as_bytes()).to_string())
    }

    /// The password of a service's user: each has its own, from which no other can be found.
    pub fn service(&self, user: &str) -> SecretString {
        let digest = Sha256::digest(format!("{}:{user}", self.service_password));
        SecretString::from(hex::encode(digest))
    }
}

/// Folders below the cloud's own.
const FOLDERS: &[&str] = &[
    "db",
    "images",
    "image-cache",
    "keys",
    "network",
    "run",
    "servers",
];

impl State {
    /// Opens, or makes, the folder and takes its lock.
    ///
    /// # Errors
    /// The folder cannot be written, or another process works in it; the text says what to do.
    pub fn open(path: &Path) -> Result<Self> {
        for folder in FOLDERS {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).with_context(|| {
                format!(
                    "cannot make the folder {}: check its owner, or set state_path",
                    folder.display()
                )
            })?;
        }
        let path = path.canonicalize().context("the state folder")?;
        // Databases hold hashes of passwords and users' data. The network's files are dnsmasq's too, which is nobody.
        for folder in ["db", "image-cache", "images", "keys", "run", "servers"] {
            private(&path.join(folder))?;
        }
        let lock = lock(&path)?;
        let cloud_id = cloud_id(&path);
        let secrets = secrets(&path.join("keys/secrets.json"))?;
        Ok(State {
            path,
            secrets,
            cloud_id,
            lock,
        })
    }
}

impl State {
    /// The folder of copies of disks that become images: one below it per host.
    pub fn copies(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// What tells this cloud's networks from those of every other cloud of the machine, a copy of this one in another
    /// folder included.
    pub fn network_owner(&self) -> String {
        let mut digest = Sha256::new();
        // Only this cloud knows it; nobody learns it from the digest.
        digest.update(&self.secrets.metadata_secret);
        digest.update(b":networks:");
        digest.update(self.path.as_os_str().as_encoded_bytes());
        hex::encode(&digest.finalize()[..16])
    }

    /// Who this process is among those that share a journal, as the lock of its folder proves: whoever held leases
    /// under the same name is dead. The name stands for the folder itself and the boot of its machine, so a folder
    /// that was copied, restored or mounted elsewhere has another one. A SQLite file is one machine's: there a
    /// restart of the machine changes nothing. Nothing where the system does not say which boot it is.
    pub fn sole_process(&self, engine: sql::Engine) -> Option<workflow::SoleProcess> {
        let boot = match engine {
            sql::Engine::Sqlite => String::new(),
            _ => fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?,
        };
        let file = self.lock.metadata().ok()?;
        let (device, inode) = (file.dev(), file.ino());
        let folder = match engine {
            // A device may get another number when the machine starts again.
            sql::Engine::Sqlite => format!("{}", self.path.display()),
            _ => format!("{device}"),
        };
        let named = format!("{}/{folder}/{inode}", boot.trim());
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, named.as_bytes());
        Some(workflow::SoleProcess::holding(name))
    }
}

/// The cloud id of a folder.
pub fn cloud_id(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..4])
}

fn lock(path: &Path) -> Result<Flock<fs::File>> {
    let file = path.join("kilonova.lock");
    let mut opened = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .read(true)
        .open(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let holder = fs::read_to_string(&file).unwrap_or_default();
    match Flock::lock(opened.try_clone()?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            opened.set_len(0)?;
            write!(opened, "{}", std::process::id())?;
            Ok(lock)
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => bail!(
            "another kilonova (process {}) works in {}: stop it first, or set another state_path",
            holder.trim(),
            path.display()
        ),
        Err((_, error)) => Err(error).context("cannot lock the state folder"),
    }
}

fn secrets(file: &Path) -> Result<Secrets> {
    match fs::read(file) {
        Ok(text) => {
            serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secrets = Secrets::new();
            write_private(file, &serde_json::to_string_pretty(&secrets)?)?;
            Ok(secrets)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn private(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot protect {}", folder.display()))
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(file: &Path, text: &str) -> Result<()> {
    let part = file.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut opened = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&part)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()?;
        fs::rename(&part, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_sole_process_stands_for_one_folder_and_outlives_a_restart() {
        let places = tempfile::tempdir().expect("a folder");
        let name = |folder: &str, engine| {
            let state = State::open(&places.path().join(folder)).expect("opened");
            format!("{:?}", state.sole_process(engine).expect("a name"))
        };
        for engine in [sql::Engine::Sqlite, sql::Engine::Postgres] {
            assert_eq!(name("a", engine), name("a", engine));
            assert_ne!(name("a", engine), name("b", engine));
        }
        assert_ne!(
            name("a", sql::Engine::Sqlite),
            name("a", sql::Engine::Postgres)
        );
        // A copy in its place: another folder, which may have been copied to another machine as well.
        let before = name("a", sql::Engine::Postgres);
        std::fs::rename(places.path().join("a"), places.path().join("old")).expect("moved");
        assert_ne!(name("a", sql::Engine::Postgres), before);
    }
}
