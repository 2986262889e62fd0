//! Servers.

pub mod actions;
pub mod create;
pub mod list;
pub mod update;
pub mod view;
