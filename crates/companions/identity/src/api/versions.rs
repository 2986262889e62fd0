//! Version documents, readable without a token.

use serde_json::{Value, json};

use crate::fault::Answer;
use crate::frame::{Ctx, reply};

/// `GET /`: 300, since a client has to choose, even among one.
pub async fn all(ctx: Ctx) -> Answer {
    let body = json!({"versions": {"values": [v3(&ctx)]}});
    Ok(reply(body))
}

/// `GET /v3`.
pub async fn one(ctx: Ctx) -> Answer {
    Ok(reply(json!({"version": v3(&ctx)})))
}

/// 3.14 is the last version of the Identity API (Ussuri); later additions did not change it.
fn v3(ctx: &Ctx) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", ctx.base)}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}
