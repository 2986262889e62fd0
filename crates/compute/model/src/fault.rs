//! What went wrong with a server, as its owner and its operator see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What kind of thing went wrong: all that an owner is told of what happened on hosts. How it came
/// about, with names of hosts and files, is for operators ([`Fault::details`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The guest was started and did not run.
    GuestFailed,
    /// The image has no data, is damaged, of a format that cannot be started, or larger than the disk.
    ImageUnusable,
    /// The image service did not give it.
    ImageUnavailable,
    /// The host has less memory, processors or disk left than the server needs.
    NoRoom,
    /// A file could not be written for lack of space.
    DiskFull,
    /// A file or device of the host could not be used.
    HostFile,
    /// The hypervisor did not answer, or said something unexpected.
    Hypervisor,
    /// The agent in the guest did not answer, or refused.
    GuestAgent,
    /// The hypervisor lacks the ability.
    Unsupported,
    /// User data, an injected file or a property cannot be read.
    BadRequest,
    /// The server is not on its host any more.
    Lost,
    /// Another command was at work on the server for too long.
    Busy,
    /// The host does not answer, or has been silent for so long that it counts as dead.
    HostAway,
    /// Ports did not carry traffic in time.
    NotPlugged,
    /// The network service refused.
    Network,
    /// A port that was asked for belongs to another server by now.
    PortInUse,
    /// A port, network or subnet that was asked for is gone.
    NetworkGone,
    /// An address or port is in use, none is left, or the quota of the network service is used up.
    NetworkTaken,
    /// The volume service refused, or its volume cannot be reached by the host.
    Volume,
    /// A later operation took the server over.
    Overtaken,
    /// The server was deleted meanwhile.
    Deleted,
    /// A step took longer than it may.
    TimedOut,
    /// No host passed the scheduler's filters.
    NoHost,
    /// Every host that may be tried was tried.
    Exhausted,
    /// Nothing else fits.
    #[default]
    #[serde(other)]
    Internal,
}

impl Kind {
    /// The public sentence of each kind.
    pub fn sentence(self) -> &'static str {
        match self {
            Kind::GuestFailed => "The guest would not start.",
            Kind::ImageUnusable => "Its image is unusable.",
            Kind::ImageUnavailable => "Its image could not be fetched.",
            Kind::NoRoom => "The host had too little room left.",
            Kind::DiskFull => "The host ran out of disk.",
            Kind::HostFile => "The host could not use one of its files or devices.",
            Kind::Hypervisor => "The hypervisor did not do what it was told.",
            Kind::GuestAgent => "The agent in its guest did not answer, or refused.",
            Kind::Unsupported => "The hypervisor cannot do that.",
            Kind::BadRequest => {
                "Its user data, a file to inject or a property of its image is unusable."
            }
            Kind::Lost => "Its host does not have it any more.",
            Kind::Busy => "Its host was still busy with it.",
            Kind::HostAway => "Its host does not answer.",
            Kind::NotPlugged => "Its network card was not plugged in time.",
            Kind::Network => "Failed to allocate the network(s).",
            Kind::Volume => "The volume could not be used.",
            Kind::PortInUse => "A port that was asked for is in use by another instance.",
            Kind::NetworkGone => "A network or port that was asked for does not exist any more.",
            Kind::NetworkTaken => {
                "An address or port that was asked for is in use, or none is left."
            }
            Kind::Overtaken => "A newer operation took over.",
            Kind::Deleted => "It was deleted meanwhile.",
            Kind::TimedOut => "It took too long.",
            Kind::NoHost => "There are not enough hosts available.",
            Kind::Exhausted => "All hosts were tried.",
            Kind::Internal => "Something went wrong inside the cloud.",
        }
    }
}

/// Longest fault message the API shows.
const MESSAGE_LIMIT: usize = 255;

/// A failure kept with a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// HTTP-like code: 500 unless the failure has a code of its own.
    pub code: u16,
    /// For the owner: no host names, no paths.
    pub message: String,
    /// For administrators.
    pub details: Option<String>,
    pub created: DateTime<Utc>,
}

impl Fault {
    /// A fault with code 500; the message is cut to what the API shows.
    pub fn new(message: &str, details: Option<String>, created: DateTime<Utc>) -> Self {
        let message = message.chars().take(MESSAGE_LIMIT).collect();
        Fault {
            code: 500,
            message,
            details,
            created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_a_later_release_is_read_as_something_inside_the_cloud() {
        let read = |text: &str| serde_json::from_str::<Kind>(text).expect("a kind");
        assert_eq!(read("\"disk_full\""), Kind::DiskFull);
        assert_eq!(read("\"struck_by_lightning\""), Kind::Internal);
    }
}
