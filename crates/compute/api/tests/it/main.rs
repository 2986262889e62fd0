//! The API's outer shell over its real router, and its requests against foreign judgements.

// Some tests take the name of a file from the environment.
#![allow(clippy::disallowed_methods)]

mod aggregates;
mod answers;
mod bare;
mod cloud;
mod events;
mod flavors;
mod history;
mod keypairs;
mod operations;
mod operators;
mod oracle;
mod parameters;
mod quotas;
mod races;
mod routes;
mod samples;
mod server_groups;
mod server_parts;
mod servers;
mod shell;
