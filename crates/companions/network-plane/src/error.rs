//! Why something could not be done to the host.

use std::io;
use std::path::PathBuf;

/// An error of the data plane.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The process lacks the right to make namespaces and devices.
    #[error("the network data plane needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)")]
    NotRoot,
    /// A cloud id that cannot be part of a namespace name.
    #[error("the cloud id {0:?} must be 1 to 8 letters or digits")]
    CloudId(String),
    /// A mark of ownership that cannot be part of a label.
    #[error("the owner {0:?} must be 1 to 64 letters, digits or dashes")]
    Owner(String),
    /// Without it security groups would let everything pass.
    #[error("the kernel has no br_netfilter (try: modprobe br_netfilter)")]
    NoBridgeFilter,
    /// A program that the plane needs is not installed.
    #[error("the program {program} is not installed (Debian package {package})")]
    Missing {
        program: &'static str,
        package: &'static str,
    },
    /// A program ended with an error; `stderr` is what it said.
    #[error("{program} failed: {stderr}")]
    Program {
        program: &'static str,
        stderr: String,
    },
    /// The kernel refused a change to a device, address or route.
    #[error("{what}")]
    Kernel {
        what: String,
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be used.
    #[error("{}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The range of an external network would take something away from the host.
    #[error(
        "the range {range} of the external network overlaps {by}: it is not connected to the host"
    )]
    Overlap { range: ipnet::IpNet, by: String },
    /// The limit of connections of one port would let two ports fill the kernel's table.
    #[error(
        "connections_per_port = {limit} is more than half of the kernel's table of {most} connections: lower it, or \
         raise net.netfilter.nf_conntrack_max"
    )]
    Connections { limit: u32, most: u32 },
    /// A namespace of one of our names is labelled by somebody else.
    #[error("the namespace {0} belongs to another cloud: it is left alone")]
    Foreign(String),
    /// The wanted state contradicts itself (a port on an unknown network, a name that is too long).
    #[error("{0}")]
    Wanted(String),
    /// The plane's worker ended before the answer (the runtime is shutting down).
    #[error("the data plane is shutting down")]
    Gone,
}

impl PlaneError {
    /// Wraps a refusal of the kernel, saying what was tried.
    pub(crate) fn kernel(what: impl Into<String>, source: impl Into<io::Error>) -> PlaneError {
        PlaneError::Kernel {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Wraps an error of a file.
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> PlaneError {
        PlaneError::File {
            path: path.into(),
            source,
        }
    }
}
