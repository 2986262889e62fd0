//! The tables of compute and the queries on them, a file per noun.
//!
//! Queries are functions of a connection or transaction and return values of `compute-model`.
//! A server is changed by locking its row in a transaction ([`servers::lock`]), deciding on what it
//! says, and saving it: whoever loses a race sees the winner's state, never overwrites it.

pub mod actions;
pub mod aggregates;
pub mod claims;
pub mod cloud;
pub mod consoles;
mod error;
pub mod events;
pub mod flavors;
pub mod hosts;
pub mod keypairs;
pub mod letting_go;
mod migrations;
pub mod passwords;
pub mod purge;
pub mod quarantine;
pub mod quotas;
pub mod server_groups;
pub mod server_migrations;
pub mod servers;
mod tables;

pub use error::DbError;
pub use migrations::HISTORY;
pub use sql::{Database, now};

/// The result of every query.
pub type Result<T> = std::result::Result<T, DbError>;
