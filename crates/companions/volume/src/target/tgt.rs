//! Volumes served by iSCSI: a target of `tgtd` for each export, with one logical unit, for one initiator and with a
//! password of its own (CHAP).
//!
//! tgtd is the machine's service, or one that is started here with a control port of its own. It forgets all when it
//! ends; whoever looks next makes it anew, under the same names.

mod daemon;
mod shown;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Grant, Login, Needs, Result, Standing, Target, TargetError};
use crate::driver::Id;
use crate::settings;
use daemon::Daemon;
use shown::Shown;

/// The unit that is the volume; 0 is the controller.
const LUN: &str = "1";

/// What stands before the ids in names of targets, behind the prefix.
const VOLUME: &str = "volume-";

/// How often a number for a target is chosen, where somebody else takes it meanwhile.
const TRIES: usize = 4;

/// See the module.
pub struct Tgt {
    /// A file for each export: a [`Note`]. Targets without one are not ours.
    folder: PathBuf,
    portal: SocketAddr,
    prefix: String,
    daemon: Daemon,
    /// Changes of targets come one after the other: their numbers are chosen here.
    alone: Mutex<()>,
}

/// What is kept of a target, as a line.
struct Note {
    /// Bytes that its unit was opened with; 0: it was not yet.
    size: u64,
    /// Its whole name, whatever the prefix is by now; none: a note of a program of before.
    name: Option<String>,
}

impl Tgt {
    /// Opens the folder of notes, making it when it is missing.
    ///
    /// # Errors
    /// It cannot be made or found.
    pub fn open(folder: &Path, settings: &settings::Tgt) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let folder = folder.canonicalize()?;
        Ok(Tgt {
            daemon: Daemon::new(&folder, settings),
            folder,
            portal: settings.portal,
            prefix: settings.prefix.clone(),
            alone: Mutex::new(()),
        })
    }

    /// The name of an export's target: the one that its host was told, or a new one.
    fn name(&self, grant: &Grant, noted: Option<&Note>, all: &[Shown]) -> String {
        let told = noted.and_then(|note| note.name.clone());
        let shown = || all.iter().find(|one| export(&one.name) == Some(grant.id));
        let told = told.or_else(|| shown().map(|one| one.name.clone()));
        told.unwrap_or_else(|| format!("{}{VOLUME}{}-{}", self.prefix, grant.volume, grant.id))
    }

    fn note(&self, id: Id) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn noted(&self, id: Id) -> Option<Note> {
        let text = fs::read_to_string(self.note(id)).ok()?;
        let text = text.trim();
        let (size, name) = match text.split_once(' ') {
            Some((size, name)) => (size, Some(name.to_owned())),
            None => (text, None),
        };
        Some(Note {
            size: size.parse().ok()?,
            name,
        })
    }

    /// The unit is the file, with its size of now. Initiators that are logged in keep their place.
    async fn open_unit(&self, found: &Shown, grant: &Grant) -> Result<()> {
        let tid = found.tid.to_string();
        let of = ["--tid", &tid, "--lun", LUN];
        if found.path.is_some() {
            self.daemon.unit("delete", &of, &[]).await?;
        }
        let path = grant.path.to_string_lossy();
        self.daemon.unit("new", &of, &["-b", &path]).await?;
        if grant.read_only {
            let params = ["--params", "readonly=1"];
            self.daemon.unit("update", &of, &params).await?;
        }
        self.take_note(grant.id, grant.size, &found.name)
    }

    fn take_note(&self, id: Id, size: u64, name: &str) -> Result<()> {
        let note = self.note(id);
        fs::write(&note, format!("{size} {name}")).map_err(|error| {
            TargetError::Failed(format!("{} cannot be written: {error}", note.display()))
        })
    }

    /// A target with a name and nothing else: nobody is let in.
    async fn make(&self, name: &str) -> Result<Shown> {
        let mut tries = 0;
        loop {
            let all = self.daemon.ensure().await?;
            let tid = all.iter().map(|one| one.tid).max().unwrap_or_default() + 1;
            let number = tid.to_string();
            let new = ["--tid", &number, "-T", name];
            match self.daemon.target("new", &new).await {
                Ok(()) => {}
                Err(_) if tries < TRIES => {
                    tries += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            return Ok(Shown {
                tid,
                name: name.to_owned(),
                ..Shown::default()
            });
        }
    }

    /// The target with all that belongs to it, and who may log in at last.
    async fn build(&self, grant: &Grant, login: &Login, user: &str, name: &str) -> Result<()> {
        // First of all: by its note a target is known as ours.
        self.take_note(grant.id, 0, name)?;
        let made = self.make(name).await?;
        self.open_unit(&made, grant).await?;
        let tid = made.tid.to_string();
        // One of a run before has another password.
        self.forget(user).await?;
        self.daemon.account(user, &login.password).await?;
        self.daemon.bind_account(&tid, user).await?;
        let initiator = ["--tid", &tid, "-Q", &login.initiator];
        self.daemon.target("bind", &initiator).await
    }

    /// An account is gone. Not while a target has it: a target that loses its last account asks nobody for a password.
    async fn forget(&self, user: &str) -> Result<()> {
        let all = self.daemon.targets().await?.unwrap_or_default();
        let has = all
            .into_iter()
            .find(|one| one.accounts.iter().any(|account| account == user));
        if let Some(Shown { name, .. }) = has {
            return Err(TargetError::Failed(format!(
                "the account {user} cannot be deleted: the target {name} has it"
            )));
        }
        self.daemon.forget_account(user).await
    }

    async fn remove(&self, tid: u32) -> Result<()> {
        let tid = tid.to_string();
        self.daemon
            .target("delete", &["--force", "--tid", &tid])
            .await
    }
}

#[async_trait]
impl Target for Tgt {
    fn protocol(&self) -> &'static str {
        "iSCSI"
    }

    fn needs(&self) -> Needs {
        Needs {
            ports: None,
            login: true,
        }
    }

    async fn ensure(&self, grant: &Grant) -> Result<Value> {
        let none = "the export has no password: it was made while another target served volumes";
        let login = grant.login.as_ref();
        let login = login.ok_or_else(|| TargetError::Failed(none.to_owned()))?;
        let user = user_of(grant.id);
        let _alone = self.alone.lock().await;
        let all = self.daemon.ensure().await?;
        let noted = self.noted(grant.id);
        let name = self.name(grant, noted.as_ref(), &all);
        match all.into_iter().find(|one| one.name == name) {
            Some(found) if !found.lets_in(&user, &login.initiator) => {
                self.remove(found.tid).await?;
                self.build(grant, login, &user, &name).await?;
            }
            Some(found) => {
                let is_named = noted.as_ref().is_some_and(|note| note.name.is_some());
                if !is_so(&found, noted.as_ref(), grant) {
                    self.open_unit(&found, grant).await?;
                } else if !is_named {
                    self.take_note(grant.id, grant.size, &name)?;
                }
            }
            None => self.build(grant, login, &user, &name).await?,
        }
        Ok(json!({
            "driver_volume_type": "iscsi",
            "data": {
                "target_discovered": false,
                "target_portal": self.portal.to_string(),
                "target_iqn": name,
                "target_lun": 1,
                "volume_id": grant.volume.to_string(),
                "auth_method": "CHAP",
                "auth_username": user,
                "auth_password": login.password.expose_secret(),
                "discard": false,
            },
        }))
    }

    async fn ensure_gone(&self, id: Id) -> Result<()> {
        let _alone = self.alone.lock().await;
        if let Some(all) = self.daemon.targets().await? {
            let told = self.noted(id).and_then(|note| note.name);
            let is_ours = |name: &str| told.as_deref() == Some(name) || export(name) == Some(id);
            let ours = all.iter().filter(|one| is_ours(&one.name));
            let ours: Vec<u32> = ours.map(|one| one.tid).collect();
            for tid in ours {
                self.remove(tid).await?;
            }
            self.forget(&user_of(id)).await?;
        }
        let note = self.note(id);
        match fs::remove_file(&note) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(TargetError::Failed(format!(
                "{} cannot be removed: {error}",
                note.display()
            ))),
            _ => Ok(()),
        }
    }

    async fn served(&self) -> Result<Vec<Id>> {
        let failed = |error: io::Error| {
            let folder = self.folder.display();
            TargetError::Failed(format!("{folder} cannot be read: {error}"))
        };
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            all.extend(name.to_str().and_then(|name| name.parse::<Id>().ok()));
        }
        Ok(all)
    }

    async fn alive(&self) -> Result<Vec<Id>> {
        let all = self.daemon.targets().await?.unwrap_or_default();
        Ok(all.iter().filter_map(|one| export(&one.name)).collect())
    }

    async fn standing(&self) -> Result<Standing> {
        let all = self.daemon.targets().await?.unwrap_or_default();
        let mut notes = BTreeMap::new();
        for id in self.served().await? {
            notes.extend(self.noted(id).map(|note| (id, note)));
        }
        Ok(Arc::new(move |grant: &Grant| {
            let noted = notes.get(&grant.id);
            let name = noted.and_then(|note| note.name.as_deref());
            let found = all.iter().find(|one| Some(one.name.as_str()) == name);
            found
                .zip(grant.login.as_ref())
                .is_some_and(|(found, login)| {
                    found.lets_in(&user_of(grant.id), &login.initiator)
                        && is_so(found, noted, grant)
                })
        }))
    }

    async fn down(&self) -> Result<()> {
        for id in self.served().await? {
            self.ensure_gone(id).await?;
        }
        self.daemon.end().await
    }
}

/// Whether the unit of a target is what the grant says.
fn is_so(found: &Shown, noted: Option<&Note>, grant: &Grant) -> bool {
    found.path.as_deref() == Some(&*grant.path.to_string_lossy())
        && found.read_only == grant.read_only
        && noted.is_some_and(|note| note.size == grant.size)
}

/// The export whose target has this name, with whatever prefix; none: it is not ours.
fn export(name: &str) -> Option<Id> {
    /// A UUID, and the sign before it.
    const TAIL: usize = 37;
    let (before, export) = name.split_at_checked(name.len().checked_sub(TAIL)?)?;
    let (_, volume) = before.rsplit_once(VOLUME)?;
    volume.parse::<Id>().ok()?;
    export.strip_prefix('-')?.parse().ok()
}

/// The name of an export's account.
fn user_of(id: Id) -> String {
    id.to_string().replace('-', "")
}

#[cfg(test)]
mod tests;
