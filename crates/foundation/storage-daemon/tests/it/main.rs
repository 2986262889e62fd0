//! Real daemons, asked by QEMU's own client.
#![allow(clippy::unwrap_used)]

mod files;
mod iscsi;
mod place;
