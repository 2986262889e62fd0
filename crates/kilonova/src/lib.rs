//! Wiring: settings become services, services become roles, roles listen. No decision about
//! servers, networks or images is made here.
//!
//! [`Cloud::start`] is what the binary and the whole-cloud tests use: the same code, with other
//! settings.

// An optimised build looks through all of a cloud's futures at once.
#![recursion_limit = "256"]

pub mod audit;
pub mod auditor;
mod certificates;
pub mod cloud;
pub mod commands;
pub mod companions;
pub mod config;
pub mod credentials;
pub mod demo;
pub mod docs;
pub mod doctor;
pub mod down;
mod drivers;
mod front_door;
pub mod guests;
mod health;
pub mod keys;
mod listeners;
pub mod membership;
mod open;
pub mod operations;
pub mod operator;
pub mod state;

pub use cloud::Cloud;
pub use config::Config;
