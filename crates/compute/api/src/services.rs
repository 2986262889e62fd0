//! The compute service's own services.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::words::{Flag, Fqdn};

/// A service. Counted until 2.52, known by UUID since.
#[derive(Serialize, Versioned)]
pub struct ServiceView<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub binary: &'v str,
    pub host: &'v str,
    pub zone: &'v str,
    /// `enabled` or `disabled`.
    pub status: &'static str,
    /// `up` or `down`.
    pub state: &'static str,
    pub updated_at: Option<String>,
    pub disabled_reason: Option<&'v str>,
    #[mv(since = "2.11")]
    pub forced_down: bool,
}

/// The answers to the verbs that changed a service until 2.52.
#[derive(Serialize, Versioned)]
pub struct ServiceChanged<'v> {
    pub host: &'v str,
    pub binary: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<&'v str>,
    #[mv(since = "2.11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_down: Option<bool>,
}

/// `PUT /os-services/{id}`: until 2.52 the id is a verb and the body names the service.
#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateService {
    #[mv(until = "2.52", required_since = "2.0")]
    pub host: Option<Fqdn>,
    #[mv(
        until = "2.52",
        required_since = "2.0",
        min_length = 1,
        max_length = 255
    )]
    pub binary: Option<String>,
    #[mv(since = "2.53", one_of("enabled", "disabled"))]
    pub status: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub disabled_reason: Option<String>,
    #[mv(since = "2.11")]
    pub forced_down: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListServices {
    pub host: Option<String>,
    pub binary: Option<String>,
}
