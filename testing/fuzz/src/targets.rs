//! The targets, a file each.

pub mod disk_image;
pub mod qemu_arguments;
