//! Volumes of servers.

use serde::{Deserialize, Serialize};

use crate::hardware::DiskBus;

pub use connection::{Connection, Initiator, Place, Unreachable, key_of_keyring};
pub use remote::{CephName, Chap, Host, Iscsi, IscsiName, LoginName, Nbd, Rbd, RbdUser, Secret};

mod connection;
mod remote;

/// A volume that a server has, or is about to get or to lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedVolume {
    pub volume_id: String,
    /// The volume service's record of it.
    pub attachment_id: String,
    /// Compute's own record of it: `bdm_uuid`.
    pub bdm_uuid: String,
    /// As in `/dev/vdb`. A guest may call it otherwise.
    pub device: String,
    #[serde(default)]
    pub tag: Option<String>,
    /// Whether the volume is deleted with its server.
    #[serde(default)]
    pub delete_on_termination: bool,
    /// Whether the server boots from it.
    #[serde(default)]
    pub boot: bool,
    /// Where it is tried after the disk that the server boots from, counted from 1; none: not at all.
    #[serde(default)]
    pub boot_order: Option<u32>,
    /// None is the bus of the server's disks.
    #[serde(default)]
    pub bus: Option<DiskBus>,
    /// Shown as a CD, which nobody writes.
    #[serde(default)]
    pub cdrom: bool,
    /// How the server's host reaches it; none before the volume service said so.
    #[serde(default)]
    pub connection: Option<Connection>,
    /// The guest is to let go of it, and does not get it back when it starts.
    #[serde(default)]
    pub detaching: bool,
}

/// A volume that a new server is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRequest {
    pub origin: Origin,
    /// The volume service's record that one which exists is reserved for the server; none for one that is made.
    #[serde(default)]
    pub attachment_id: Option<String>,
    /// GiB; none takes the size of what it is made from.
    #[serde(default)]
    pub size: Option<u32>,
    #[serde(default)]
    pub volume_type: Option<String>,
    #[serde(default)]
    pub tag: Option<String>,
    #[serde(default)]
    pub delete_on_termination: bool,
    /// Whether the server boots from it.
    #[serde(default)]
    pub boot: bool,
    /// Where it is tried after the disk that the server boots from, counted from 1; none: not at all.
    #[serde(default)]
    pub boot_order: Option<u32>,
    /// None is the bus of the server's disks.
    #[serde(default)]
    pub bus: Option<DiskBus>,
    /// Shown as a CD, which nobody writes.
    #[serde(default)]
    pub cdrom: bool,
}

/// Where the volume of a new server comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "id")]
pub enum Origin {
    /// It exists.
    Volume(String),
    /// It is made, and holds zeros.
    Blank,
    Image(String),
    Snapshot(String),
}

/// The first name of a disk with this prefix (`/dev/vd`) that is not taken.
pub fn next_device(prefix: &str, taken: &[String]) -> String {
    let mut names = (0..).map(|number| format!("{prefix}{}", suffix(number)));
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// `a` to `z`, then `aa`, as Linux counts disks.
fn suffix(number: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    match number / 26 {
        0 => letter.to_string(),
        rest => format!("{}{letter}", suffix(rest - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_gets_the_first_free_name_of_its_bus() {
        let next = |prefix, taken: &[&str]| {
            let taken: Vec<_> = taken.iter().map(|name| (*name).to_owned()).collect();
            next_device(prefix, &taken)
        };
        assert_eq!(next("/dev/vd", &["/dev/vda"]), "/dev/vdb");
        assert_eq!(
            next("/dev/vd", &["/dev/vda", "/dev/vdd", "/dev/vdb"]),
            "/dev/vdc"
        );
        assert_eq!(next("/dev/sd", &["/dev/vda"]), "/dev/sda");
        assert_eq!(
            (suffix(25), suffix(26), suffix(27)),
            ("z".into(), "aa".into(), "ab".into())
        );
    }
}
