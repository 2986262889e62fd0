//! The driver on real QEMU. Skipped, with a message, only where QEMU is not installed.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // tests run programs as people do

mod cloud;
mod confined;
mod contract;
mod disk_places;
mod faults;
mod full_disk;
mod live;
mod network;
mod records;
mod replace_crashed;
mod replace_live;
mod replace_served;
mod resize;
mod served;
mod served_live;
mod volumes;
mod volumes_live;
