//! The data plane against the real kernel, nft and dnsmasq. Needs root; says so and passes otherwise.

mod addresses;
mod lab;
mod life;
mod make;
mod routers;
mod security;
