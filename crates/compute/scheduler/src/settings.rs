//! What an operator decides about scheduling. Names and defaults are Nova's.

use std::time::Duration;

/// Settings of a scheduler.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Filters that run, in order, after those that always run (`[filter_scheduler] enabled_filters`).
    pub enabled_filters: Vec<String>,
    /// `[filter_scheduler] ram_weight_multiplier`.
    pub ram_weight_multiplier: f64,
    /// `[filter_scheduler] cpu_weight_multiplier`.
    pub cpu_weight_multiplier: f64,
    /// `[filter_scheduler] disk_weight_multiplier`.
    pub disk_weight_multiplier: f64,
    /// `[filter_scheduler] num_instances_weight_multiplier`.
    pub num_instances_weight_multiplier: f64,
    /// `[filter_scheduler] hypervisor_version_weight_multiplier`.
    pub hypervisor_version_weight_multiplier: f64,
    /// Choose at random among so many best hosts (`[filter_scheduler] host_subset_size`).
    pub host_subset_size: usize,
    /// A host that has not reported for so long is down (`service_down_time`).
    pub service_down_time: Duration,
    /// Zone of hosts in no aggregate with a zone (`default_availability_zone`).
    pub default_availability_zone: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled_filters: [
                "ComputeFilter",
                "ComputeCapabilitiesFilter",
                "ImagePropertiesFilter",
            ]
            .map(str::to_owned)
            .to_vec(),
            ram_weight_multiplier: 1.0,
            cpu_weight_multiplier: 1.0,
            disk_weight_multiplier: 1.0,
            num_instances_weight_multiplier: 0.0,
            hypervisor_version_weight_multiplier: 1.0,
            host_subset_size: 1,
            service_down_time: Duration::from_secs(60),
            default_availability_zone: "nova".to_owned(),
        }
    }
}
