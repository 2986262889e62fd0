//! The Compute API: what clients of Nova talk to.
//!
//! A request passes through [`dispatch`]: mount point, caller, microversion, route. The route table ([`routes`]) is the
//! table of contents; a handler parses, calls a use case, and renders. Views and requests are structs with their
//! history on their fields (`microversion::Versioned`); [`history`] lists every microversion and what became of it.
//!
//! What it promises: a route, field or value outside its microversions does not exist for the client; every error has
//! the body, code and headers that clients of Nova expect; what is not built yet says so with a 501.

pub mod aggregates;
pub mod availability_zones;
pub mod call;
pub mod consoles;
pub mod diagnostics;
pub mod events;
pub mod extensions;
mod faces;
pub mod fault;
pub mod flavors;
pub mod history;
pub mod hosts;
pub mod hypervisors;
pub mod instance_actions;
pub mod interfaces;
pub mod keypairs;
pub mod limits;
pub mod metadata;
pub mod migrations;
pub mod operations;
pub mod paging;
mod parameters;
pub mod passwords;
pub mod proxies;
pub mod quota_class_sets;
pub mod quota_sets;
pub mod routes;
pub mod server_groups;
pub mod servers;
pub mod services;
pub mod shapes;
pub mod tags;
pub mod tenant_usages;
pub mod topology;
pub mod usage_audit_log;
pub mod versions;
mod volumes;
pub mod words;

use std::sync::Arc;

use axum::Router;
use compute_control::Control;
use web::Authenticator;

pub use parameters::parameters;

/// What the handlers work with. One per process.
pub struct Api {
    /// Checks the tokens of callers.
    pub authenticator: Arc<dyn Authenticator>,
    pub control: Arc<Control>,
}

/// The whole Compute API under `/`, `/v2` and `/v2.1`; the caller mounts it where clients expect it.
pub fn router(api: Arc<Api>) -> Router {
    let control = api.control.clone();
    let durable = web::Durable::by(move || {
        let control = control.clone();
        async move { control.durable().await }
    });
    let faces = Router::new().fallback(faces::serve).with_state(api);
    rest::wrap(faces, durable, Some("x-compute-request-id"))
}
