//! Servers.

pub mod act;
pub mod actions;
pub mod addresses;
pub mod create;
pub mod delete;
pub mod events;
pub mod images;
pub mod list;
pub mod lock;
pub mod network_info;
pub mod rebuild;
pub mod rescue;
pub mod resize;
pub mod security_groups;
pub mod shelve;
pub mod show;
pub mod state;
pub mod update;
pub mod view;

mod ask;
pub(crate) mod shown;
