//! Messages between the roles of a cloud: call, cast and fanout over one of two wires.
//!
//! A message is a struct with a name and a reply type ([`Message`]); a role is a table of plain
//! async functions ([`Service`]). [`Bus`] carries them, either through queues in memory or through
//! RabbitMQ. Both wires carry the same JSON bytes, so the all-in-one cloud runs the real encoding.
//!
//! What is promised, on both wires:
//! - a *call* runs its handler at most once, unless the message says [`Message::IDEMPOTENT`]; then a
//!   lost connection or a consumer that died leads to another attempt, until the deadline;
//! - a *cast* is kept while nobody serves its address (bounded in number and by its deadline) and is
//!   handled at least once: handlers of casts must be idempotent;
//! - a *fanout* reaches everyone who serves the topic at that moment, and nobody else;
//! - a handler that panics answers a [`Failure`] and harms nobody else;
//! - an unknown message name is answered with a [`Failure`] of code [`failure::UNKNOWN_MESSAGE`].
//!
//! There is no order between messages: one address is worked on by several tasks and processes.

mod envelope;
pub mod failure;
mod handle;
mod limits;
mod memory;
mod message;
mod rabbit;
mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use failure::{CallError, ConnectError, Failure, TransportError};
pub use handle::{Bus, Serving, Undrained};
pub use message::{Address, Context, Message, Options};
pub use service::Service;
