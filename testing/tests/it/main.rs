//! Whole-cloud scenarios.

// A whole cloud in one future is a deep nest.
#![recursion_limit = "256"]

mod actions;
mod advisories;
mod authorization;
mod back_ends;
mod boot_volumes;
mod console_rights;
mod crowds;
mod dead_hosts;
mod engines;
mod events;
mod faults;
mod full_disk;
mod guest_agents;
mod guests;
mod hardware;
mod held_volumes;
mod image_quotas;
mod input;
mod interfaces;
mod lifecycle;
mod local_disks;
mod networks;
mod plugging;
mod policies;
mod power_cuts;
mod proxies;
mod quarantine;
mod repairs;
mod reports;
mod resizes;
mod scheduling;
mod server_groups;
mod server_images;
mod server_volumes;
mod service_users;
mod shelving;
mod shown_disks;
mod soft_delete;
mod start;
mod tls;
mod torture;
mod volume_images;
mod volume_kernels;
mod volume_rebuilds;
mod walk;
