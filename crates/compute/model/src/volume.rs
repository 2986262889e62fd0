//! Volumes of servers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hardware::DiskBus;
use crate::volume_limits::VolumeLimits;

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

/// How a host reaches a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "lowercase")]
pub enum Connection {
    /// A raw file of the host.
    File {
        path: PathBuf,
        read_only: bool,
        /// Other guests may have it too, and write to it.
        #[serde(default)]
        shared: bool,
        #[serde(default)]
        limits: VolumeLimits,
    },
}

/// A connection that no host here can make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the volume cannot be reached: {0}")]
pub struct Unreachable(String);

impl Connection {
    /// Reads Cinder's `connection_info`; whether several guests may have the volume, only its record says.
    ///
    /// # Errors
    /// A protocol, format, encryption or QoS that hosts do not have: what would not be honoured is refused.
    pub fn of(info: &Value, shared: bool) -> Result<Self, Unreachable> {
        let refuse = |why: String| Err(Unreachable(why));
        let protocol = info["driver_volume_type"].as_str().unwrap_or_default();
        if protocol != "local" {
            return refuse(format!("hosts here know no volumes of type {protocol:?}"));
        }
        let data = &info["data"];
        if data["encrypted"] == true {
            return refuse("it is encrypted".to_owned());
        }
        let limits = match &data["qos_specs"] {
            Value::Null => VolumeLimits::default(),
            specs => VolumeLimits::of(specs).map_err(Unreachable)?,
        };
        let format = data["format"].as_str().unwrap_or("raw");
        if format != "raw" {
            return refuse(format!("its format is {format:?}"));
        }
        match data["device_path"].as_str() {
            Some(path) if path.starts_with('/') => Ok(Connection::File {
                path: PathBuf::from(path),
                read_only: data["access_mode"] == "ro",
                shared,
                limits,
            }),
            _ => refuse("no file is named".to_owned()),
        }
    }
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
    use serde_json::json;

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

    #[test]
    fn what_a_host_would_not_honour_is_refused() {
        let info = |data: Value| {
            let mut whole = json!({"device_path": "/v", "format": "raw", "access_mode": "rw"});
            for (key, value) in data.as_object().into_iter().flatten() {
                whole[key] = value.clone();
            }
            json!({"driver_volume_type": "local", "data": whole})
        };
        let path = PathBuf::from("/v");
        let said = json!({"access_mode": "ro", "qos_specs": {"total_iops_sec": "5"}});
        let read_only = Connection::of(&info(said), true).expect("a file");
        let mut limits = VolumeLimits::default();
        limits.rates.operations.total = 5;
        assert_eq!(
            read_only,
            Connection::File {
                path,
                read_only: true,
                shared: true,
                limits,
            }
        );
        for odd in [
            info(json!({"encrypted": true})),
            info(json!({"qos_specs": {"minIOPS": "5"}})),
            info(json!({"format": "qcow2"})),
            info(json!({"device_path": "relative"})),
            info(json!({"device_path": null})),
            json!({"driver_volume_type": "iscsi", "data": {"device_path": "/v"}}),
            json!({}),
        ] {
            assert!(Connection::of(&odd, false).is_err(), "{odd}");
        }
    }
}
