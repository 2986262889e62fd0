//! The data plane against the real kernel, nft and dnsmasq. Needs root; says so and passes otherwise.

#![allow(clippy::unwrap_used)]

mod addresses;
mod attacks;
mod collisions;
mod lab;
mod life;
mod make;
mod ranges;
mod routers;
mod security;
