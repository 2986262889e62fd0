//! What an operator decides about a host. Names and defaults are Nova's where Nova has them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use compute_model::HostName;
use compute_model::hardware::FileSystem;

/// Settings of an agent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cloud that this host belongs to; conductors of another one refuse its reports.
    pub cloud_id: String,
    /// Name of the service host (`host`).
    pub host: HostName,
    /// Id of the hypervisor and its resource provider; stays the same for ever.
    pub node_id: String,
    /// Address of this machine (`my_ip`).
    pub my_ip: String,
    /// Folder of cached images.
    pub image_cache: PathBuf,
    /// Folder of disks that are copied for images; nothing in it outlives the agent.
    pub snapshots: PathBuf,
    /// How long the upload of an image may take (`long_rpc_timeout`).
    pub upload_timeout: Duration,
    /// How much of them is kept, and how long.
    pub cache: CacheSettings,
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
    /// Whether guests that ran when the agent's machine lost its power are started when it begins
    /// (`resume_guests_state_on_host_boot`).
    pub resume_guests: bool,
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
    /// File system of ephemeral disks for which nobody named one (`default_ephemeral_format`); none: by the image's
    /// `os_type`.
    pub default_ephemeral_format: Option<FileSystem>,
}

/// How much the image cache may take. Names and defaults are Nova's (`[image_cache]`) where Nova has
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Bytes of all cached images together.
    pub budget: Budget,
    /// Bytes that stay free on the disk beside the cache.
    pub keep_free: u64,
    /// Whether images that no server needs go after a while (`remove_unused_base_images`).
    pub remove_unused: bool,
    /// That while (`remove_unused_original_minimum_age_seconds`).
    pub unused_age: Duration,
    /// How often the cache is looked through (`manager_interval`).
    pub interval: Duration,
    /// Bytes of the largest kernel.
    pub max_kernel: u64,
    /// Bytes of the largest ramdisk.
    pub max_ramdisk: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        CacheSettings {
            budget: Budget::Percent(20),
            keep_free: 256 << 20,
            remove_unused: true,
            unused_age: Duration::from_secs(86_400),
            interval: Duration::from_secs(2400),
            max_kernel: 128 << 20,
            max_ramdisk: 1 << 30,
        }
    }
}

/// A number of bytes, or a part of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    Bytes(u64),
    /// Of the size of the file system, 1 to 100.
    Percent(u8),
}

impl FromStr for Budget {
    type Err = String;

    /// `20%`, or a number of bytes with `K`, `M`, `G` or `T` (of 1024) behind it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is neither a part such as 20% nor a size such as 50G");
        let text = text.trim();
        if let Some(part) = text.strip_suffix('%') {
            let part = part.trim().parse().ok();
            let part = part.filter(|part| (1..=100).contains(part));
            return part.map(Budget::Percent).ok_or_else(wrong);
        }
        let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
        let unit = units.iter().find(|(unit, _)| text.ends_with(*unit));
        let (number, shift) = match unit {
            Some((unit, shift)) => (text.trim_end_matches(*unit), *shift),
            None => (text, 0),
        };
        let number: Option<u64> = number.trim().parse().ok();
        let bytes = number.and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Budget::Bytes).ok_or_else(wrong)
    }
}

impl Settings {
    /// The settings of this host, with the defaults for everything else.
    pub fn of(cloud_id: &str, host: HostName, node_id: &str) -> Self {
        Settings {
            cloud_id: cloud_id.to_owned(),
            host,
            node_id: node_id.to_owned(),
            my_ip: "127.0.0.1".to_owned(),
            image_cache: PathBuf::from("var/image-cache"),
            snapshots: PathBuf::from("var/snapshots"),
            upload_timeout: Duration::from_secs(1800),
            cache: CacheSettings::default(),
            max_concurrent_builds: 10,
            report_interval: Duration::from_secs(10),
            sync_interval: Duration::from_secs(600),
            shutdown_timeout: Duration::from_secs(60),
            soft_reboot_timeout: Duration::from_secs(120),
            resume_guests: false,
            reserved_memory_mb: 512,
            reserved_vcpus: 0,
            reserved_disk_gb: 0,
            cpu_ratio: 4.0,
            ram_ratio: 1.0,
            disk_ratio: 1.0,
            dhcp_domain: "novalocal".to_owned(),
            max_image_disk: 2 << 40,
            default_ephemeral_format: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_part_of_the_disk_or_a_size() {
        for (text, budget) in [
            ("20%", Some(Budget::Percent(20))),
            (" 100 %", Some(Budget::Percent(100))),
            ("0%", None),
            ("101%", None),
            ("50G", Some(Budget::Bytes(50 << 30))),
            ("7", Some(Budget::Bytes(7))),
            ("1 T", Some(Budget::Bytes(1 << 40))),
            ("99999999999T", None),
            ("-1", None),
            ("much", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), budget, "{text}");
        }
    }
}
