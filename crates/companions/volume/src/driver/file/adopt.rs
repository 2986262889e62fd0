//! Files beside the volumes, in the folder `unmanaged`: an operator puts there what is to become a volume, and what was
//! let go lies there. A file moves by getting another name, which replaces nothing: bytes are never copied, nor lost.
//!
//! Who takes a file over renames it first, to a name that nobody else uses (`.ID.taken`): of several who want it, the
//! others find it gone, and no two volumes ever are one file. A run that was killed between is continued from there.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{FileDriver, exists, io_error, open, private_folder, remove, sync_folder};
use crate::driver::{Adoption, DriverError, Id, Part, Result, Snapshot, Stray};

/// The folder of what is no volume.
const FOLDER: &str = "unmanaged";

#[async_trait]
impl Adoption for FileDriver {
    async fn strays(&self) -> Result<Vec<Stray>> {
        self.run(FileDriver::list_strays).await
    }

    async fn stray(&self, name: &str) -> Result<Stray> {
        let name = name.to_owned();
        self.run(move |driver| driver.look(&name)).await
    }

    async fn ensure_adopted(&self, name: &str, part: Part) -> Result<()> {
        let name = name.to_owned();
        self.run(move |driver| driver.adopt(&name, part)).await
    }

    async fn ensure_released(&self, part: Part, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.run(move |driver| driver.release(part, &name)).await
    }
}

impl FileDriver {
    /// A name of a file in the folder, which no name leads out of.
    fn beside(&self, name: &str) -> Result<PathBuf> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        match plain {
            true => Ok(self.root.join(FOLDER).join(name)),
            false => Err(DriverError::NotFound(format!("the file '{name}'"))),
        }
    }

    /// What a file is called on its way to its place. No reference says such a name.
    fn claim(&self, part: Part) -> PathBuf {
        let id = match part {
            Part::Volume(id) => id,
            Part::Snapshot(snapshot) => snapshot.id,
        };
        self.root.join(FOLDER).join(format!(".{id}.taken"))
    }

    fn look(&self, name: &str) -> Result<Stray> {
        let path = self.beside(name)?;
        let file = open(&path, false).map_err(|error| match error {
            DriverError::NotFound(_) => DriverError::NotFound(format!("the file '{name}'")),
            other => other,
        })?;
        let facts = file.metadata().map_err(|error| io_error(&path, error))?;
        Ok(Stray {
            name: name.to_owned(),
            bytes: facts.len(),
            of: origin_of(name),
        })
    }

    fn list_strays(&self) -> Result<Vec<Stray>> {
        let folder = self.root.join(FOLDER);
        if !exists(&folder)? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| io_error(&folder, error))? {
            let entry = entry.map_err(|error| io_error(&folder, error))?;
            let name = entry.file_name();
            // What has no name that a reference can say, and what is no file, cannot be taken over.
            found.extend(name.to_str().and_then(|name| self.look(name).ok()));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn adopt(&self, name: &str, part: Part) -> Result<()> {
        match self.try_adopt(name, part) {
            // A run of the same work that was given up is not over yet, and was quicker with a piece of it.
            Err(_) if exists(&self.part(part))? || exists(&self.claim(part))? => {
                self.try_adopt(name, part)
            }
            other => other,
        }
    }

    fn try_adopt(&self, name: &str, part: Part) -> Result<()> {
        let (from, place, claim) = (self.beside(name)?, self.part(part), self.claim(part));
        if !exists(&claim)? {
            // A run before this one came to its end, or, in a program of before, as far as the link.
            if exists(&place)? {
                return match exists(&from)? && same(&from, &place)? {
                    true => self.remove_beside(&from),
                    false => Ok(()),
                };
            }
            open(&from, false)?;
            fs::rename(&from, &claim).map_err(|error| io_error(&from, error))?;
            sync_folder(&self.root.join(FOLDER))?;
        }
        match exists(&place)? {
            true if !same(&claim, &place)? => return Err(taken(&place)),
            true => {}
            false => {
                let folder = place.parent().unwrap_or(&self.root);
                private_folder(folder).map_err(|error| io_error(folder, error))?;
                link(&claim, &place)?;
                sync_folder(&self.root)?;
            }
        }
        self.remove_beside(&claim)
    }

    /// With its new name the file is nobody's: others may take it over before a run that was killed is repeated. So it
    /// never has two names, and what is not at its place any more is not looked for.
    fn release(&self, part: Part, name: &str) -> Result<()> {
        let (place, claim) = (self.part(part), self.claim(part));
        let from = match (exists(&place)?, exists(&claim)?) {
            (true, true) if !same(&place, &claim)? => return Err(taken(&place)),
            // It was taken over as far as the link.
            (true, true) => {
                self.remove_beside(&claim)?;
                Some(&place)
            }
            (true, false) => Some(&place),
            (false, true) => Some(&claim),
            (false, false) => None,
        };
        if let Some(from) = from {
            let to = self.beside(name)?;
            let folder = self.root.join(FOLDER);
            private_folder(&folder).map_err(|error| io_error(&folder, error))?;
            match rename_to(from, &to) {
                // A run that was killed where names have to be given and removed one after the other.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && same(from, &to)? => {
                    remove(from)?;
                }
                // A run beside this one was quicker.
                Err(error) if error.kind() == ErrorKind::NotFound && !exists(from)? => {}
                other => other.map_err(|error| io_error(&to, error))?,
            }
            sync_folder(&folder)?;
            sync_folder(from.parent().unwrap_or(&self.root))?;
        }
        match part {
            Part::Volume(id) => self.remove_volume(id),
            Part::Snapshot(snapshot) => self.remove_snapshot(snapshot),
        }
    }

    /// Removes a name of a file that has another one.
    fn remove_beside(&self, path: &Path) -> Result<()> {
        remove(path)?;
        sync_folder(&self.root.join(FOLDER))
    }
}

/// Names that files get which are let go say what they were.
pub fn name_of(part: Part) -> String {
    match part {
        Part::Volume(id) => format!("volume-{id}.raw"),
        Part::Snapshot(snapshot) => format!("snapshot-{}.{}.raw", snapshot.volume, snapshot.id),
    }
}

/// What a file was by its name, if [`name_of`] gave it.
pub fn part_of(name: &str) -> Option<Part> {
    let name = name.strip_suffix(".raw")?;
    if let Some(id) = name.strip_prefix("volume-") {
        return Some(Part::Volume(id.parse().ok()?));
    }
    let (volume, id) = name.strip_prefix("snapshot-")?.split_once('.')?;
    Some(Part::Snapshot(Snapshot {
        volume: volume.parse().ok()?,
        id: id.parse().ok()?,
    }))
}

/// The volume of which something was a snapshot by its name, if [`name_of`] gave it.
pub fn origin_of(name: &str) -> Option<Id> {
    match part_of(name) {
        Some(Part::Snapshot(snapshot)) => Some(snapshot.volume),
        _ => None,
    }
}

/// Gives a file another name instead of the one it has, and replaces nothing.
fn rename_to(from: &Path, to: &Path) -> io::Result<()> {
    let once = RenameFlags::RENAME_NOREPLACE;
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, once) {
        // A file system that cannot do so, as NFS: a link does not replace anything either.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => Ok(other?),
    }
}

fn link(from: &Path, to: &Path) -> Result<()> {
    fs::hard_link(from, to).map_err(|error| io_error(to, error))?;
    sync_folder(to.parent().unwrap_or(to))
}

fn same(a: &Path, b: &Path) -> Result<bool> {
    let inode = |path: &Path| {
        path.symlink_metadata()
            .map(|facts| (facts.dev(), facts.ino()))
    };
    let both = inode(a).and_then(|one| Ok(one == inode(b)?));
    both.map_err(|error| io_error(a, error))
}

fn taken(path: &Path) -> DriverError {
    io_error(path, ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, Source, suite};

    /// A driver with a file beside its volumes.
    fn with_stray(folder: &Path, name: &str) -> FileDriver {
        let driver = FileDriver::open(&folder.join("volumes"), 0).expect("opens");
        let beside = driver.root.join(FOLDER);
        fs::create_dir_all(&beside).expect("made");
        fs::write(beside.join(name), b"mine").expect("written");
        driver
    }

    fn held(driver: &FileDriver, part: Part) -> Vec<u8> {
        fs::read(driver.part(part)).expect("read")
    }

    async fn strays(driver: &FileDriver) -> Vec<String> {
        let found = driver.strays().await.expect("listed");
        found.into_iter().map(|stray| stray.name).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_of_many_who_want_a_file_gets_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        for _ in 0..20 {
            let parts: Vec<Part> = (0..4).map(|_| Part::Volume(suite::id())).collect();
            let asked = parts
                .iter()
                .map(|part| driver.ensure_adopted("disk", *part));
            let ended = futures::future::join_all(asked).await;
            let got: Vec<Part> = parts
                .iter()
                .zip(&ended)
                .filter(|(_, ended)| ended.is_ok())
                .map(|(part, _)| *part)
                .collect();
            assert_eq!(got.len(), 1, "{ended:?}");
            assert_eq!(held(&driver, got[0]), b"mine");
            assert_eq!(strays(&driver).await, Vec::<String>::new());
            for part in parts {
                driver.ensure_released(part, "disk").await.expect("let go");
            }
            assert_eq!(strays(&driver).await, ["disk"]);
        }
    }

    #[tokio::test]
    async fn a_run_that_was_killed_is_continued_from_its_claim() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let part = Part::Volume(suite::id());
        let (from, claim) = (driver.root.join(FOLDER).join("disk"), driver.claim(part));
        fs::rename(&from, &claim).expect("claimed");
        assert_eq!(strays(&driver).await, Vec::<String>::new());
        // What has the name by now is another's.
        fs::write(&from, b"other").expect("written");
        for _ in 0..2 {
            let adopted = driver.ensure_adopted("disk", part).await;
            adopted.expect("continued");
            assert_eq!(held(&driver, part), b"mine");
            assert_eq!(fs::read(&from).expect("read"), b"other");
            assert!(!claim.exists());
        }
    }

    #[tokio::test]
    async fn a_claim_is_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let part = Part::Volume(suite::id());
        let (from, claim) = (driver.root.join(FOLDER).join("disk"), driver.claim(part));
        fs::rename(&from, &claim).expect("claimed");
        for _ in 0..2 {
            driver.ensure_released(part, "disk").await.expect("let go");
            assert_eq!(fs::read(&from).expect("read"), b"mine");
            assert!(!claim.exists());
        }
    }

    /// How many names a file has.
    fn names(path: &Path) -> u64 {
        path.metadata().expect("a file").nlink()
    }

    #[tokio::test]
    async fn what_is_let_go_has_one_name_whenever_the_run_was_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let beside = driver.root.join(FOLDER).join("disk");
        let volume = suite::id();
        let of = Snapshot {
            volume: suite::id(),
            id: suite::id(),
        };
        for part in [Part::Volume(volume), Part::Snapshot(of)] {
            for linked in [false, true] {
                driver.ensure_adopted("disk", part).await.expect("taken");
                if linked {
                    fs::hard_link(driver.part(part), &beside)
                        .expect("as a run that was killed left it");
                }
                for _ in 0..2 {
                    driver.ensure_released(part, "disk").await.expect("let go");
                    assert_eq!(fs::read(&beside).expect("read"), b"mine");
                    assert_eq!(names(&beside), 1);
                    assert!(!driver.part(part).exists());
                }
            }
        }
        assert!(!driver.folder(volume).exists());
    }

    #[tokio::test]
    async fn what_was_let_go_and_taken_over_is_not_let_go_once_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let (first, second) = (suite::id(), suite::id());
        driver
            .ensure_adopted("disk", Part::Volume(first))
            .await
            .expect("taken over");
        // The run that lets it go is killed when the file has its name.
        let beside = driver.root.join(FOLDER).join("disk");
        rename_to(&driver.disk(first), &beside).expect("let go");
        driver
            .ensure_adopted("disk", Part::Volume(second))
            .await
            .expect("taken over by another");
        driver
            .ensure_released(Part::Volume(first), "disk")
            .await
            .expect("ended");
        assert_eq!(strays(&driver).await, Vec::<String>::new());
        assert_eq!(held(&driver, Part::Volume(second)), b"mine");
        assert_eq!(names(&driver.disk(second)), 1);
        assert!(!driver.folder(first).exists());
    }

    #[tokio::test]
    async fn what_lies_there_under_that_name_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let part = Part::Volume(suite::id());
        driver.ensure_adopted("disk", part).await.expect("taken");
        let beside = driver.root.join(FOLDER).join("disk");
        fs::write(&beside, b"other").expect("written");
        for _ in 0..2 {
            let refused = driver.ensure_released(part, "disk").await;
            refused.expect_err("another's");
            assert_eq!(fs::read(&beside).expect("read"), b"other");
            assert_eq!(held(&driver, part), b"mine");
        }
    }

    #[tokio::test]
    async fn what_is_a_volume_already_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = with_stray(folder.path(), "disk");
        let id = suite::id();
        let made = driver.ensure_volume(id, 1, Source::Blank).await;
        made.expect("made");
        let adopted = driver.ensure_adopted("disk", Part::Volume(id)).await;
        adopted.expect("as after a run that came to its end");
        let facts = driver.disk(id).metadata().expect("a disk");
        assert_eq!(facts.len(), 1 << 30);
        assert_eq!(strays(&driver).await, ["disk"]);
    }
}
