//! What a daemon opens, as QEMU's block drivers name it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// Name of the node of the volume in the daemon.
pub(crate) const NODE: &str = "volume";
/// Name of the object that holds the volume's secret.
const SECRET: &str = "key";
/// Seconds in which a broken connection to an NBD server may come back, before requests fail.
const RECONNECT: u64 = 60;
/// Seconds in which an iSCSI target must answer a request; then it is sent again on a new connection.
const REQUEST: u64 = 30;

/// Where the bytes of a volume are. Whoever makes one has checked its texts: names of hosts and targets hold none of the
/// signs that mean something to QEMU's or Ceph's own parsers.
#[derive(Clone, Debug)]
pub enum Source {
    /// A raw file of this machine.
    File { path: PathBuf },
    /// A block device directly in `/dev`, as `/dev/dm-0`.
    Device { path: PathBuf },
    /// An export of an NBD server.
    Nbd {
        host: String,
        port: u16,
        export: String,
    },
    /// A logical unit of an iSCSI target, reached by libiscsi.
    Iscsi {
        host: String,
        port: u16,
        /// Name of the target, as `iqn.2010-10.org.openstack:volume-...`.
        target: String,
        lun: u32,
        /// Name by which this host logs in.
        initiator: String,
        chap: Option<Chap>,
    },
    /// An image of a Ceph pool, reached by librbd.
    Rbd {
        monitors: Vec<(String, u16)>,
        pool: String,
        namespace: Option<String>,
        image: String,
        /// None: the cluster asks nobody who they are.
        user: Option<RbdUser>,
    },
}

/// Who logs in to an iSCSI target.
#[derive(Clone, Debug)]
pub struct Chap {
    pub user: String,
    pub password: SecretString,
}

/// Who logs in to a Ceph cluster (cephx).
#[derive(Clone, Debug)]
pub struct RbdUser {
    /// Without `client.`.
    pub name: String,
    /// As in a keyring, in base64.
    pub key: SecretString,
}

/// A node to add, with the secret that must be there before.
pub(crate) struct Node {
    pub value: Value,
    pub secret: Option<Value>,
    /// The driver, and whether it is a module that a machine may lack.
    pub driver: &'static str,
}

impl Source {
    pub(crate) fn node(&self, read_only: bool) -> Node {
        let (driver, mut value, secret) = match self {
            Self::File { path } => ("file", json!({"filename": path.to_string_lossy()}), None),
            Self::Device { path } => {
                let value = json!({"filename": path.to_string_lossy()});
                ("host_device", value, None)
            }
            Self::Nbd { host, port, export } => {
                let server = json!({"type": "inet", "host": host, "port": port.to_string()});
                let value =
                    json!({"server": server, "export": export, "reconnect-delay": RECONNECT});
                ("nbd", value, None)
            }
            Self::Iscsi {
                host,
                port,
                target,
                lun,
                initiator,
                chap,
            } => {
                let mut value = json!({
                    "transport": "tcp",
                    "portal": at(host, *port),
                    "target": target,
                    "lun": lun,
                    "initiator-name": initiator,
                    "timeout": REQUEST,
                });
                if let Some(chap) = chap {
                    value["user"] = chap.user.as_str().into();
                    value["password-secret"] = SECRET.into();
                }
                let secret = chap.as_ref().map(|chap| secret(&chap.password));
                ("iscsi", value, secret)
            }
            Self::Rbd {
                monitors,
                pool,
                namespace,
                image,
                user,
            } => {
                let server = monitors.iter();
                let server: Vec<Value> = server
                    .map(|(host, port)| json!({"host": host, "port": port.to_string()}))
                    .collect();
                let mut value = json!({"pool": pool, "image": image, "server": server});
                if let Some(namespace) = namespace {
                    value["namespace"] = namespace.as_str().into();
                }
                match user {
                    Some(user) => {
                        value["user"] = user.name.as_str().into();
                        value["auth-client-required"] = json!(["cephx"]);
                        value["key-secret"] = SECRET.into();
                    }
                    None => value["auth-client-required"] = json!(["none"]),
                }
                let secret = user.as_ref().map(|user| secret(&user.key));
                ("rbd", value, secret)
            }
        };
        value["driver"] = driver.into();
        value["node-name"] = NODE.into();
        value["read-only"] = read_only.into();
        value["discard"] = "unmap".into();
        Node {
            value,
            secret,
            driver,
        }
    }
}

/// As portals are written: addresses of version 6 in brackets.
fn at(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn secret(value: &SecretString) -> Value {
    let data = STANDARD.encode(value.expose_secret());
    json!({"qom-type": "secret", "id": SECRET, "data": data, "format": "base64"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iscsi(chap: Option<Chap>) -> Source {
        Source::Iscsi {
            host: "2001:db8::7".into(),
            port: 3260,
            target: "iqn.2010-10.org.openstack:volume-1".into(),
            lun: 1,
            initiator: "iqn.2026-01.host:one".into(),
            chap,
        }
    }

    #[test]
    fn secrets_are_objects_beside_the_node_and_are_shown_nowhere() {
        let chap = Chap {
            user: "bob".into(),
            password: "very-secret".to_owned().into(),
        };
        let source = iscsi(Some(chap));
        let node = source.node(false);
        assert_eq!(node.value["portal"], "[2001:db8::7]:3260");
        assert_eq!(node.value["password-secret"], SECRET);
        assert_eq!(
            node.secret.map(|secret| secret["data"].clone()),
            Some(json!(STANDARD.encode("very-secret")))
        );
        assert!(!node.value.to_string().contains("very-secret"));
        assert!(!format!("{source:?}").contains("very-secret"));
        let open = iscsi(None).node(true);
        assert!(open.secret.is_none() && open.value.get("user").is_none());
        assert_eq!(open.value["read-only"], true);
    }

    #[test]
    fn an_image_of_a_pool_is_named_by_its_parts() {
        let rbd = |user| Source::Rbd {
            monitors: vec![("10.0.0.1".into(), 6789), ("10.0.0.2".into(), 3300)],
            pool: "volumes".into(),
            namespace: None,
            image: "volume-1".into(),
            user,
        };
        let user = RbdUser {
            name: "cinder".into(),
            key: "a-key".to_owned().into(),
        };
        let node = rbd(Some(user)).node(false);
        assert_eq!(
            node.value,
            json!({
                "driver": "rbd", "node-name": NODE, "read-only": false, "discard": "unmap",
                "pool": "volumes", "image": "volume-1", "user": "cinder",
                "auth-client-required": ["cephx"], "key-secret": SECRET,
                "server": [{"host": "10.0.0.1", "port": "6789"}, {"host": "10.0.0.2", "port": "3300"}],
            })
        );
        assert!(node.secret.is_some());
        let open = rbd(None).node(false);
        assert_eq!(open.value["auth-client-required"], json!(["none"]));
        assert!(open.secret.is_none());
    }
}
