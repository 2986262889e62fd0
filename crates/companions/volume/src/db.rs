//! Queries, as functions of a connection or transaction.

pub mod access;
pub mod backups;
pub mod groups;
pub mod hosts;
pub mod list;
pub mod properties;
pub mod quotas;
pub mod services;
pub mod store;
pub mod transfers;
pub mod types;
pub mod usage;
pub mod volumes;
