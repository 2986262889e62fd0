//! Who asked for work.

use serde::{Deserialize, Serialize};

/// What every workflow knows of the request that asked for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    pub request_id: String,
    pub global_request_id: Option<String>,
    pub user_id: String,
    pub project_id: String,
}

impl Asked {
    pub fn request(&self) -> Option<telemetry::RequestId> {
        Some(telemetry::RequestId {
            local: self.request_id.clone(),
            global: self.global_request_id.clone(),
        })
    }
}
