//! Typed clients of the companions' public REST APIs: identity, image, network, and compute itself
//! for events.
//!
//! One contract, two transports ([`Service`]): the companion's own router called in this process,
//! or HTTP. So an embedded companion and the real OpenStack service are used by the same code, and
//! which of them answers is configuration.

pub mod compute;
mod error;
pub mod identity;
pub mod image;
pub mod network;
mod service;
mod session;
pub mod volume;

pub use error::ClientError;
pub use service::{Reply, Service, TIMEOUT};
pub use session::{Login, Session};

/// The result of every call.
pub type Result<T> = std::result::Result<T, ClientError>;
