//! What every HTTP face of ours shares: request ids, callers and their tokens, policy, links,
//! queries, body limits, and serving a listener until told to stop.
//!
//! The shape of an error body differs from service to service, so it lives in each service's
//! `fault.rs`; here is only what does not differ.

pub mod auth;
pub mod base_url;
pub mod body;
pub mod client;
pub mod durable;
pub mod policy;
pub mod query;
pub mod request_id;
pub mod rights;
pub mod serve;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod time;
pub mod tls;

pub use auth::{AuthError, Authenticator, Caller};
pub use base_url::BaseUrl;
pub use durable::Durable;
pub use query::Query;
pub use request_id::RequestId;
