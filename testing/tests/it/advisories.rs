//! The classes of security advisories that Nova had, each tried against a whole cloud.
//!
//! One module per class, named as in `docs/security.md`, which says what each tries and what else holds the threat.

mod authorization;
mod console_web;
mod data_remanence;
mod denial_of_service;
mod image_reads_host_files;
mod leaks_in_errors;
mod metadata_spoofing;
mod path_traversal;
mod scheduler_bypass;
mod size_bombs;
mod state_races;
mod volumes;
pub mod wrong_console;
