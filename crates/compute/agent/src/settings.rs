//! What an operator decides about a host. Names and defaults are Nova's where Nova has them.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of an agent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the service host (`host`).
    pub host: String,
    /// Id of the hypervisor and its resource provider; stays the same for ever.
    pub node_id: String,
    /// Address of this machine (`my_ip`).
    pub my_ip: String,
    /// Folder of cached images.
    pub image_cache: PathBuf,
    /// Builds at once (`max_concurrent_builds`).
    pub max_concurrent_builds: usize,
    /// How often the host reports (`report_interval`).
    pub report_interval: Duration,
    /// How often all guests are compared with the database (`sync_power_state_interval`).
    pub sync_interval: Duration,
    /// How long a guest may take to shut down (`shutdown_timeout`).
    pub shutdown_timeout: Duration,
    /// How long a soft reboot waits for the guest (`[libvirt] wait_soft_reboot_seconds`).
    pub soft_reboot_timeout: Duration,
    /// MiB kept from servers (`reserved_host_memory_mb`).
    pub reserved_memory_mb: u64,
    /// Processors kept from servers (`reserved_host_cpus`).
    pub reserved_vcpus: u32,
    /// GiB kept from servers (`reserved_host_disk_mb`, in MiB there).
    pub reserved_disk_gb: u64,
    /// `cpu_allocation_ratio`, else `initial_cpu_allocation_ratio`.
    pub cpu_ratio: f64,
    /// `ram_allocation_ratio`, else `initial_ram_allocation_ratio`.
    pub ram_ratio: f64,
    /// `disk_allocation_ratio`, else `initial_disk_allocation_ratio`.
    pub disk_ratio: f64,
    /// Appended to host names in config drives (`[api] dhcp_domain`).
    pub dhcp_domain: String,
    /// The largest disk that an image may hold, in bytes.
    pub max_image_disk: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            host: "localhost".to_owned(),
            node_id: String::new(),
            my_ip: "127.0.0.1".to_owned(),
            image_cache: PathBuf::from("var/image-cache"),
            max_concurrent_builds: 10,
            report_interval: Duration::from_secs(10),
            sync_interval: Duration::from_secs(600),
            shutdown_timeout: Duration::from_secs(60),
            soft_reboot_timeout: Duration::from_secs(120),
            reserved_memory_mb: 512,
            reserved_vcpus: 0,
            reserved_disk_gb: 0,
            cpu_ratio: 4.0,
            ram_ratio: 1.0,
            disk_ratio: 1.0,
            dhcp_domain: "novalocal".to_owned(),
            max_image_disk: 2 << 40,
        }
    }
}
