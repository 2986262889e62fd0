//! Servers.

pub mod act;
pub mod actions;
pub mod create;
pub mod delete;
pub mod list;
pub mod show;
pub mod update;
pub mod view;

mod ask;
mod shown;
