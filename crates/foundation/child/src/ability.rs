//! What of the confinement this machine and this process's rights allow. Tried, not guessed: a child takes the measure
//! and ends.

use std::fs::File;
use std::io::Result;
use std::path::PathBuf;

use crate::confined::{Confined, Measures, User};
use crate::prepared::Prepared;
use crate::root::{Access, Root};
use crate::run;

/// One measure: None when it can be taken, else why not.
pub type Ability = Option<String>;

/// The measures that need rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Another user, with no way back.
    pub user: Ability,
    /// A file tree of its own.
    pub root: Ability,
    /// A network of its own.
    pub network: Ability,
    /// A process table of its own.
    pub processes: Ability,
    /// Shared memory and message queues of its own.
    pub ipc: Ability,
}

impl Abilities {
    /// Tries all, with this user. Some 5 ms.
    pub fn look(uid: u32) -> Self {
        let user = User {
            uid,
            gid: uid,
            ..User::default()
        };
        let look = |measures: Measures| attempt(measures).err().map(|error| error.to_string());
        Self {
            user: look(Measures {
                user: Some(user),
                ..Measures::default()
            }),
            root: tree()
                .and_then(|root| {
                    attempt(Measures {
                        root: Some(root),
                        ..Measures::default()
                    })
                })
                .err()
                .map(|error| error.to_string()),
            network: look(Measures {
                network: true,
                ..Measures::default()
            }),
            processes: look(Measures {
                processes: true,
                ..Measures::default()
            }),
            ipc: look(Measures {
                ipc: true,
                ..Measures::default()
            }),
        }
    }

    /// All with their names, for people.
    pub fn all(&self) -> [(&'static str, &Ability); 5] {
        [
            ("a user of its own", &self.user),
            ("a file tree of its own", &self.root),
            ("a network of its own", &self.network),
            ("a process table of its own", &self.processes),
            ("shared memory of its own", &self.ipc),
        ]
    }
}

/// A tree with one part of each kind.
fn tree() -> Result<Root> {
    let mut root = Root::default();
    root.add("/usr", Access::Run)?;
    root.add("/dev/null", Access::Device)?;
    Ok(root)
}

fn attempt(measures: Measures) -> Result<()> {
    let confined = Confined {
        program: PathBuf::new(),
        args: Vec::new(),
        folder: PathBuf::from("/"),
        keep: Vec::new(),
        measures,
    };
    let null = || File::options().read(true).write(true).open("/dev/null");
    let standard = [null()?.into(), null()?.into(), null()?.into()];
    let ended = run::start(Prepared::new(&confined, None)?, &standard)?.wait()?;
    match ended.success() {
        true => Ok(()),
        false => Err(std::io::Error::other(format!("it ended with {ended:?}"))),
    }
}
