//! The entities, a file per table.

pub mod action;
pub mod action_event;
pub mod aggregate;
pub mod aggregate_host;
pub mod change;
pub mod claim;
pub mod cloud;
pub mod console_token;
pub mod event_position;
pub mod flavor;
pub mod flavor_access;
pub mod inventory;
pub mod keypair;
pub mod letting_go;
pub mod node;
pub mod outbox;
pub mod quarantine;
pub mod quota;
pub mod server;
pub mod server_event;
pub mod server_group;
pub mod server_group_member;
pub mod server_migration;
pub mod server_password;
pub mod service;
pub mod turn;
