//! The one place where this program starts other programs.
//!
//! Every child gets a clean environment: ours may hold passwords of the cloud. [`command`] and [`tokio_command`] make
//! ordinary children. [`Confined`] starts a program that is not trusted, because it works on what a guest sent: with a
//! user, a file tree, a network and a process table of its own, and with limits. What a machine cannot give is found by
//! [`Abilities::look`].

mod ability;
mod confined;
mod prepared;
mod process;
mod root;
mod run;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use ability::{Abilities, Ability};
pub use confined::{Confined, Limit, Measures, User};
pub use process::{Process, has_option};
pub use root::{Access, Root};
pub use run::{Ended, Started};

/// Where programs are looked for that are named without a folder.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The whole environment of every child. Messages of programs are read, so their language is fixed.
pub const ENVIRONMENT: [(&str, &str); 2] = [("PATH", PATH), ("LC_ALL", "C")];

/// A child with a clean environment.
#[allow(clippy::disallowed_methods)] // this is their home
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT);
    command
}

/// The same for asynchronous code.
#[allow(clippy::disallowed_methods)] // this is their home
pub fn tokio_command(program: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command.env_clear().envs(ENVIRONMENT);
    command
}

/// The file that a program's name means: looked for in [`PATH`], unless it has a folder.
pub fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program
            .exists()
            .then(|| std::path::absolute(program).ok())?;
    }
    PATH.split(':')
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests;
