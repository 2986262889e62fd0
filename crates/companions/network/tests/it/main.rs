//! The network service through its HTTP face, on every database engine that the environment offers.
#![allow(clippy::disallowed_methods)] // tests run programs as people do

mod cloud;
mod guest;
mod isolation;

mod addresses;
mod attributes;
mod forwardings;
mod lists;
mod live;
mod networks;
mod pages;
mod policy;
mod ports;
mod races;
mod routers;
mod security;
mod sharing;
mod subnets;
