//! Small types that many requests and views share, each with its rules.

use std::collections::BTreeMap;

use microversion::Versioned;
use serde::{Deserialize, Serialize};

/// Up to 255 printable characters without outer spaces.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(format = "name", min_length = 1, max_length = 255)]
pub struct Name(pub String);

/// A label or a fully qualified host name. Underscores occur in real names of hosts.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(pattern = "^[a-zA-Z0-9-._]*$", min_length = 1, max_length = 255)]
pub struct Fqdn(pub String);

/// A UUID in any spelling.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(format = "uuid")]
pub struct Id(pub String);

/// True or false, also as one of the words that clients write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(lenient)]
pub struct Flag(pub bool);

/// A tag of a server or device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(pattern = "^[^,/]*$", min_length = 1, max_length = 60)]
pub struct Tag(pub String);

/// A flavor's id; clients also write it as a number, or as the flavor's address.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(lenient, min_length = 1)]
pub struct FlavorRef(pub String);

impl FlavorRef {
    /// The id: the last part of an address, without its query (nova.api.openstack.common.get_id_from_href).
    pub fn into_id(self) -> String {
        let path = self.0.split(['?', '#']).next().unwrap_or_default();
        match path.rsplit_once('/') {
            Some((_, id)) => id.to_owned(),
            None => path.to_owned(),
        }
    }
}

/// The user's own keys and values.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Versioned)]
#[mv(key_pattern = "^[a-zA-Z0-9-_:. ]{1,255}$")]
pub struct Metadata(pub BTreeMap<String, MetadataValue>);

impl Metadata {
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.0
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(max_length = 255)]
pub struct MetadataValue(pub String);

/// Certificates that an image's signature must lead to.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(min_items = 1, max_items = 50, unique_items)]
pub struct Certificates(pub Vec<Certificate>);

#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(min_length = 1)]
pub struct Certificate(pub String);

/// One value, or a list of them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

/// A file to write into a new server, until 2.56.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Versioned)]
pub struct InjectedFile {
    pub path: Option<String>,
    #[mv(format = "base64")]
    pub contents: Option<String>,
}

/// A query string of which nothing is read; since 2.102 nearly every call refuses what it does not know.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.102")]
pub struct NoQuery {}

/// A link in an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Versioned)]
pub struct Link {
    pub rel: &'static str,
    pub href: String,
}

/// A name in an object of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Versioned)]
pub struct Named<'v> {
    pub name: &'v str,
}

/// How many items a page may have at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(lenient, minimum = 0)]
pub struct Limit(pub u64);
