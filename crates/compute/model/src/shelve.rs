//! A server that is put aside: its disk becomes an image, and it may leave its host.

use serde::{Deserialize, Serialize};

/// What a shelved server comes back from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    /// The image of its disk; none for a server that boots from a volume.
    pub image_id: Option<String>,
}
