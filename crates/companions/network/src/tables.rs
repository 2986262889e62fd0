//! The tables, a file each. Text identifiers, times in UTC, lists and objects as JSON text.

pub mod address_scopes;
pub mod agents;
pub mod allocations;
pub mod auto_topologies;
pub mod default_groups;
pub mod events;
pub mod floatingips;
pub mod networks;
pub mod port_bindings;
pub mod port_forwardings;
pub mod port_security_groups;
pub mod ports;
pub mod quotas;
pub mod rbac_policies;
pub mod routers;
pub mod security_group_rules;
pub mod security_groups;
mod standard;
pub mod subnetpools;
pub mod subnets;

pub use standard::Standard;
