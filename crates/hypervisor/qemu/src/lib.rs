//! Runs servers with QEMU, talking to each by its own QMP socket: no daemon between, nothing to install but QEMU.
//!
//! Everything of a server lies in its own directory `<state>/servers/<id>/` (see [`layout`]): what must be true
//! (`spec.json`, with the epoch), disks, sockets, console log, pid file. Guests run in a session of their own and
//! outlive this process; a new driver finds them by these directories and goes on.
//!
//! | module | what |
//! |---|---|
//! | `args` | the command line, a pure function of the description |
//! | `machines` | the machine types that this QEMU lists |
//! | `qmp` | the protocol client |
//! | `process` | starting, finding again, ending |
//! | `confine`, `users`, `cgroup`, `file_size` | what a guest cannot reach, and how much it may use |
//! | `disks`, `config_drive`, `tap`, `volumes`, `slot`, `served`, `limits` | what a guest is made of |
//! | `record`, `layout`, `durable` | what is kept on disk, and how it gets there for certain |
//! | `guest` | one running guest: connection and watcher |
//! | `driver` | the contract's verbs |

mod accel;
mod addresses;
mod args;
mod cgroup;
mod config_drive;
mod confine;
mod console_log;
mod disks;
mod driver;
mod durable;
mod file_size;
mod guest;
mod guest_agent;
mod host;
pub mod layout;
mod limits;
mod machines;
mod probe;
mod process;
mod qmp;
mod record;
mod room;
mod served;
pub mod settings;
mod slot;
mod tap;
mod users;
mod volumes;

pub use driver::QemuDriver;
pub use machines::Machines;
pub use probe::{Accel, Probe, probe};
pub use settings::{BadCpuModel, Confinement, CpuModel, QemuSettings, VirtType};

/// What guests of this machine would not be confined by, each with the reason; for people.
pub fn confinement_gaps(settings: &QemuSettings) -> Vec<String> {
    confine::Warden::new(settings).gaps()
}

/// A fuzz target: makes a description of any bytes, and panics when the command line of that holds what was not meant.
#[cfg(feature = "fuzz")]
pub fn fuzz_arguments(input: &[u8]) {
    args::proof::arguments(input);
}
