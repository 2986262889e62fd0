//! Volumes that another machine serves: who serves them, and under which name. What comes from outside is checked on its way
//! into these types, also when it comes from a database: none holds a sign that QEMU's or Ceph's own parsers would read.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct Malformed {
    what: &'static str,
    /// Its first characters.
    text: String,
}

/// Texts of one form each.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident, $what:literal, $good:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let good: fn(&str) -> bool = $good;
                match good(text) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(Malformed {
                        what: $what,
                        text: text.chars().take(80).collect(),
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// An IP address, or the name of a machine (RFC 1123).
    Host, "address or name of a machine", is_host;
    /// The name of an iSCSI node (RFC 7143, 4.2.7): `iqn.`, `eui.` or `naa.` and what follows.
    IscsiName, "name of an iSCSI node", is_iscsi_name;
    /// A name in a Ceph cluster: of a pool, an image, a user, the cluster itself. Ceph allows more, its own tools do not make it.
    CephName, "name in a Ceph cluster", |text| fits(text, 1..=128, b"._-") && !text.starts_with('.');
    /// Who logs in to a target: no control characters.
    LoginName, "user of an iSCSI target", |text| (1..=255).contains(&text.len()) && !text.contains(char::is_control);
}

/// Letters, digits and these.
fn fits(text: &str, lengths: std::ops::RangeInclusive<usize>, others: &[u8]) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    lengths.contains(&text.len()) && text.bytes().all(allowed)
}

fn is_host(text: &str) -> bool {
    let label =
        |label: &str| fits(label, 1..=63, b"-") && !label.starts_with('-') && !label.ends_with('-');
    // A name of digits alone would be read as an address by some.
    let name = || text.len() <= 253 && text.split('.').all(label) && !text.bytes().all(numeric);
    text.parse::<IpAddr>().is_ok() || name()
}

fn numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

fn is_iscsi_name(text: &str) -> bool {
    // 223 bytes: RFC 7143, 4.2.7.1. Real targets have capital letters and underscores, against the standard.
    if !fits(text, 5..=223, b".-:_") {
        return false;
    }
    match text.split_at(4) {
        ("iqn.", rest) => {
            // A date, and the domain that was somebody's then: `2010-10.org.openstack`.
            let date = rest.as_bytes().get(..7).unwrap_or_default();
            let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
            let is_date =
                date.len() == 7 && date[4] == b'-' && digits(&date[..4]) && digits(&date[5..]);
            is_date && rest.as_bytes().get(7) == Some(&b'.') && rest.len() > 8
        }
        ("eui.", rest) => rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        ("naa.", rest) => {
            [16, 32].contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        _ => false,
    }
}

/// A password or key. It is sealed in whatever the cloud keeps and sends, and open in the description that a host keeps of
/// its guest, which nobody else reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An export of an NBD server. Whoever reaches the server and knows the name has the volume: nobody logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nbd {
    pub host: Host,
    pub port: u16,
    /// Its name.
    pub export: Secret,
    /// Whether the name is sealed, as the cloud keeps and sends it. It is open in the description that a host keeps of its
    /// guest, and where an older version kept it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
}

/// A logical unit of an iSCSI target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iscsi {
    pub host: Host,
    pub port: u16,
    pub target: IscsiName,
    /// At most 16383: what fits into a flat number of a unit (SAM-5, 4.7.7.3).
    pub lun: u16,
    /// The name by which the server's host logs in.
    pub initiator: IscsiName,
    #[serde(default)]
    pub chap: Option<Chap>,
}

/// How a host proves to a target who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chap {
    pub user: LoginName,
    pub password: Secret,
}

/// An image of a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rbd {
    pub monitors: Vec<(Host, u16)>,
    /// Names the files of the cluster's keys on hosts.
    pub cluster: CephName,
    pub pool: CephName,
    pub image: CephName,
    /// None: the cluster asks nobody who they are.
    #[serde(default)]
    pub user: Option<RbdUser>,
}

/// Who a host is for a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RbdUser {
    /// Without `client.`.
    pub name: CephName,
    /// None: the host has the user's key in a file of its own.
    #[serde(default)]
    pub key: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_the_right_form_are_taken() {
        fn good<T: FromStr>(texts: &[&str]) -> bool {
            texts.iter().all(|text| text.parse::<T>().is_ok())
        }
        fn bad<T: FromStr>(texts: &[&str]) -> bool {
            texts.iter().all(|text| text.parse::<T>().is_err())
        }
        assert!(good::<Host>(&[
            "10.0.0.1",
            "2001:db8::1",
            "storage-1.example.org",
            "s"
        ]));
        assert!(bad::<Host>(&[
            "",
            "10.0.0",
            "1.2.3.4.5",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a,b",
            "a;b:1",
            "a/b",
            "[::1]",
            "a\0",
            "ä",
        ]));
        assert!(bad::<Host>(&[&"a".repeat(64), &"a.".repeat(130)]));
        assert!(good::<IscsiName>(&[
            "iqn.2010-10.org.openstack:volume-0d7b1a2c",
            "iqn.1992-08.com.netapp:sn.33615311:vs.3",
            "eui.02004567A425678D",
            "naa.52004567BA64678D",
        ]));
        assert!(bad::<IscsiName>(&[
            "",
            "iqn.",
            "iqn.2010-1.org",
            "iqn.2010-10",
            "iqn.2010-10.",
            "iqn.abcd-10.org",
            "eui.12",
            "naa.xyz",
            "volume-1",
            "iqn.2010-10.org:a,b",
            "iqn.2010-10.org:a/b",
            "iqn.2010-10.org:a b",
        ]));
        assert!(good::<CephName>(&[
            "volumes",
            "volume-0d7b1a2c",
            "cinder",
            "ceph.a_b"
        ]));
        assert!(bad::<CephName>(&[
            "", ".x", "a/b", "a@b", "a:b", "a b", "../x"
        ]));
    }

    #[test]
    fn a_kept_text_of_another_form_does_not_read() {
        assert!(serde_json::from_str::<Host>("\"10.0.0.1\"").is_ok());
        assert!(serde_json::from_str::<Host>("\"a,b\"").is_err());
    }
}
