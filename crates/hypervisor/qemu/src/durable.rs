//! Files that a later start relies on: on the disk before anything is said that they promise, and whole or not there.
//!
//! A name is on the disk once its folder is: so the data is synced, then the name given, then the folder synced.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Replaces a file as a whole; readable by its owner alone, since descriptions carry passwords.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    place(&written(path, bytes)?, path)
}

/// The same for what is only worth knowing while the machine runs, as a guest's last state: after a power failure the
/// file is the old or the new one.
pub(crate) fn replace_soon(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = written(path, bytes)?;
    sync(&File::open(&fresh)?, &fresh)?;
    rename(&fresh, path)
}

fn written(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    Ok(fresh)
}

/// Gives a finished file its name.
pub(crate) fn place(fresh: &Path, path: &Path) -> Result<()> {
    sync(&File::open(fresh)?, fresh)?;
    rename(fresh, path)?;
    folder_of(path)
}

/// Removes a file for good; one that is not there is success.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    folder_of(path)
}

/// Makes names in the folder of a path last: new ones, and that old ones are gone.
pub(crate) fn folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    sync(&File::open(folder)?, folder)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to)?;
    note_step("rename", to);
    Ok(())
}

fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all()?;
    note_step("sync", path);
    Ok(())
}

#[cfg(not(test))]
fn note_step(_step: &str, _path: &Path) {}

#[cfg(test)]
fn note_step(step: &str, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    steps::STEPS.with_borrow_mut(|steps| steps.push(format!("{step} {name}")));
}

/// What this thread did, for tests: nothing else shows from inside that data reached a disk.
#[cfg(test)]
pub(crate) mod steps {
    use std::cell::RefCell;

    thread_local! {
        pub static STEPS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// The steps since it was asked last.
    pub fn taken() -> Vec<String> {
        STEPS.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_on_the_disk_before_its_name_and_the_name_before_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().file_name().unwrap().to_str().unwrap();
        let path = dir.path().join("spec.json");
        steps::taken();
        replace(&path, b"1").unwrap();
        let synced = format!("sync {folder}");
        assert_eq!(
            steps::taken(),
            ["sync spec.json.new", "rename spec.json", &synced]
        );
        replace_soon(&path, b"2").unwrap();
        assert_eq!(steps::taken(), ["sync spec.json.new", "rename spec.json"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        remove(&path).unwrap();
        assert_eq!(steps::taken(), [synced]);
        remove(&path).unwrap();
        assert!(steps::taken().is_empty(), "nothing was there");
    }
}
