//! Volumes that other machines serve, as their storage daemons are told of them; and which guests of this host go together
//! on one.

use std::path::Path;

use hypervisor::{DriverError, Rbd, Result, Secret, Volume, VolumeSource, key_of_keyring};
use serde::{Deserialize, Serialize};
use storage_daemon::{Chap, Error, Listen, RbdUser, Source, Wanted};

use crate::durable;
use crate::layout::Layout;
use crate::slot::Slot;

/// Where hosts keep the keys of Ceph's users, as Ceph's own tools do.
const KEYRINGS: &str = "/etc/ceph";
/// What a guest's user of a volume lets others do, in the folder of its daemon.
const CLAIM: &str = "claim";
/// What a daemon serves, in its folder: the volume with what opens it.
const NOTE: &str = "volume";

/// What the daemon of a volume is to do in this slot; `owner` is the user who reaches its socket.
///
/// # Errors
/// `BadSpec` when no other machine serves the volume; `Io` when this host has no key of the user.
pub(crate) fn wanted(
    layout: &Layout,
    (volume, slot): (&Volume, &Slot),
    owner: Option<u32>,
) -> Result<Wanted> {
    let source = match &volume.source {
        VolumeSource::File { .. } => {
            return Err(DriverError::BadSpec {
                why: format!("volume {:.60} is a file of this machine", volume.id),
            });
        }
        VolumeSource::Nbd(nbd) => Source::Nbd {
            host: nbd.host.to_string(),
            port: nbd.port,
            export: nbd.export.expose().to_owned(),
        },
        VolumeSource::Iscsi(iscsi) => Source::Iscsi {
            host: iscsi.host.to_string(),
            port: iscsi.port,
            target: iscsi.target.to_string(),
            lun: iscsi.lun.into(),
            initiator: iscsi.initiator.to_string(),
            chap: iscsi.chap.as_ref().map(|chap| Chap {
                user: chap.user.to_string(),
                password: chap.password.expose().to_owned().into(),
            }),
        },
        VolumeSource::Rbd(rbd) => image(rbd, Path::new(KEYRINGS))?,
    };
    Ok(Wanted {
        source,
        read_only: volume.read_only,
        export: volume.id.clone(),
        listen: Listen::Unix {
            path: layout.dir().join(Layout::served(slot)),
            owner,
        },
        connections: 0,
    })
}

fn image(rbd: &Rbd, keyrings: &Path) -> Result<Source> {
    let user = match &rbd.user {
        None => None,
        Some(user) => {
            let key = match &user.key {
                Some(key) => key.clone(),
                None => {
                    let name = format!("{}.client.{}.keyring", rbd.cluster, user.name);
                    key_in(&keyrings.join(name))?
                }
            };
            Some(RbdUser {
                name: user.name.to_string(),
                key: key.expose().to_owned().into(),
            })
        }
    };
    let monitors = rbd.monitors.iter();
    Ok(Source::Rbd {
        monitors: monitors
            .map(|(host, port)| (host.to_string(), *port))
            .collect(),
        pool: rbd.pool.to_string(),
        namespace: None,
        image: rbd.image.to_string(),
        user,
    })
}

fn key_in(file: &Path) -> Result<Secret> {
    let fail = || {
        DriverError::io(format!(
            "read the key of the volume's cluster in {}",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(file).map_err(fail())?;
    let key = key_of_keyring(&text).ok_or_else(|| std::io::Error::other("it has no key"));
    key.map(|key| Secret::new(key.to_owned())).map_err(fail())
}

/// A daemon's failure, in the driver's words. Another host may reach what this one does not.
pub(crate) fn failed(volume_id: &str, error: Error) -> DriverError {
    let what = format!("open volume {volume_id:.60}");
    match error {
        Error::NotInstalled { .. } | Error::NoDriver { .. } => DriverError::Unsupported {
            what: format!("{what}: {error}"),
        },
        Error::Refused { .. } | Error::Late { .. } => DriverError::Hypervisor {
            what,
            why: error.to_string(),
        },
        Error::Io { what, source } => DriverError::Io { what, source },
    }
}

/// How a guest uses a volume that is not its alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    read_only: bool,
    shared: bool,
}

impl Claim {
    pub fn of(volume: &Volume) -> Self {
        Self {
            read_only: volume.read_only,
            shared: volume.shared,
        }
    }

    /// What is noted in the folder of a daemon; None where there is none. What cannot be read is the claim of one that is
    /// alone with the volume.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read(folder.join(CLAIM)).ok()?;
        Some(serde_json::from_slice(&text).unwrap_or(Self {
            read_only: false,
            shared: false,
        }))
    }

    pub fn write(self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join(CLAIM), serde_json::to_vec(&self)?)
    }

    /// Two that only read go together, and two that both know of the other.
    pub fn goes_with(self, other: Self) -> bool {
        (self.read_only && other.read_only) || (self.shared && other.shared)
    }
}

/// Notes what the daemon of a folder serves, before it is started: a later process starts it again, and tells by it what a
/// guest has.
pub(crate) fn note(folder: &Path, volume: &Volume) -> std::io::Result<()> {
    durable::replace_soon(&folder.join(NOTE), &serde_json::to_vec(volume)?)
}

/// What the daemon of a folder serves, or last did; none: nothing is noted.
pub(crate) fn noted(folder: &Path) -> Option<Volume> {
    serde_json::from_slice(&std::fs::read(folder.join(NOTE)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";

    fn volume(source: Value) -> Volume {
        serde_json::from_value(json!({"id": ID, "source": source})).unwrap()
    }

    fn rbd(user: Value) -> Rbd {
        let rbd = json!({
            "monitors": [["10.0.0.1", 6789]], "cluster": "ceph", "pool": "volumes", "image": "v", "user": user,
        });
        serde_json::from_value(rbd).unwrap()
    }

    #[test]
    fn a_daemon_is_told_what_the_volume_says() {
        let layout = Layout::new(Path::new("/s"), ID).unwrap();
        let iscsi = json!({"iscsi": {
            "host": "10.0.0.1", "port": 3260, "target": "iqn.2010-10.org.openstack:v", "lun": 7,
            "initiator": "iqn.2026-01.kilonova:h", "chap": {"user": "bob", "password": "secret"},
        }});
        let slot = Slot::first(ID).unwrap();
        let told = wanted(&layout, (&volume(iscsi), &slot), Some(70_001)).unwrap();
        let Source::Iscsi { lun, chap, .. } = &told.source else {
            panic!("{told:?}")
        };
        assert_eq!(*lun, 7);
        assert_eq!(chap.as_ref().unwrap().password.expose_secret(), "secret");
        assert_eq!(told.export, ID);
        let path = PathBuf::from(format!("/s/servers/{ID}/volumes/{ID}.nbd"));
        let owner = Some(70_001);
        assert_eq!(told.listen, Listen::Unix { path, owner });
        let file = volume(json!({"file": {"path": "/v"}}));
        assert!(matches!(
            wanted(&layout, (&file, &slot), None),
            Err(DriverError::BadSpec { .. })
        ));
    }

    #[test]
    fn what_a_daemon_serves_is_noted_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(noted(dir.path()), None);
        let nbd = json!({"nbd": {"host": "10.0.0.1", "port": 10_809, "export": "one"}});
        let served = volume(nbd);
        note(dir.path(), &served).unwrap();
        assert_eq!(noted(dir.path()), Some(served));
        std::fs::write(dir.path().join(NOTE), "{").unwrap();
        assert_eq!(noted(dir.path()), None, "half written");
    }

    #[test]
    fn the_key_of_a_cluster_comes_with_the_volume_or_lies_on_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let key = |user: Value| match image(&rbd(user), dir.path()) {
            Ok(Source::Rbd { user, .. }) => {
                Ok(user.map(|user| user.key.expose_secret().to_owned()))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(key(Value::Null).unwrap(), None);
        let given = key(json!({"name": "cinder", "key": "AQ=="})).unwrap();
        assert_eq!(given.as_deref(), Some("AQ=="));
        let own = json!({"name": "cinder"});
        assert!(matches!(key(own.clone()), Err(DriverError::Io { .. })));
        let file = dir.path().join("ceph.client.cinder.keyring");
        std::fs::write(&file, "[client.cinder]\n").unwrap();
        assert!(matches!(key(own.clone()), Err(DriverError::Io { .. })));
        std::fs::write(&file, "[client.cinder]\n key = AQB==\n").unwrap();
        assert_eq!(key(own).unwrap().as_deref(), Some("AQB=="));
    }

    #[test]
    fn guests_go_together_that_only_read_or_both_share() {
        let claim = |read_only, shared| Claim { read_only, shared };
        assert!(claim(true, false).goes_with(claim(true, true)));
        assert!(claim(false, true).goes_with(claim(true, true)));
        assert!(!claim(false, true).goes_with(claim(true, false)));
        assert!(!claim(false, false).goes_with(claim(false, false)));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Claim::read(dir.path()), None);
        claim(true, true).write(dir.path()).unwrap();
        assert_eq!(Claim::read(dir.path()), Some(claim(true, true)));
        std::fs::write(dir.path().join(CLAIM), "{").unwrap();
        assert_eq!(Claim::read(dir.path()), Some(claim(false, false)));
    }
}
