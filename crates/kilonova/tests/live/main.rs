//! The whole cloud with real guests on real networks: the binary as operators start it, QEMU, DHCP,
//! metadata, security groups, consoles in a browser, and kill -9.
//!
//! Each test plays a machine of its own: a network namespace that goes with it. Where root or a
//! program is missing, the test says `skipped`. As many run at a time as there are processors: an
//! emulated guest wants one for itself.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod boot;
mod browser;
mod canaries;
mod changes;
mod cloud;
mod consoles;
mod crash;
mod faults;
mod guest;
mod interfaces;
mod leftovers;
mod power;
mod security;
mod user;
mod volumes;
