//! Another volume in the place of one that a server has.

use chrono::{DateTime, Utc};
use compute_model::volume::{AttachedVolume, Connection};
use serde::{Deserialize, Serialize};

use super::Asked;

/// Kind of [`SwapVolume`].
pub const SWAP_VOLUME: &str = "swap_volume";

/// The version of [`SwapVolume`] and of its steps.
pub const SWAP_VOLUME_VERSION: u16 = 1;

/// Another volume takes the place of one that a server has, as the volume service asks for it. The server keeps the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwapVolume {
    pub server_id: String,
    pub asked: Asked,
    /// As in [`AttachInterface`](super::AttachInterface).
    #[serde(default)]
    pub before: Vec<String>,
    /// What the server's record said of the volume when this was accepted.
    pub old: AttachedVolume,
    pub new_volume_id: String,
    /// The volume service's record of the new one, once it is reserved.
    #[serde(default)]
    pub attachment_id: Option<String>,
    /// How the server's host reaches the new one.
    #[serde(default)]
    pub connection: Option<Connection>,
    /// Bytes that were copied at `copied_at`.
    #[serde(default)]
    pub copied: u64,
    /// When more was copied than before, give or take half a minute.
    #[serde(default)]
    pub copied_at: Option<DateTime<Utc>>,
    /// Whether the server's record names the new one, or did when it was seen last: noted before it does so, and taken back
    /// afterwards.
    #[serde(default)]
    pub named: bool,
    /// How often the guest did not switch, though both held the same.
    #[serde(default)]
    pub failed_switches: u32,
    /// The guest has the new one: from then on there is no way back.
    #[serde(default)]
    pub switched: bool,
}
