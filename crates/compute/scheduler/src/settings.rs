//! What an operator decides about scheduling. Names and defaults are Nova's.

use std::collections::BTreeMap;
use std::time::Duration;

/// Filters that run unless an operator names others.
pub const DEFAULT_FILTERS: [&str; 5] = [
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
];

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
    /// `[filter_scheduler] io_ops_weight_multiplier`.
    pub io_ops_weight_multiplier: f64,
    /// `[filter_scheduler] soft_affinity_weight_multiplier`.
    pub soft_affinity_weight_multiplier: f64,
    /// `[filter_scheduler] soft_anti_affinity_weight_multiplier`.
    pub soft_anti_affinity_weight_multiplier: f64,
    /// `[filter_scheduler] build_failure_weight_multiplier`: how much failed builds count against a host.
    pub build_failure_weight_multiplier: f64,
    /// `[filter_scheduler] image_props_weight_multiplier`; with 0, images of servers are not even read.
    pub image_props_weight_multiplier: f64,
    /// `[filter_scheduler] image_props_weight_setting`: what each property counts; empty: all the same.
    pub image_props_weight_setting: BTreeMap<String, f64>,
    /// `[filter_scheduler] max_io_ops_per_host`.
    pub max_io_ops_per_host: u64,
    /// `[filter_scheduler] max_instances_per_host`.
    pub max_instances_per_host: u64,
    /// `[filter_scheduler] isolated_hosts`.
    pub isolated_hosts: Vec<String>,
    /// Ids (`[filter_scheduler] isolated_images`).
    pub isolated_images: Vec<String>,
    /// `[filter_scheduler] restrict_isolated_hosts_to_isolated_images`.
    pub restrict_isolated_hosts_to_isolated_images: bool,
    /// `[filter_scheduler] aggregate_image_properties_isolation_namespace`.
    pub aggregate_image_properties_isolation_namespace: Option<String>,
    /// `[filter_scheduler] aggregate_image_properties_isolation_separator`.
    pub aggregate_image_properties_isolation_separator: String,
    /// Architecture of images that name none (`[filter_scheduler] image_properties_default_architecture`).
    pub image_properties_default_architecture: Option<String>,
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
            enabled_filters: DEFAULT_FILTERS.map(str::to_owned).to_vec(),
            ram_weight_multiplier: 1.0,
            cpu_weight_multiplier: 1.0,
            disk_weight_multiplier: 1.0,
            num_instances_weight_multiplier: 0.0,
            hypervisor_version_weight_multiplier: 1.0,
            io_ops_weight_multiplier: -1.0,
            soft_affinity_weight_multiplier: 1.0,
            soft_anti_affinity_weight_multiplier: 1.0,
            build_failure_weight_multiplier: 1_000_000.0,
            image_props_weight_multiplier: 0.0,
            image_props_weight_setting: BTreeMap::new(),
            max_io_ops_per_host: 8,
            max_instances_per_host: 50,
            isolated_hosts: Vec::new(),
            isolated_images: Vec::new(),
            restrict_isolated_hosts_to_isolated_images: true,
            aggregate_image_properties_isolation_namespace: None,
            aggregate_image_properties_isolation_separator: ".".to_owned(),
            image_properties_default_architecture: None,
            host_subset_size: 1,
            service_down_time: Duration::from_secs(60),
            default_availability_zone: "nova".to_owned(),
        }
    }
}
