//! An embedded Glance: the Image API v2 with metadata in a database and data in files.
//!
//! Promises:
//! - an image is `active` exactly when its data is complete, on disk and accepted by the inspector
//!   ([`disk_image`]); whatever fails or is killed on the way ends in `queued` with nothing left;
//! - uploads and downloads stream in constant memory, on threads and in numbers of their own;
//! - what a project has stays within its quota, also while many upload at once;
//! - a published file is never written again, so compute hosts on this machine may link to it:
//!   [`Images::local_file`] in process, `direct_url` and `GET /v2/images/{id}/locations` (for
//!   administrators and services) over HTTP.

mod accepted;
mod api;
mod attributes;
mod call;
mod db;
mod face;
mod fault;
mod import;
mod limits;
mod listing;
mod metadefs;
mod migrations;
mod model;
mod options;
mod parameters;
mod patch;
mod policy;
mod quota;
mod receive;
mod recovery;
mod routes;
mod schema;
mod service;
mod settings;
mod store;
mod tables;
mod transfers;
mod upload;
mod view;

use std::sync::Arc;

pub use self::settings::{Ranges, Settings, WebDownload};
pub use accepted::accepted;
pub use fault::Fault;
pub use limits::{LimitSource, Limits, LimitsUnavailable};
pub use parameters::parameters;
pub use policy::RULES as POLICY_RULES;
pub use recovery::{Audit, OpenError};
pub use service::Images;

/// Every call of the API, for documents and for tests that walk them.
pub fn calls() -> Vec<rest::Line> {
    routes::table().lines()
}

impl Images {
    /// The REST face: `/`, `/versions` and `/v2/…`, to be mounted under a prefix of choice with
    /// `Router::nest_service`: `nest` would not serve `/image/`, which clients ask for versions.
    pub fn router(&self, authenticator: Arc<dyn web::Authenticator>) -> axum::Router {
        face::router(self.clone(), authenticator)
    }
}
