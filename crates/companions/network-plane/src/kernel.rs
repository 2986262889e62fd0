//! The thin edge to Linux: namespaces, devices, addresses, routes, taps, connection tracking. No decisions here.

pub mod announce;
pub mod conntrack;
pub mod icmpv6;
pub mod links;
pub mod netlink;
pub mod netns;
pub mod routes;
pub mod rules;
pub mod tap;
