//! Whole-cloud scenarios.

mod actions;
mod crowds;
mod engines;
mod faults;
mod guests;
mod input;
mod lifecycle;
mod networks;
mod start;
mod torture;
