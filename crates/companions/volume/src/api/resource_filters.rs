//! What lists may be filtered by.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::fault::Fault;
use crate::fields::PUBLISHED;
use crate::service::Volumes;

/// `GET /resource_filters`.
pub async fn list(_: Volumes, call: Call) -> Result<Answer, Fault> {
    let query = call.pairs();
    let asked = query.last("resource");
    let all = PUBLISHED
        .iter()
        .filter(|(resource, _)| asked.is_none_or(|asked| asked == *resource))
        .map(|(resource, filters)| json!({"resource": resource, "filters": filters}));
    Ok(Answer::of(
        &json!({"resource_filters": all.collect::<Vec<Value>>()}),
    ))
}
