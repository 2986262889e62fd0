//! An honest simulation of a hypervisor: for tests, for measuring everything above it, and for a cloud of a thousand
//! hosts on a laptop.
//!
//! It keeps guests in memory (and on disk when told so: then they survive the process), answers after configurable
//! latencies, fails when configured to, writes console logs, emits events, and keeps the same contract as a real
//! driver: it passes the same suite. Many of them live in one process.

mod console;
mod driver;
mod facts;
mod faults;
mod guests;
pub mod settings;

pub use driver::FakeDriver;
pub use faults::Verb;
pub use settings::{FailCall, FakeSettings, Faults, Latencies};
