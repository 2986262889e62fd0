//! What can go wrong in a driver, by what the caller can do about it.

/// Every failure of a driver call.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The host has no such server: for a delete that is success, for anything else the description must be sent
    /// again with `ensure_running`.
    #[error("the host has no server {id}")]
    NotFound { id: String },
    /// This driver, or this machine, cannot do it; another host might.
    #[error("not supported here: {what}")]
    Unsupported { what: String },
    /// The server is in a state in which the verb makes no sense now, or another command is still at work on it.
    #[error("server {id} is busy: {what}")]
    Busy { id: String, what: String },
    /// The host has too little of something: try another.
    #[error("not enough {what} on this host: {needed} needed, {available} available")]
    NoResources {
        what: &'static str,
        needed: u64,
        available: u64,
    },
    /// The base image is missing, damaged or larger than the disk: no host will do better.
    #[error("image {image} cannot be used: {why}")]
    ImageUnusable { image: String, why: String },
    /// The hypervisor refused to start the guest, or the guest died at once. `stderr` is the tail of what it said.
    #[error("the guest did not start: {stderr}")]
    GuestFailed { stderr: String },
    /// A newer operation owns the server. Drop the command.
    #[error("epoch {epoch} is older than {current}, the last one seen for server {id}")]
    StaleEpoch {
        id: String,
        epoch: u64,
        current: u64,
    },
    /// A later command about the server's devices was here before. Drop the command.
    #[error("command {number} about the devices of server {id} comes after command {current}")]
    StaleCommand {
        id: String,
        number: u64,
        current: u64,
    },
    /// The description contradicts itself or asks for something malformed.
    #[error("the description is not usable: {why}")]
    BadSpec { why: String },
    /// The hypervisor did not answer in time, or said something unexpected. The server's state is unknown: inspect.
    #[error("the hypervisor did not do {what}: {why}")]
    Hypervisor { what: String, why: String },
    /// The agent in the guest did not answer, or said that it cannot. The server is what it was.
    #[error("the guest's agent did not {what}: {why}")]
    GuestAgent { what: &'static str, why: String },
    /// A file or device could not be used.
    #[error("cannot {what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

impl DriverError {
    /// A size that is to be taken back, and nothing was kept of what was before it.
    pub fn nothing_kept() -> Self {
        Self::BadSpec {
            why: "nothing was kept of the size that it had before: the new one was confirmed"
                .to_owned(),
        }
    }

    /// Wraps an I/O error with what was being done: `.map_err(DriverError::io("write spec.json"))`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Would another host perhaps succeed? The conductor asks this before it tries an alternate.
    pub fn worth_another_host(&self) -> bool {
        match self {
            Self::Unsupported { .. }
            | Self::NoResources { .. }
            | Self::GuestFailed { .. }
            | Self::Hypervisor { .. }
            | Self::Io { .. } => true,
            Self::NotFound { .. }
            | Self::Busy { .. }
            | Self::GuestAgent { .. }
            | Self::ImageUnusable { .. }
            | Self::StaleEpoch { .. }
            | Self::StaleCommand { .. }
            | Self::BadSpec { .. } => false,
        }
    }
}
