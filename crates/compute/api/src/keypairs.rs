//! Key pairs.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::words::Limit;

/// A key pair by itself.
#[derive(Serialize, Versioned)]
pub struct KeypairView<'v> {
    pub id: i64,
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
    pub user_id: &'v str,
    pub created_at: String,
    /// Always false: a deleted pair cannot be shown.
    pub deleted: bool,
    /// Always `null`, as are updates: there are none.
    pub deleted_at: Option<String>,
    pub updated_at: Option<String>,
}

/// A key pair just made. The private half is told here and never again.
#[derive(Serialize, Versioned)]
pub struct CreatedKeypair<'v> {
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
    pub user_id: &'v str,
    #[mv(until = "2.91")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<&'v str>,
}

/// An item of the list: `{"keypair": …}`.
#[derive(Serialize, Versioned)]
pub struct KeypairItem<'v> {
    pub keypair: KeypairSummary<'v>,
}

#[derive(Serialize, Versioned)]
pub struct KeypairSummary<'v> {
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateKeypair {
    pub keypair: NewKeypair,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewKeypair {
    #[mv(format = "name", min_length = 1, max_length = 255)]
    #[mv(
        since = "2.1",
        format = "name",
        pattern = "^[_\\- a-zA-Z0-9]+$",
        min_length = 1,
        max_length = 255
    )]
    #[mv(
        since = "2.92",
        format = "name",
        pattern = "^[_\\-\\@\\. a-zA-Z0-9]+$",
        min_length = 1,
        max_length = 255
    )]
    pub name: String,
    #[mv(wire = "type", since = "2.2", one_of("ssh", "x509"))]
    pub kind: Option<String>,
    #[mv(required_since = "2.92")]
    pub public_key: Option<String>,
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
}

/// The parameters of the list.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListKeypairs {
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
    #[mv(since = "2.35")]
    pub limit: Option<Limit>,
    #[mv(since = "2.35")]
    pub marker: Option<String>,
}

/// Whose key pair is shown or deleted.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct OfUser {
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
}
