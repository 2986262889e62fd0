//! Servers, flavors, hosts and the rules about them: values and decisions, without I/O.
//!
//! Everything here can be tested by calling it. Times are handed in, never read.

pub mod accepted;
pub mod action;
pub mod aggregate;
pub mod create_fields;
pub mod diagnostics;
pub mod disk_device;
pub mod event;
pub mod extra_specs;
pub mod fault;
pub mod flavor;
pub mod guest_hardware;
pub mod hardware;
pub mod host;
pub mod host_name;
pub mod image;
pub mod image_disks;
pub mod image_properties;
pub mod keypair;
pub mod lifecycle;
pub mod listing;
pub mod local_disks;
pub mod metadata;
pub mod migration;
pub mod network;
pub mod quarantine;
pub mod quota;
pub mod request;
pub mod rescue;
pub mod resize;
pub mod server;
pub mod server_group;
pub mod shelve;
pub mod state;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usage;
pub mod version_predicate;
pub mod volume;
pub mod volume_limits;

pub use fault::Fault;
pub use flavor::Flavor;
pub use host_name::HostName;
pub use server::Server;
pub use state::{PowerState, TaskState, VmState};
