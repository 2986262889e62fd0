//! dnsmasq without root: a user of its own with the three capabilities that it needs, and a file tree that holds
//! programs and its network's files.
//!
//! What it writes itself, its leases and its pid file, lies in the folder `run`, which is its own. Whoever breaks into
//! it can put anything there: this process opens only plain files in it and never follows a link.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use child::{Access, Confined, Limit, Measures, Root, User};

use crate::PlaneError;
use crate::kernel::netns;

/// NET_BIND_SERVICE for ports 53 and 67, NET_ADMIN to answer a guest that has no address yet, NET_RAW to try whether an
/// address is in use.
const CAPABILITIES: [u8; 3] = [10, 12, 13];
/// The largest lease file that is read: 65,536 leases of some 100 bytes.
const LARGEST: u64 = 16 << 20;
/// Descriptors that it may hold; it has some twenty.
const FILES: u64 = 1024;
const PROGRAMS: [&str; 5] = ["/usr", "/lib", "/lib64", "/bin", "/sbin"];
/// For the linker, and since dnsmasq wants to know that there is a user `nobody`, whom it does not become.
const TEXTS: [&str; 4] = [
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
];

fn run(dir: &Path) -> PathBuf {
    dir.join("run")
}

/// Makes the process's own folder.
pub fn make_run(dir: &Path, uid: u32) -> Result<(), PlaneError> {
    let run = run(dir);
    match fs::DirBuilder::new().mode(0o700).create(&run) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(PlaneError::file(run, e)),
        _ => {}
    }
    // Also when the settings name another user than last time. The folder above is ours, so this is no link.
    chown(&run, Some(uid), Some(uid)).map_err(|e| PlaneError::file(run, e))
}

/// Gives the process its lease file: one that another user wrote, or a version of this program that kept it beside the
/// other files. No process may run.
pub fn take_over(dir: &Path, uid: u32) -> Result<(), PlaneError> {
    let earlier = dir.join("leases");
    let leases = match fs::read_to_string(&earlier) {
        Ok(leases) => leases,
        Err(_) => match read(dir, "leases") {
            Ok(leases) => leases,
            Err(_) => return Ok(()),
        },
    };
    write(dir, "leases", &leases, uid)?;
    for file in [earlier, dir.join("pid")] {
        match fs::remove_file(&file) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(PlaneError::file(file, e)),
            _ => {}
        }
    }
    Ok(())
}

/// The text of a file that the process wrote.
pub fn read(dir: &Path, name: &str) -> io::Result<String> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(run(dir).join(name))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Replaces such a file: made beside the folder, so that no link in it is followed.
pub fn write(dir: &Path, name: &str, text: &str, uid: u32) -> Result<(), PlaneError> {
    let fresh = dir.join(format!("{name}.new"));
    let path = run(dir).join(name);
    fs::write(&fresh, text)
        .and_then(|()| chown(&fresh, Some(uid), Some(uid)))
        .and_then(|()| fs::rename(&fresh, &path))
        .map_err(|e| PlaneError::file(path, e))
}

/// Starts the process; it puts itself into the background when it serves.
pub fn start(dir: &Path, namespace: &File, uid: u32) -> Result<(), PlaneError> {
    let confined = Confined {
        program: "dnsmasq".into(),
        args: vec![format!("--conf-file={}", dir.join("config").display()).into()],
        folder: "/".into(),
        keep: Vec::new(),
        measures: measures(dir, uid).map_err(|e| PlaneError::file(dir, e))?,
    };
    let (ended, stderr) = netns::inside(namespace, || {
        confined.output().map_err(|e| match e.kind() {
            ErrorKind::NotFound if child::find(Path::new("dnsmasq")).is_none() => {
                PlaneError::Missing {
                    program: "dnsmasq",
                    package: "dnsmasq-base",
                }
            }
            _ => PlaneError::kernel("run dnsmasq", e),
        })
    })?;
    match ended.success() {
        true => Ok(()),
        false => Err(PlaneError::Program {
            program: "dnsmasq",
            stderr,
        }),
    }
}

fn measures(dir: &Path, uid: u32) -> io::Result<Measures> {
    let mut root = Root::default();
    root.add_existing(PROGRAMS, Access::Run)?;
    root.add_existing(TEXTS, Access::Read)?;
    root.add_existing(["/dev/null", "/dev/urandom"], Access::Device)?;
    root.add(dir, Access::Read)?;
    root.add(run(dir), Access::Write)?;
    Ok(Measures {
        user: Some(User {
            uid,
            gid: uid,
            groups: Vec::new(),
            capabilities: CAPABILITIES.to_vec(),
        }),
        root: Some(root),
        ipc: true,
        limits: vec![Limit::Files(FILES)],
        ..Measures::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_lies_in_the_processs_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        let other = dir.path().join("other");
        fs::write(&other, "secret").unwrap();
        make_run(dir.path(), own).unwrap();
        let leases = run(dir.path()).join("leases");
        std::os::unix::fs::symlink(&other, &leases).unwrap();
        assert!(read(dir.path(), "leases").is_err());
        write(dir.path(), "leases", "mine", own).unwrap();
        assert_eq!(read(dir.path(), "leases").unwrap(), "mine");
        assert_eq!(fs::read_to_string(&other).unwrap(), "secret");
        nix::unistd::mkfifo(&run(dir.path()).join("pid"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(
            read(dir.path(), "pid").is_err(),
            "a pipe does not hold us up"
        );
    }

    #[test]
    fn leases_of_an_earlier_version_are_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        make_run(dir.path(), own).unwrap();
        take_over(dir.path(), own).unwrap();
        fs::write(dir.path().join("leases"), "old").unwrap();
        fs::write(dir.path().join("pid"), "1").unwrap();
        take_over(dir.path(), own).unwrap();
        take_over(dir.path(), own).unwrap();
        assert_eq!(read(dir.path(), "leases").unwrap(), "old");
        assert!(!dir.path().join("leases").exists() && !dir.path().join("pid").exists());
    }
}
