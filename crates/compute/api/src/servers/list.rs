//! `GET /servers`: what a list may be asked for.

use microversion::Versioned;
use serde::Deserialize;

use crate::words::Limit;

/// The parameters of both lists of servers. Whose filters count, and what they mean, is decided behind.
#[derive(Debug, Default, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75", key_pattern = "^_")]
#[serde(default)]
pub struct ListServers {
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub tenant_id: Option<String>,
    pub launch_index: Option<String>,
    pub image_ref: Option<String>,
    pub image: Option<String>,
    #[mv(format = "regex")]
    pub kernel_id: Option<String>,
    #[mv(format = "regex")]
    pub ramdisk_id: Option<String>,
    #[mv(format = "regex")]
    pub hostname: Option<String>,
    #[mv(format = "regex")]
    pub key_name: Option<String>,
    #[mv(format = "regex")]
    pub power_state: Option<String>,
    pub vm_state: Option<String>,
    pub task_state: Option<String>,
    pub host: Option<String>,
    #[mv(format = "regex")]
    pub node: Option<String>,
    #[mv(format = "regex")]
    pub flavor: Option<String>,
    #[mv(format = "regex")]
    pub reservation_id: Option<String>,
    #[mv(format = "regex")]
    pub launched_at: Option<String>,
    #[mv(format = "regex")]
    pub terminated_at: Option<String>,
    #[mv(format = "regex")]
    pub availability_zone: Option<String>,
    #[mv(format = "regex")]
    pub name: Option<String>,
    #[mv(format = "regex")]
    pub display_name: Option<String>,
    #[mv(format = "regex")]
    pub description: Option<String>,
    #[mv(format = "regex")]
    pub display_description: Option<String>,
    #[mv(format = "regex")]
    pub locked_by: Option<String>,
    pub uuid: Option<String>,
    #[mv(format = "regex")]
    pub root_device_name: Option<String>,
    #[mv(format = "regex")]
    pub config_drive: Option<String>,
    #[mv(format = "regex")]
    pub access_ip_v4: Option<String>,
    #[mv(format = "regex")]
    pub access_ip_v6: Option<String>,
    #[mv(format = "regex")]
    pub auto_disk_config: Option<String>,
    #[mv(format = "regex")]
    pub progress: Option<String>,
    // Keys that are known and ignored until 2.74 stand behind the ones that sort.
    #[mv(one_of(
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "availability_zone",
        "config_drive",
        "created_at",
        "display_description",
        "display_name",
        "host",
        "hostname",
        "image_ref",
        "instance_type_id",
        "kernel_id",
        "key_name",
        "launch_index",
        "launched_at",
        "locked_by",
        "node",
        "power_state",
        "progress",
        "project_id",
        "ramdisk_id",
        "root_device_name",
        "task_state",
        "terminated_at",
        "updated_at",
        "user_id",
        "uuid",
        "vm_state",
        "architecture",
        "cell_name",
        "cleaned",
        "default_ephemeral_device",
        "default_swap_device",
        "deleted",
        "deleted_at",
        "disable_terminate",
        "ephemeral_gb",
        "ephemeral_key_uuid",
        "id",
        "key_data",
        "launched_on",
        "locked",
        "memory_mb",
        "os_type",
        "reservation_id",
        "root_gb",
        "shutdown_terminate",
        "user_data",
        "vcpus",
        "vm_mode"
    ))]
    #[mv(
        since = "2.75",
        one_of(
            "access_ip_v4",
            "access_ip_v6",
            "auto_disk_config",
            "availability_zone",
            "config_drive",
            "created_at",
            "display_description",
            "display_name",
            "host",
            "hostname",
            "image_ref",
            "instance_type_id",
            "kernel_id",
            "key_name",
            "launch_index",
            "launched_at",
            "locked",
            "locked_by",
            "node",
            "power_state",
            "progress",
            "project_id",
            "ramdisk_id",
            "root_device_name",
            "task_state",
            "terminated_at",
            "updated_at",
            "user_id",
            "uuid",
            "vm_state"
        )
    )]
    pub sort_key: Vec<String>,
    pub sort_dir: Vec<String>,
    pub all_tenants: Option<String>,
    pub soft_deleted: Option<String>,
    pub deleted: Option<String>,
    pub status: Vec<String>,
    #[mv(wire = "changes-since", format = "date_time")]
    pub changes_since: Option<String>,
    #[mv(format = "regex")]
    pub ip: Option<String>,
    #[mv(format = "regex")]
    pub ip6: Option<String>,
    #[mv(format = "regex")]
    pub created_at: Option<String>,
    pub limit: Option<Limit>,
    pub marker: Option<String>,
    #[mv(since = "2.26", wire = "tags", format = "regex")]
    pub tags: Option<String>,
    #[mv(since = "2.26", wire = "tags-any", format = "regex")]
    pub tags_any: Option<String>,
    #[mv(since = "2.26", wire = "not-tags", format = "regex")]
    pub not_tags: Option<String>,
    #[mv(since = "2.26", wire = "not-tags-any", format = "regex")]
    pub not_tags_any: Option<String>,
    #[mv(since = "2.66", wire = "changes-before", format = "date_time")]
    pub changes_before: Option<String>,
    #[mv(since = "2.73")]
    pub locked: Option<String>,
    // Names of joined tables: known, so that they can be refused behind at every version.
    pub block_device_mapping: Option<String>,
    pub services: Option<String>,
    pub metadata: Option<String>,
    pub system_metadata: Option<String>,
    pub info_cache: Option<String>,
    pub security_groups: Option<String>,
    pub pci_devices: Option<String>,
}

impl ListServers {
    /// A parameter that names what is none of the client's business, if one was sent: a 400 at every version.
    pub fn joined_table(&self) -> Option<&'static str> {
        let tables = [
            ("block_device_mapping", &self.block_device_mapping),
            ("info_cache", &self.info_cache),
            ("metadata", &self.metadata),
            ("pci_devices", &self.pci_devices),
            ("security_groups", &self.security_groups),
            ("services", &self.services),
            ("system_metadata", &self.system_metadata),
        ];
        tables
            .into_iter()
            .find(|(_, sent)| sent.is_some())
            .map(|(name, _)| name)
    }
}
