//! Encryption of volumes and types. There is no service that keeps keys yet: nothing is encrypted, and nothing can be.

use rest::Answer;
use serde_json::{Value, json};

use super::types::find_id;
use super::{Call, find};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;

/// `GET /volumes/{volume_id}/encryption`.
pub async fn of_volume(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    find(&volumes, &call.cx, call.path("volume_id")).await?;
    Ok(Answer::of(&json!({"encryption_key_id": null})))
}

/// `GET /volumes/{volume_id}/encryption/{key}`.
pub async fn key_of_volume(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    find(&volumes, &call.cx, call.path("volume_id")).await?;
    match call.path("key") {
        "encryption_key_id" => Ok(Answer::of(&Value::Null)),
        key => Err(Fault::NotFound(format!(
            "The volume has no {key}: it is not encrypted."
        ))),
    }
}

/// `GET /types/{type_id}/encryption`: empty for a type whose volumes are not encrypted.
pub async fn of_type(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    find_id(&volumes, &call.cx, call.path("type_id")).await?;
    Ok(Answer::of(&json!({})))
}
