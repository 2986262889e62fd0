//! A file tree of a child's own: an empty one, into which parts of ours are bound at the same paths. Everything else
//! of the machine does not exist for the child.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::Result;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What a child may do with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Read, and run programs.
    Run,
    /// Read and write, as far as owner and mode of the files allow.
    Write,
    /// Read and write a device directly in `/dev`.
    Device,
}

/// The parts of a file tree, in the order in which they are bound.
#[derive(Clone, Debug, Default)]
pub struct Root {
    parts: Vec<(PathBuf, Access)>,
}

/// Where the tree is put together: covered in the child's own mount namespace only. Nothing below it can be a part.
const AT: &str = "/proc";

impl Root {
    /// Adds a file or folder. One that lies in a folder with the same access is there already.
    ///
    /// # Errors
    /// The path cannot be made absolute.
    pub fn add(&mut self, path: impl AsRef<Path>, access: Access) -> Result<()> {
        let path = std::path::absolute(path)?;
        let covers = |(other, has): &(PathBuf, Access)| {
            let same = *has == access || (*has == Access::Run && access == Access::Read);
            same && path.starts_with(other)
        };
        if !self.parts.iter().any(covers) {
            self.parts.push((path, access));
        }
        Ok(())
    }

    /// Adds what exists of these.
    ///
    /// # Errors
    /// A path cannot be made absolute.
    pub fn add_existing<P: AsRef<Path>>(
        &mut self,
        paths: impl IntoIterator<Item = P>,
        access: Access,
    ) -> Result<()> {
        for path in paths {
            if path.as_ref().symlink_metadata().is_ok() {
                self.add(path, access)?;
            }
        }
        Ok(())
    }

    /// What the child does to make the tree, from its mount namespace on.
    pub(crate) fn operations(&self) -> Result<Vec<Operation>> {
        let inside =
            |path: &Path| text(&Path::new(AT).join(path.strip_prefix("/").unwrap_or(path)));
        let mut operations = vec![Operation::Begin {
            at: text(Path::new(AT))?,
        }];
        let mut folders = BTreeSet::new();
        for (path, access) in &self.parts {
            if *access == Access::Device {
                continue;
            }
            let above = path.ancestors().skip(1).collect::<Vec<_>>();
            for folder in above.into_iter().rev().skip(1) {
                if folders.insert(folder.to_owned()) {
                    operations.push(Operation::Folder {
                        at: inside(folder)?,
                    });
                }
            }
            let at = inside(path)?;
            let link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
            // `/lib` of many systems.
            if link && self.leads_to_programs(path)? {
                let to = text(&std::fs::read_link(path)?)?;
                operations.push(Operation::Link { to, at });
                continue;
            }
            let at_folder = std::fs::metadata(path)?.is_dir();
            operations.push(match at_folder {
                true if folders.insert(path.clone()) => Operation::Folder { at: at.clone() },
                true => Operation::Nothing,
                false => Operation::File { at: at.clone() },
            });
            let from = text(path)?;
            let flags = flags(*access);
            operations.push(Operation::Bind { from, at, flags });
        }
        operations.extend(self.devices(inside)?);
        operations.push(Operation::Enter {
            at: text(Path::new(AT))?,
        });
        Ok(operations)
    }
}

impl Root {
    /// Does a link lead to what is a part anyway?
    fn leads_to_programs(&self, link: &Path) -> Result<bool> {
        let target = std::fs::canonicalize(link)?;
        let mut parts = self.parts.iter();
        Ok(parts.any(|(path, access)| {
            *access == Access::Run && path != link && target.starts_with(path)
        }))
    }

    /// Nodes of the same devices, in a `/dev` of their own: whatever the machine's own nodes allow to whom, these are
    /// for the child.
    fn devices(&self, inside: impl Fn(&Path) -> Result<CString>) -> Result<Vec<Operation>> {
        let mut nodes = Vec::new();
        for (path, access) in &self.parts {
            if *access == Access::Device {
                let found = std::fs::metadata(path)?;
                nodes.push(Operation::Node {
                    at: inside(path)?,
                    kind: match found.file_type().is_block_device() {
                        true => libc::S_IFBLK,
                        false => libc::S_IFCHR,
                    },
                    device: found.rdev(),
                });
            }
        }
        if nodes.is_empty() {
            return Ok(nodes);
        }
        let at = || inside(Path::new("/dev"));
        let mut operations = vec![Operation::Devices { at: at()? }];
        operations.append(&mut nodes);
        operations.push(Operation::Closed { at: at()? });
        Ok(operations)
    }
}

/// A step that makes the tree. All texts are made before the child is.
#[derive(Debug)]
pub(crate) enum Operation {
    /// An empty tree, and nothing that happens in it is seen outside.
    Begin {
        at: CString,
    },
    Folder {
        at: CString,
    },
    File {
        at: CString,
    },
    Link {
        to: CString,
        at: CString,
    },
    /// An empty folder whose nodes are devices.
    Devices {
        at: CString,
    },
    Node {
        at: CString,
        /// Of blocks or of characters.
        kind: libc::mode_t,
        device: libc::dev_t,
    },
    /// No further nodes.
    Closed {
        at: CString,
    },
    Bind {
        from: CString,
        at: CString,
        flags: libc::c_ulong,
    },
    /// The tree becomes the root and cannot be written; the old one is gone.
    Enter {
        at: CString,
    },
    Nothing,
}

fn flags(access: Access) -> libc::c_ulong {
    libc::MS_NOSUID
        | match access {
            Access::Read => libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOEXEC,
            Access::Run => libc::MS_RDONLY | libc::MS_NODEV,
            Access::Write => libc::MS_NODEV | libc::MS_NOEXEC,
            Access::Device => libc::MS_NOEXEC, // a node of its own, see `devices`
        }
}

pub(crate) fn text(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

impl Operation {
    /// Runs in the child, between its making and its program: no allocation, no lock.
    pub fn run(&self) -> bool {
        use std::ptr::null;
        // SAFETY: all pointers are null or lead to C strings that live as long as `self`.
        unsafe {
            match self {
                Operation::Begin { at } => {
                    let private = libc::MS_REC | libc::MS_PRIVATE;
                    let tmpfs = c"tmpfs".as_ptr();
                    let options = c"mode=755,size=1m".as_ptr();
                    libc::mount(null(), c"/".as_ptr(), null(), private, null()) == 0
                        && libc::mount(tmpfs, at.as_ptr(), tmpfs, libc::MS_NOSUID, options.cast())
                            == 0
                }
                Operation::Folder { at } => libc::mkdir(at.as_ptr(), 0o755) == 0 || exists(),
                Operation::File { at } => {
                    libc::mknod(at.as_ptr(), libc::S_IFREG | 0o444, 0) == 0 || exists()
                }
                Operation::Link { to, at } => {
                    libc::symlink(to.as_ptr(), at.as_ptr()) == 0 || exists()
                }
                Operation::Bind { from, at, flags } => {
                    let again = libc::MS_REMOUNT | libc::MS_BIND | flags;
                    let (from, at) = (from.as_ptr(), at.as_ptr());
                    libc::mount(from, at, null(), libc::MS_BIND, null()) == 0
                        && libc::mount(null(), at, null(), again, null()) == 0
                }
                Operation::Enter { at } => {
                    let at = at.as_ptr();
                    let closed = libc::MS_REMOUNT
                        | libc::MS_BIND
                        | libc::MS_RDONLY
                        | libc::MS_NOSUID
                        | libc::MS_NODEV
                        | libc::MS_NOEXEC;
                    let here = c".".as_ptr();
                    libc::mount(null(), at, null(), closed, null()) == 0
                        && libc::chdir(at) == 0
                        && libc::syscall(libc::SYS_pivot_root, here, here) == 0
                        && libc::umount2(here, libc::MNT_DETACH) == 0
                        && libc::chdir(c"/".as_ptr()) == 0
                }
                Operation::Devices { at } => {
                    let flags = libc::MS_NOSUID | libc::MS_NOEXEC;
                    let options = c"mode=755,size=64k".as_ptr();
                    let tmpfs = c"tmpfs".as_ptr();
                    (libc::mkdir(at.as_ptr(), 0o755) == 0 || exists())
                        && libc::mount(tmpfs, at.as_ptr(), tmpfs, flags, options.cast()) == 0
                }
                Operation::Node { at, kind, device } => {
                    libc::mknod(at.as_ptr(), kind | 0o666, *device) == 0
                }
                Operation::Closed { at } => {
                    let flags = libc::MS_REMOUNT
                        | libc::MS_BIND
                        | libc::MS_RDONLY
                        | libc::MS_NOSUID
                        | libc::MS_NOEXEC;
                    libc::mount(null(), at.as_ptr(), null(), flags, null()) == 0
                }
                Operation::Nothing => true,
            }
        }
    }
}

fn exists() -> bool {
    // SAFETY: the C library gives the address of this thread's error number.
    unsafe { *libc::__errno_location() == libc::EEXIST }
}
