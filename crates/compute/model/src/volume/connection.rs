//! How a host reaches a volume: Cinder's `connection_info`, read into closed types.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::remote::{CephName, Chap, Host, Iscsi, IscsiName, Nbd, Rbd, RbdUser, Secret};
use crate::volume_limits::VolumeLimits;

/// How a host reaches a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    #[serde(flatten)]
    pub place: Place,
    pub read_only: bool,
    /// Other guests may have it too, and write to it.
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub limits: VolumeLimits,
}

/// Where a volume is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "lowercase")]
pub enum Place {
    /// A raw file of the host.
    File {
        path: PathBuf,
    },
    /// It is served by another machine.
    Nbd(Nbd),
    Iscsi(Iscsi),
    Rbd(Rbd),
}

/// The name by which a host logs in to iSCSI targets: always the same one for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator(IscsiName);

impl Initiator {
    /// Of the hypervisor with this id (a UUID), which it keeps when its host is renamed; None for another text.
    pub fn of(node_id: &str) -> Option<Self> {
        format!("iqn.2026-01.kilonova:{node_id}")
            .parse()
            .ok()
            .map(Initiator)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A connection that no host here can make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the volume cannot be reached: {0}")]
pub struct Unreachable(String);

/// The usual port of Ceph's monitors.
const MONITOR: u16 = 6789;
/// The largest number of a unit.
const LARGEST_LUN: u16 = 16_383;
/// Most of these a target or cluster needs; longer ones are no secrets.
const LONGEST_SECRET: usize = 1024;
/// Bytes of the name of an NBD export: servers allow 4096, and none needs them.
const LONGEST_EXPORT: usize = 255;

impl Connection {
    /// Reads Cinder's `connection_info`, flat as attachments have it or with its `data`; whether several guests may have
    /// the volume, only its record says. Secrets are sealed by `seal` on the way.
    ///
    /// # Errors
    /// A protocol, format, encryption or QoS that hosts do not have, or a text of another form: what would not be honoured
    /// is refused.
    pub fn of(
        info: &Value,
        shared: bool,
        initiator: Option<&Initiator>,
        seal: &dyn Fn(&str) -> String,
    ) -> Result<Self, Unreachable> {
        let protocol = info["driver_volume_type"].as_str().unwrap_or_default();
        let data = match info.get("data") {
            Some(data) => data,
            None => info,
        };
        let read = Reading { data, seal };
        let place = match protocol {
            "local" => read.file(),
            "nbd" => read.nbd(),
            "iscsi" => read.iscsi(initiator),
            "rbd" => read.rbd(),
            other => Err(format!("hosts here know no volumes of type {other:.60?}")),
        };
        let place = place.map_err(Unreachable)?;
        if !matches!(data["encrypted"], Value::Null | Value::Bool(false)) {
            return Err(Unreachable("it is encrypted".to_owned()));
        }
        let limits = match &data["qos_specs"] {
            Value::Null => VolumeLimits::default(),
            specs => VolumeLimits::of(specs).map_err(Unreachable)?,
        };
        let read_only = match &data["access_mode"] {
            Value::Null => false,
            mode if mode == "rw" => false,
            mode if mode == "ro" => true,
            other => return Err(Unreachable(format!("its access mode is {other:.60}"))),
        };
        Ok(Connection {
            place,
            read_only,
            shared,
            limits,
        })
    }
}

impl Place {
    /// The same with its sealed secrets opened by `change`.
    ///
    /// # Errors
    /// What `change` says of one.
    pub fn with_secrets<E>(
        &self,
        change: impl Fn(&Secret) -> Result<Secret, E>,
    ) -> Result<Self, E> {
        let mut changed = self.clone();
        match &mut changed {
            Place::Nbd(nbd) if nbd.sealed => {
                nbd.export = change(&nbd.export)?;
                nbd.sealed = false;
            }
            Place::File { .. } | Place::Nbd(_) => {}
            Place::Iscsi(iscsi) => {
                if let Some(chap) = &mut iscsi.chap {
                    chap.password = change(&chap.password)?;
                }
            }
            Place::Rbd(rbd) => {
                if let Some(key) = rbd.user.as_mut().and_then(|user| user.key.as_mut()) {
                    *key = change(key)?;
                }
            }
        }
        Ok(changed)
    }
}

/// The data of a connection while it is read.
struct Reading<'a> {
    data: &'a Value,
    seal: &'a dyn Fn(&str) -> String,
}

impl Reading<'_> {
    fn text(&self, key: &str) -> Result<&str, String> {
        let text = self.data[key].as_str();
        text.ok_or_else(|| format!("it has no {key}"))
    }

    fn secret(&self, key: &str) -> Result<Secret, String> {
        self.sealed(self.text(key)?, key)
    }

    fn sealed(&self, text: &str, what: &str) -> Result<Secret, String> {
        match (1..=LONGEST_SECRET).contains(&text.len()) && !text.contains('\0') {
            true => Ok(Secret::new((self.seal)(text))),
            false => Err(format!(
                "its {what} is no text of 1 to {LONGEST_SECRET} bytes"
            )),
        }
    }

    fn file(&self) -> Result<Place, String> {
        let format = self.data["format"].as_str().unwrap_or("raw");
        if format != "raw" {
            return Err(format!("its format is {format:?}"));
        }
        match self.data["device_path"].as_str() {
            Some(path) if path.starts_with('/') => Ok(Place::File {
                path: PathBuf::from(path),
            }),
            _ => Err("no file is named".to_owned()),
        }
    }

    fn nbd(&self) -> Result<Place, String> {
        let export = self.text("export")?;
        if export.len() > LONGEST_EXPORT || export.contains(char::is_control) {
            return Err(format!(
                "its export has no name of 1 to {LONGEST_EXPORT} bytes"
            ));
        }
        Ok(Place::Nbd(Nbd {
            host: parsed(self.text("host")?)?,
            port: port(&self.data["port"])?,
            export: self.sealed(export, "export")?,
            sealed: true,
        }))
    }

    /// The first path alone: others (`target_portals` and its like) are for multipath devices, which hosts here do not make.
    fn iscsi(&self, initiator: Option<&Initiator>) -> Result<Place, String> {
        let first = |one: &str, many: &str| match &self.data[one] {
            Value::Null => self.data[many][0].clone(),
            value => value.clone(),
        };
        let text = |one: &str, many: &str| match first(one, many) {
            Value::String(text) => Ok(text),
            _ => Err(format!("it has no {one}")),
        };
        let portal = text("target_portal", "target_portals")?;
        let (host, port) = portal_of(&portal)?;
        let lun = match first("target_lun", "target_luns") {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let lun = lun.and_then(|lun| u16::try_from(lun).ok());
        let lun = lun.filter(|lun| *lun <= LARGEST_LUN);
        let chap = match &self.data["auth_method"] {
            Value::Null => None,
            method if method == "CHAP" => Some(Chap {
                user: parsed(self.text("auth_username")?)?,
                password: self.secret("auth_password")?,
            }),
            other => return Err(format!("its target wants the login {other:.60}")),
        };
        let Some(initiator) = initiator else {
            return Err("its host has no name for iSCSI".to_owned());
        };
        Ok(Place::Iscsi(Iscsi {
            host,
            port,
            target: parsed(&text("target_iqn", "target_iqns")?)?,
            lun: lun.ok_or_else(|| format!("its unit is no number of 0 to {LARGEST_LUN}"))?,
            initiator: initiator.0.clone(),
            chap,
        }))
    }

    fn rbd(&self) -> Result<Place, String> {
        let name = self.text("name")?;
        let (pool, image) = name
            .split_once('/')
            .ok_or_else(|| format!("{name:.60?} is no pool and image"))?;
        let list = |key: &str| {
            self.data[key]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let (hosts, ports) = (list("hosts"), list("ports"));
        if hosts.is_empty() || (!ports.is_empty() && ports.len() != hosts.len()) {
            return Err("its monitors are not listed with a port each".to_owned());
        }
        let mut monitors = Vec::new();
        for (number, host) in hosts.iter().enumerate() {
            let host = host.as_str().ok_or("a monitor has no address")?;
            let port = match ports.get(number) {
                Some(known) => port(known)?,
                None => MONITOR,
            };
            monitors.push((parsed(without_brackets(host))?, port));
        }
        let user = match &self.data["auth_enabled"] {
            Value::Bool(true) => Some(RbdUser {
                name: parsed(self.text("auth_username")?)?,
                key: self.key()?,
            }),
            Value::Null | Value::Bool(false) => None,
            other => return Err(format!("auth_enabled is {other:.60}")),
        };
        let cluster = match &self.data["cluster_name"] {
            Value::Null => "ceph",
            _ => self.text("cluster_name")?,
        };
        Ok(Place::Rbd(Rbd {
            monitors,
            cluster: parsed(cluster)?,
            pool: parsed::<CephName>(pool)?,
            image: parsed(image)?,
            user,
        }))
    }

    /// The key in the text of a keyring; None where Cinder sends none, as it does by default.
    fn key(&self) -> Result<Option<Secret>, String> {
        let Some(keyring) = self.data["keyring"]
            .as_str()
            .filter(|text| !text.is_empty())
        else {
            return Ok(None);
        };
        let key = key_of_keyring(keyring).ok_or("its keyring has no key")?;
        self.sealed(key, "key").map(Some)
    }
}

/// The key in the text of a Ceph keyring.
pub fn key_of_keyring(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        (name.trim() == "key" && !value.is_empty() && value.bytes().all(base64)).then_some(value)
    })
}

fn parsed<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// A number, or a text of it.
fn port(value: &Value) -> Result<u16, String> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|port| u16::try_from(port).ok()),
    };
    number
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{value:.60} is no port"))
}

fn without_brackets(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// `10.0.0.1:3260`, `[2001:db8::1]:3260`.
fn portal_of(text: &str) -> Result<(Host, u16), String> {
    let (host, number) = text
        .rsplit_once(':')
        .ok_or_else(|| format!("{text:.60?} is no portal"))?;
    let number = number.parse().ok().filter(|port: &u16| *port > 0);
    let number = number.ok_or_else(|| format!("{text:.60?} is no portal"))?;
    Ok((parsed(without_brackets(host))?, number))
}

#[cfg(test)]
mod tests;
