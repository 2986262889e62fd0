//! The handlers, a file per noun.

pub mod access_rules;
pub mod application_credentials;
pub mod assignments;
pub mod auth;
pub mod consumers;
pub mod credentials;
pub mod domain_config;
pub mod domains;
pub mod ec2;
pub mod endpoint_filters;
pub mod endpoints;
pub mod grants;
pub mod groups;
pub mod implied_roles;
pub mod limits;
pub mod policies;
pub mod projects;
pub mod regions;
pub mod revocations;
pub mod roles;
pub mod services;
pub mod tags;
pub mod trusts;
pub mod users;
pub mod versions;
