//! What a guest is told of itself: one tree of documents, served over HTTP and written to config
//! drives with the same content.
//!
//! Versions, keys and formats are those of Nova's metadata service, which cloud-init's `OpenStack`,
//! `Ec2` and `ConfigDrive` data sources read.

mod ec2;
mod network_data;
mod openstack;

use serde_json::Value;

use crate::Server;

/// What the tree is made from.
pub struct Guest<'a> {
    pub server: &'a Server,
    /// Appended to host names (`[api] dhcp_domain`); empty for none.
    pub dhcp_domain: &'a str,
    /// 512 random bytes for the guest's own random generator.
    pub random_seed: &'a [u8],
    /// For config drives only.
    pub admin_password: Option<&'a str>,
    /// Path in the guest and content.
    pub files: &'a [(String, Vec<u8>)],
    /// The operator's document for all guests (`vendordata_jsonfile_path`).
    pub vendor_data: Option<&'a Value>,
    /// What the guest posted as its encrypted password.
    pub password: Option<&'a str>,
    /// Decoded user data.
    pub user_data: Option<Vec<u8>>,
}

impl Guest<'_> {
    /// The full host name.
    fn hostname(&self) -> String {
        match self.dhcp_domain {
            "" => self.server.hostname.clone(),
            domain => format!("{}.{domain}", self.server.hostname),
        }
    }
}

/// A document of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Document {
    fn text(body: impl Into<String>) -> Self {
        Document {
            content_type: "text/plain; charset=UTF-8",
            body: body.into().into_bytes(),
        }
    }

    fn json(value: &Value) -> Self {
        Document {
            content_type: "application/json",
            body: value.to_string().into_bytes(),
        }
    }

    fn raw(body: Vec<u8>) -> Self {
        Document {
            content_type: "text/plain; charset=UTF-8",
            body,
        }
    }
}

/// The document at an HTTP path, `None` for what does not exist.
pub fn at(guest: &Guest, path: &str) -> Option<Document> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => Some(Document::text(ec2::root_listing())),
        ["openstack", rest @ ..] => openstack::at(guest, rest),
        [version, rest @ ..] => ec2::at(guest, version, rest),
    }
}

/// Whether an HTTP path is the one document that a guest may write: its password.
pub fn is_password(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let [first, version, last] = [parts.next(), parts.next(), parts.next()];
    (first, last, parts.next()) == (Some("openstack"), Some("password"), None)
        && version.is_some_and(openstack::has_password)
}

/// The files of a config drive: relative path and content.
pub fn config_drive(guest: &Guest) -> Vec<(String, Vec<u8>)> {
    let mut files = ec2::drive_files(guest);
    files.extend(openstack::drive_files(guest));
    files
}

#[cfg(test)]
mod tests;
