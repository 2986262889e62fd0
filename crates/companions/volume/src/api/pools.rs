//! Pools of back ends, as the scheduler sees them.

use microversion::Version;
use rest::Answer;
use serde_json::{Value, json};

use super::{Call, has};
use crate::fault::Fault;
use crate::hosts;
use crate::listing::truthy;
use crate::policy::{self, version};
use crate::schedule::{Wanted, fits};
use crate::service::Volumes;

/// What the query may say, and since when it means something.
pub const KNOWN: [(&str, Version); 3] = [
    ("detail", version(0)),
    ("name", version(28)),
    ("volume_type", version(35)),
];

/// `GET /scheduler-stats/get_pools`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let query = call.pairs();
    let detail = query.last("detail").is_some_and(truthy);
    let name = query.last("name").filter(|_| has(&call, version(28)));
    let kind = match query
        .last("volume_type")
        .filter(|_| has(&call, version(35)))
    {
        Some(kind) => Some(super::types::find_any(&volumes, &call.cx, kind).await?),
        None => None,
    };
    if has(&call, version(31)) {
        let wrong: Vec<&str> = query
            .0
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| !KNOWN.iter().any(|(known, _)| known == key))
            .collect();
        if !wrong.is_empty() {
            return Err(Fault::BadRequest(format!(
                "Invalid filters {} are found in query options.",
                wrong.join(",")
            )));
        }
    }
    let pools = hosts::pools(volumes.db().read()).await?;
    let of_type = |pool: &crate::schedule::Pool| match &kind {
        Some(kind) => fits(
            pool,
            &Wanted {
                size: 0,
                zones: &[],
                specs: &kind.specs,
            },
        ),
        None => true,
    };
    let all = pools
        .iter()
        .filter(|pool| name.is_none_or(|name| pool.name == name))
        .filter(|pool| of_type(pool))
        .map(|pool| match detail {
            true => json!({"name": pool.name, "capabilities": pool.capabilities}),
            false => json!({"name": pool.name}),
        });
    Ok(Answer::of(&json!({"pools": all.collect::<Vec<Value>>()})))
}
