//! The targets, a file each.

pub mod disk_image;
pub mod http;
pub mod policy;
pub mod qemu_arguments;
pub mod settings;
pub mod tokens;
