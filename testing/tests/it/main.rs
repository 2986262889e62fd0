//! Whole-cloud scenarios.

mod lifecycle;
