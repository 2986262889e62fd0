//! The network service: the OpenStack Networking API v2.0 (Neutron), its tables, and the glue to the data plane.
//!
//! Promises:
//! - an address is handed out once, whatever runs side by side ([`addresses`]);
//! - what compute must hear ([`EventSink`]) is written down with the change itself, and sent until acknowledged;
//! - the host's networks are a function of the tables: the reconciler makes them so, at any time and again.
//!
//! The way of a request: its row in `routes`, `api`, for a change `jobs` (one transaction), the noun's own file. What a noun is
//! called, what bodies, lists and rules say about it, and what is done with it: `resources`, a description each.
//!
//! Use: [`Networks::open`], [`Networks::set_event_sink`], [`Networks::router`], [`Networks::start`].

mod accepted;
mod addresses;
mod agents;
mod api;
mod attributes;
mod availability;
mod binding;
mod call;
mod core;
mod db;
mod dhcp;
mod dns;
mod events;
mod extensions;
mod face;
mod fault;
mod filters;
mod floatingips;
mod forwardings;
mod host_ranges;
mod jobs;
mod list;
mod matches;
mod metadata;
mod migrations;
mod networks;
mod options;
mod owners;
mod parameters;
mod policy;
mod pools;
mod port_life;
mod ports;
mod protocols;
mod quotas;
mod ranges;
mod rbac;
mod reconcile;
mod rename;
mod resources;
mod routers;
mod routes;
mod rules;
mod security_groups;
mod service;
mod settings;
mod sharing;
mod sink;
mod subnets;
mod tables;
mod ties;
mod topology;
mod views;
mod wanted;
mod words;

pub use network_plane::{GatewayService, host};
pub use policy::RULES as POLICY_RULES;

pub use self::settings::{PlaneKind, Settings};
pub use accepted::accepted;
pub use metadata::MetadataUpstream;
pub use parameters::parameters;
pub use service::{AuditError, Networks, OpenError};
pub use sink::{EventSink, SinkError};

/// Every call of the API, for documents and for tests that walk them.
pub fn calls() -> Vec<rest::Line> {
    routes::table().lines()
}
