//! Real daemons, asked by QEMU's own client.

mod files;
mod iscsi;
mod place;
