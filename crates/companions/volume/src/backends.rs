//! The back ends of this process: each has a name, one pool and a driver. A volume is on the one that its row's host names.
//!
//! Where an operator lists none there is one, and every volume is on it, whatever host its row names: a machine may be
//! given another name. Where several are listed, `HOST@BACKEND` decides.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::driver::file::FileDriver;
use crate::driver::lvm::Lvm;
use crate::driver::{Driver, DriverError, Id};
use crate::settings::{BackEnd, Helper, Program, Settings, Storage};
use crate::target::local::Local;
use crate::target::nbd::Nbd;
use crate::target::tgt::Tgt;
use crate::target::{Reach, Target};

/// One back end.
pub struct Backend {
    pub settings: BackEnd,
    /// `HOST@BACKEND`.
    pub host: String,
    pub driver: Arc<dyn Driver>,
    /// How hosts reach its volumes.
    pub reach: Reach,
}

impl Backend {
    /// `HOST@BACKEND#POOL`: a back end of files has one pool.
    pub fn pool_name(&self) -> String {
        format!("{}#{}", self.host, self.settings.pool)
    }

    /// Where images lie while its volumes are made of them.
    pub fn incoming(&self) -> PathBuf {
        self.settings.volume_dir.join("incoming")
    }

    /// Makes that folder when it is missing, but not the one above it: a disk may not be mounted.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_incoming(&self) -> io::Result<PathBuf> {
        let folder = self.incoming();
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(folder),
        }
    }
}

/// No back end of this process has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is on no back end of this host: enabled_backends does not list it")]
pub struct NoBackend(pub String);

/// Why back ends cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Folders {
    #[error("the folder {} of volumes cannot be used; check that this user may write it", folder.display())]
    Unusable {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the volume group {group} cannot be used; its pool of thin volumes is {group}-pool")]
    Group {
        group: String,
        #[source]
        source: DriverError,
    },
    #[error("{} needs the program {}: install the Debian package {}", .0.option, .0.program, .0.package)]
    Missing(&'static Program),
    #[error("the back ends {one} and {other} of enabled_backends have one volume group: {group}")]
    SharedGroup {
        one: String,
        other: String,
        group: String,
    },
    #[error(
        "the back ends {one} and {other} of enabled_backends share files: {} is the folder of both, or within the other's",
        folder.display()
    )]
    Shared {
        one: String,
        other: String,
        folder: PathBuf,
    },
}

/// All of them, one at least.
pub struct Backends {
    all: Vec<Backend>,
    /// Whether an operator listed them.
    listed: bool,
}

impl Backends {
    /// Opens the folder of each.
    ///
    /// # Errors
    /// One cannot be used, or two share files.
    pub fn open(settings: &Settings) -> Result<Self, Folders> {
        let mut folders: Vec<(PathBuf, String)> = Vec::new();
        let mut all: Vec<Backend> = Vec::new();
        for one in settings.back_ends() {
            let lacks = one.programs().find(|needed| {
                let found = child::find(Path::new(needed.program));
                found.is_none()
            });
            if let Some(lacks) = lacks {
                return Err(Folders::Missing(lacks));
            }
            let opened = FileDriver::open(&one.volume_dir, settings.keep_free);
            let driver = opened.map_err(|source| Folders::Unusable {
                folder: one.volume_dir.clone(),
                source,
            })?;
            let root = driver.root().to_owned();
            let within = folders
                .iter()
                .find(|(other, _)| root.starts_with(other) || other.starts_with(&root));
            if let Some((_, other)) = within {
                return Err(Folders::Shared {
                    one: one.name.clone(),
                    other: other.clone(),
                    folder: root,
                });
            }
            folders.push((root, one.name.clone()));
            if let Some(group) = one.storage.group() {
                let same = |other: &&Backend| other.settings.storage.group() == Some(group);
                if let Some(other) = all.iter().find(same) {
                    return Err(Folders::SharedGroup {
                        other: other.settings.name.clone(),
                        group: group.to_owned(),
                        one: one.name.clone(),
                    });
                }
            }
            let reach = reach(settings, one)?;
            all.push(Backend {
                host: format!("{}@{}", settings.host, one.name),
                driver: storage(settings, one, driver),
                settings: one.clone(),
                reach,
            });
        }
        Ok(Backends {
            all,
            listed: !settings.backends.is_empty(),
        })
    }

    /// Those that keep volumes in a volume group find it.
    ///
    /// # Errors
    /// One does not.
    pub async fn check(&self) -> Result<(), Folders> {
        for one in &self.all {
            if let Some(group) = one.settings.storage.group() {
                let room = one.driver.capacity().await;
                room.map_err(|source| Folders::Group {
                    group: group.to_owned(),
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// The same, with a target of a test.
    #[cfg(test)]
    pub fn served_by(mut self, target: Arc<dyn Target>) -> Self {
        for one in &mut self.all {
            one.reach = Reach::Target(target.clone());
        }
        self
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Backend> {
        self.all.iter()
    }

    /// The back end with this `HOST@BACKEND`, with or without a pool behind it.
    pub fn named(&self, host: &str) -> Option<&Backend> {
        let named = host.split('#').next().unwrap_or_default();
        self.all.iter().find(|one| one.host == named)
    }

    /// The back end of a row's host.
    ///
    /// # Errors
    /// It is none of this process.
    pub fn of(&self, host: Option<&str>) -> Result<&Backend, NoBackend> {
        let host = host.unwrap_or_default();
        match (self.named(host), self.listed) {
            (Some(found), _) => Ok(found),
            (None, false) => self.all.first().ok_or_else(|| NoBackend(host.to_owned())),
            (None, true) => Err(NoBackend(host.to_owned())),
        }
    }

    /// Whether rows that name a host which none of these is may still be meant.
    pub fn listed(&self) -> bool {
        self.listed
    }

    /// Takes a volume that has no row from all of them.
    ///
    /// # Errors
    /// As the drivers.
    pub async fn ensure_gone(&self, id: Id) -> crate::driver::Result<()> {
        for one in &self.all {
            one.driver.ensure_gone(id).await?;
        }
        Ok(())
    }
}

/// What keeps the volumes of a back end: the files, or a volume group beside their folder.
fn storage(settings: &Settings, one: &BackEnd, files: FileDriver) -> Arc<dyn Driver> {
    match &one.storage {
        Storage::Files => Arc::new(files),
        Storage::Lvm { group, kind } => Arc::new(Lvm::new(group, *kind, settings.keep_free)),
    }
}

/// What serves the volumes of a back end, with a folder that no other back end and no other helper has.
fn reach(settings: &Settings, one: &BackEnd) -> Result<Reach, Folders> {
    let folder = one.export_dir(&settings.export_dir).unwrap_or_default();
    let target: io::Result<Arc<dyn Target>> = match &one.helper {
        Helper::Local => {
            let local = Local::new(&settings.host, &settings.also_hosts);
            return Ok(Reach::Local(local));
        }
        Helper::Nbd(nbd) => Nbd::open(&folder, nbd).map(|nbd| Arc::new(nbd) as Arc<dyn Target>),
        Helper::Tgt(tgt) => Tgt::open(&folder, tgt).map(|tgt| Arc::new(tgt) as Arc<dyn Target>),
    };
    match target {
        Ok(target) => Ok(Reach::Target(target)),
        Err(source) => Err(Folders::Unusable { folder, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LvmType;

    fn listed(folders: &[(&str, &Path)]) -> Settings {
        let backends = folders.iter().map(|(name, folder)| BackEnd {
            pool: (*name).to_uppercase(),
            ..BackEnd::sample(name, folder)
        });
        Settings {
            host: "here".to_owned(),
            backends: backends.collect(),
            ..Settings::default()
        }
    }

    #[test]
    fn a_host_names_its_back_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let all = Backends::open(&listed(&[("a", &a), ("b", &b)])).expect("opens");
        let of = |host| all.of(host).map(Backend::pool_name);
        assert_eq!(of(Some("here@b#B")).as_deref(), Ok("here@b#B"));
        assert_eq!(of(Some("here@a")).as_deref(), Ok("here@a#A"));
        for other in [Some("here@c#C"), Some("there@a#A"), None] {
            assert!(of(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn one_alone_has_every_volume() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            host: "here".to_owned(),
            back_end: BackEnd::sample("file", &folder.path().join("a")),
            ..Settings::default()
        };
        let all = Backends::open(&settings).expect("opens");
        for host in [Some("here@file#file"), Some("elsewhere@file#file"), None] {
            let of = all.of(host).map(Backend::pool_name);
            assert_eq!(of.as_deref(), Ok("here@file#file"));
        }
    }

    #[test]
    fn a_back_end_names_the_programs_that_it_needs() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = listed(&[("a", folder.path())]);
        let needs = |settings: &Settings| {
            let all = settings.backends[0].programs().map(|one| one.program);
            all.collect::<Vec<_>>()
        };
        assert_eq!(needs(&settings), [""; 0]);
        settings.backends[0].helper = Helper::Nbd(Default::default());
        assert_eq!(needs(&settings), ["qemu-storage-daemon"]);
        settings.backends[0].storage = Storage::Lvm {
            group: "group".to_owned(),
            kind: LvmType::Thin,
        };
        assert_eq!(needs(&settings).len(), 8);
        if child::find(Path::new("lvs")).is_none() {
            let opened = Backends::open(&settings).err().expect("refused");
            let said = opened.to_string();
            assert!(said.contains("install the Debian package lvm2"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_volume_group_that_is_missing_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = "kilonova-none";
        let mut one = listed(&[("a", folder.path())]).backends.remove(0);
        one.storage = Storage::Lvm {
            group: group.to_owned(),
            kind: LvmType::Thick,
        };
        let all = Backends {
            all: vec![Backend {
                host: "here@a".to_owned(),
                driver: Arc::new(Lvm::new(group, LvmType::Thick, 0)),
                settings: one,
                reach: Reach::Local(Local::new("here", &[])),
            }],
            listed: true,
        };
        let refused = all.check().await.expect_err("refused");
        assert!(refused.to_string().contains(group), "{refused}");
    }

    #[test]
    fn no_two_share_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, link) = (folder.path().join("a"), folder.path().join("link"));
        std::fs::create_dir(&a).expect("made");
        std::os::unix::fs::symlink(&a, &link).expect("linked");
        for other in [a.clone(), a.join("inside"), folder.path().to_owned(), link] {
            let opened = Backends::open(&listed(&[("a", &a), ("b", &other)]));
            let refused = opened.err().expect("refused");
            assert!(matches!(refused, Folders::Shared { .. }), "{refused}");
        }
    }
}
