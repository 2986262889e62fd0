//! Files beside the volumes, in the folder `unmanaged`: an operator puts there what is to become a volume, and what was
//! let go lies there. A file moves by a link and the removal of its old name: its bytes are never copied, nor lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{FileDriver, exists, io_error, open, private_folder, remove, sync_folder};
use crate::driver::{Adoption, DriverError, Part, Result, Snapshot, Stray};

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
            of: snapshot_of(name).map(|snapshot| snapshot.volume),
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
        let (from, place) = (self.beside(name)?, self.part(part));
        match (exists(&from)?, exists(&place)?) {
            (false, true) => return Ok(()),
            (true, true) if !same(&from, &place)? => return Err(taken(&place)),
            (true, true) => {}
            (_, false) => {
                open(&from, false)?;
                let folder = place.parent().unwrap_or(&self.root);
                private_folder(folder).map_err(|error| io_error(folder, error))?;
                link(&from, &place)?;
                sync_folder(&self.root)?;
            }
        }
        remove(&from)?;
        sync_folder(&self.root.join(FOLDER))
    }

    fn release(&self, part: Part, name: &str) -> Result<()> {
        let (place, to) = (self.part(part), self.beside(name)?);
        match (exists(&place)?, exists(&to)?) {
            (true, true) if !same(&place, &to)? => return Err(taken(&to)),
            (true, false) => {
                let folder = self.root.join(FOLDER);
                private_folder(&folder).map_err(|error| io_error(&folder, error))?;
                link(&place, &to)?;
            }
            _ => {}
        }
        match part {
            Part::Volume(id) => self.remove_volume(id),
            Part::Snapshot(snapshot) => self.remove_snapshot(snapshot),
        }
    }
}

/// Names that files get which are let go say what they were.
pub fn name_of(part: Part) -> String {
    match part {
        Part::Volume(id) => format!("volume-{id}.raw"),
        Part::Snapshot(snapshot) => format!("snapshot-{}.{}.raw", snapshot.volume, snapshot.id),
    }
}

fn snapshot_of(name: &str) -> Option<Snapshot> {
    let ids = name.strip_prefix("snapshot-")?.strip_suffix(".raw")?;
    let (volume, id) = ids.split_once('.')?;
    Some(Snapshot {
        volume: volume.parse().ok()?,
        id: id.parse().ok()?,
    })
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
    io_error(path, std::io::ErrorKind::AlreadyExists.into())
}
