//! What the service offers: import methods and stores.

use std::sync::Arc;

use http::{HeaderValue, header};
use rest::Answer;
use serde_json::json;

use super::Call;
use crate::call::Face;
use crate::fault::Fault;
use crate::import::METHODS;
use crate::model::STORE;
use crate::policy;
use crate::quota::Allowance;
use crate::service::Images;

/// `GET /healthcheck`.
pub async fn health(_: Arc<Face>, _: rest::Call<()>) -> Result<Answer, Fault> {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut answer = Answer::empty();
    answer.headers.insert(header::CONTENT_TYPE, text);
    answer.body = Some("OK".into());
    Ok(answer)
}

/// `GET /v2/info/import`.
pub async fn import(_: Images, _: Call) -> Result<Answer, Fault> {
    let body = json!({"import-methods": {
        "description": "Import methods available.",
        "type": "array",
        "value": METHODS,
    }});
    Ok(Answer::of(&body))
}

/// `GET /v2/info/stores`.
pub async fn stores(_: Images, _: Call) -> Result<Answer, Fault> {
    let body = json!({"stores": [{"id": STORE, "default": "true"}]});
    Ok(Answer::of(&body))
}

/// `GET /v2/info/stores/detail`.
pub async fn stores_detail(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let target = policy::owned_by(cx.caller.project_id.as_deref());
    policy::allow(&images, cx, &target)?;
    let folder = images.settings().image_dir.display().to_string();
    let store = json!({
        "id": STORE, "default": "true", "type": "file", "weight": 0,
        "properties": {"data_dir": folder, "chunk_size": 262_144, "thin_provisioning": false},
    });
    Ok(Answer::of(&json!({"stores": [store]})))
}

/// `GET /v2/info/usage`: what the caller's project has, and may have.
pub async fn usage(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let usage = match Allowance::of(&images, cx.caller.project_id.as_deref()).await? {
        Some(allowance) => allowance.report(&images).await?,
        None => json!({}),
    };
    Ok(Answer::of(&json!({"usage": usage})))
}
