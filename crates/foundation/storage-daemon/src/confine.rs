//! What a daemon is confined by. It reads what its clients and the volume's server send, so it gets a file tree with programs
//! and its volume alone; it has the machine's network, which is what it is for.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use child::{Abilities, Access, Limit, Measures, Root, User};

/// What the dynamic linker and the resolver of names read outside the folders of programs.
const SYSTEM: [&str; 5] = [
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
];
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];
/// Descriptors that a daemon may hold: a client and a connection to the volume have a few each.
const FILES: u64 = 1024;

/// A file or folder that a daemon may open.
#[derive(Clone, Debug)]
pub struct Part {
    pub path: PathBuf,
    pub writable: bool,
}

/// The confinement that this machine can give: as this user (none: as ours), in a tree with programs and these parts.
///
/// # Errors
/// A path cannot be made absolute, or a part is not there.
pub fn measures(
    abilities: &Abilities,
    user: Option<u32>,
    programs: &[PathBuf],
    parts: &[Part],
) -> std::io::Result<Measures> {
    let mut measures = Measures {
        processes: abilities.processes.is_none(),
        ipc: abilities.ipc.is_none(),
        limits: vec![Limit::Files(FILES)],
        ..Measures::default()
    };
    if abilities.root.is_some() {
        return Ok(measures);
    }
    let mut root = Root::default();
    root.add_existing(programs, Access::Run)?;
    // Links that lead nowhere are left out.
    let system = SYSTEM.iter().filter(|path| Path::new(path).exists());
    root.add_existing(system, Access::Read)?;
    root.add_existing(DEVICES, Access::Device)?;
    for part in parts {
        let is_device = part.path.metadata()?.file_type().is_block_device();
        let access = match (is_device, part.writable) {
            (true, _) => Access::Device,
            (false, true) => Access::Write,
            (false, false) => Access::Read,
        };
        root.add(&part.path, access)?;
    }
    measures.root = Some(root);
    let user = user.filter(|_| abilities.user.is_none());
    measures.user = user.map(|uid| User {
        uid,
        gid: uid,
        ..User::default()
    });
    Ok(measures)
}
