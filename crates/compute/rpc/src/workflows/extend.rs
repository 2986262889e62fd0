//! A volume of a server is larger.

use serde::{Deserialize, Serialize};

use super::Asked;

/// Kind of [`ExtendVolume`].
pub const EXTEND_VOLUME: &str = "extend_volume";

/// The version of [`ExtendVolume`] and of its steps. Raise it when a program of before could not continue.
pub const EXTEND_VOLUME_VERSION: u16 = 1;

/// A guest is shown the size that a volume of its server has by now, as the volume service asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtendVolume {
    pub server_id: String,
    pub asked: Asked,
    pub volume_id: String,
}
