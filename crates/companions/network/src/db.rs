//! Statements: the few shapes that every noun uses, and those of lists. All are functions of a connection or transaction.

pub mod fields;
pub mod gateways;
pub mod pages;
pub mod selection;
pub mod sharing;
pub mod store;
