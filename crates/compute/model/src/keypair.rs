//! Key pairs of users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What kind of key a pair holds: `ssh` or `x509` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    Ssh,
    X509,
}

impl KeyType {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyType::Ssh => "ssh",
            KeyType::X509 => "x509",
        }
    }
}

/// The public half of a key, by name, belonging to a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keypair {
    pub user_id: String,
    pub name: String,
    pub kind: KeyType,
    /// MD5 of the key blob as `aa:bb:…`, as OpenSSH printed it when the API was made.
    pub fingerprint: String,
    pub public_key: String,
    pub created_at: DateTime<Utc>,
}
