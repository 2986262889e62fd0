//! The identity service through its HTTP face, on every database engine that the environment offers.

mod admission;
mod attributes;
mod cloud;
mod delegation;
mod isolation;
mod lists;
mod parameters;
mod policy;
mod races;
mod resources;
mod tokens;
