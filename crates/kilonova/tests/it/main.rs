//! The binary itself, with simulated hosts: what needs a process of its own to be killed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod canaries;
mod crash;
mod doors;
mod first_start;
mod keys;
mod limits;
mod operations;
mod process;
mod request_ids;
