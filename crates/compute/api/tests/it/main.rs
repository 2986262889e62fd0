//! The API's outer shell over its real router, and its requests against foreign judgements.

mod answers;
mod bare;
mod cloud;
mod flavors;
mod keypairs;
mod operators;
mod oracle;
mod quotas;
mod samples;
mod server_parts;
mod servers;
mod shell;
