//! How a server is shown.
//!
//! One struct serves `GET /servers/{id}`, the detailed list, and the answers of `PUT` and rebuild; the latter two leave
//! out before 2.75 what is optional here.

use std::collections::BTreeMap;

use microversion::{Patch, Versioned};
use serde::Serialize;

use crate::words::{Link, Named};

/// A server in full. `Option` fields that say so are left out where the caller may not see them, or where a server has
/// none; a `Patch` can be left out and can be `null`.
#[derive(Serialize, Versioned)]
pub struct ServerView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub status: &'v str,
    pub tenant_id: &'v str,
    pub user_id: &'v str,
    pub metadata: &'v BTreeMap<String, String>,
    /// A hash of host and project: tells whether two servers share a host, not which.
    #[mv(wire = "hostId")]
    pub host_id: String,
    pub image: ImageView<'v>,
    #[mv(wire = "flavor", until = "2.46")]
    pub flavor_link: FlavorLink<'v>,
    #[mv(since = "2.47")]
    pub flavor: FlavorCopy<'v>,
    pub created: String,
    pub updated: String,
    pub addresses: Addresses<'v>,
    #[mv(wire = "accessIPv4")]
    pub access_ip_v4: String,
    #[mv(wire = "accessIPv6")]
    pub access_ip_v6: String,
    pub links: Vec<Link>,
    #[mv(wire = "OS-DCF:diskConfig")]
    pub disk_config: &'static str,
    /// Only in states that progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// Only in states `ERROR` and `DELETED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView<'v>>,
    #[mv(wire = "OS-EXT-AZ:availability_zone")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<&'static str>,
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub key_name: Patch<&'v str>,
    #[mv(wire = "OS-SRV-USG:launched_at")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub launched_at: Patch<String>,
    #[mv(wire = "OS-SRV-USG:terminated_at")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub terminated_at: Patch<String>,
    /// Left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<Named<'v>>,
    #[mv(wire = "OS-EXT-SRV-ATTR:host")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub host: Patch<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:instance_name")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    #[mv(wire = "OS-EXT-SRV-ATTR:hypervisor_hostname")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub hypervisor_hostname: Patch<&'v str>,
    /// Until 2.89 for those who see the extended attributes.
    #[mv(wire = "OS-EXT-SRV-ATTR:hostname", since = "2.3", until = "2.89")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname_extended: Option<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:hostname", since = "2.90")]
    pub hostname: &'v str,
    #[mv(wire = "OS-EXT-SRV-ATTR:kernel_id", since = "2.3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_id: Option<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:launch_index", since = "2.3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_index: Option<i32>,
    #[mv(wire = "OS-EXT-SRV-ATTR:ramdisk_id", since = "2.3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramdisk_id: Option<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:reservation_id", since = "2.3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:root_device_name", since = "2.3")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub root_device_name: Patch<&'v str>,
    #[mv(wire = "OS-EXT-SRV-ATTR:user_data", since = "2.3")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub user_data: Patch<&'v str>,
    #[mv(wire = "OS-EXT-STS:task_state")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub task_state: Patch<&'v str>,
    #[mv(wire = "OS-EXT-STS:vm_state")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_state: Option<&'v str>,
    #[mv(wire = "OS-EXT-STS:power_state")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_state: Option<i32>,
    #[mv(wire = "os-extended-volumes:volumes_attached")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes_attached: Option<Vec<AttachedVolume<'v>>>,
    #[mv(since = "2.9")]
    pub locked: bool,
    #[mv(since = "2.16")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_status: Option<&'static str>,
    #[mv(since = "2.19")]
    pub description: Option<&'v str>,
    #[mv(since = "2.26")]
    pub tags: &'v [String],
    #[mv(since = "2.63")]
    pub trusted_image_certificates: Option<&'v [String]>,
    /// Not in lists.
    #[mv(since = "2.71")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_groups: Option<Vec<&'v str>>,
    #[mv(since = "2.73")]
    pub locked_reason: Option<&'v str>,
    #[mv(since = "2.96")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub pinned_availability_zone: Patch<&'v str>,
    #[mv(since = "2.100")]
    pub scheduler_hints: BTreeMap<&'v str, Vec<String>>,
    /// In the answer of rebuild alone, unless the service does not tell passwords.
    #[mv(wire = "adminPass")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_pass: Option<&'v str>,
    /// In the answer of rebuild alone.
    #[mv(wire = "user_data", since = "2.57")]
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub rebuilt_user_data: Patch<&'v str>,
}

/// A server in a brief list.
#[derive(Serialize, Versioned)]
pub struct ServerSummary<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub links: Vec<Link>,
}

/// The image that a server was asked for with; an empty text when its root is a volume and nobody named an image.
#[derive(Serialize, Versioned)]
#[serde(untagged)]
pub enum ImageView<'v> {
    None(&'static str),
    Image(ImageLink<'v>),
}

#[derive(Serialize, Versioned)]
pub struct ImageLink<'v> {
    pub id: &'v str,
    pub links: Vec<Link>,
    #[mv(since = "2.98")]
    pub properties: &'v BTreeMap<String, String>,
}

/// The flavor as a reference, until 2.46.
#[derive(Serialize, Versioned)]
pub struct FlavorLink<'v> {
    pub id: &'v str,
    pub links: Vec<Link>,
}

/// The flavor as it was when the server was made.
#[derive(Serialize, Versioned)]
pub struct FlavorCopy<'v> {
    pub vcpus: u32,
    pub ram: u32,
    pub disk: u32,
    pub ephemeral: u32,
    pub swap: u32,
    pub original_name: &'v str,
    /// Left out for those who may not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_specs: Option<&'v BTreeMap<String, String>>,
}

/// Addresses by the name of their network.
pub type Addresses<'v> = BTreeMap<&'v str, Vec<AddressView<'v>>>;

/// One address. The extended parts are left out under `/servers/{id}/ips`, and in the answers of `PUT` and rebuild
/// before 2.75.
#[derive(Serialize, Versioned)]
pub struct AddressView<'v> {
    pub version: u8,
    pub addr: String,
    /// `fixed` or `floating`.
    #[mv(wire = "OS-EXT-IPS:type")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[mv(wire = "OS-EXT-IPS-MAC:mac_addr")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<&'v str>,
}

/// What went wrong with a server.
#[derive(Serialize, Versioned)]
pub struct FaultView<'v> {
    pub code: u16,
    pub created: String,
    pub message: &'v str,
    /// For administrators, and for everybody when the code is not 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct AttachedVolume<'v> {
    pub id: &'v str,
    #[mv(since = "2.3")]
    pub delete_on_termination: bool,
}

/// The answer to a creation.
#[derive(Serialize, Versioned)]
pub struct CreatedServer<'v> {
    pub id: &'v str,
    pub links: Vec<Link>,
    #[mv(wire = "OS-DCF:diskConfig")]
    pub disk_config: &'static str,
    pub security_groups: Vec<Named<'v>>,
    /// Left out when the service does not tell passwords.
    #[mv(wire = "adminPass")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_pass: Option<&'v str>,
}
