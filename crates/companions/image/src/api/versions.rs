//! Version documents.

use std::sync::Arc;

use rest::Answer;
use serde_json::{Value, json};
use web::BaseUrl;

use crate::call::Face;
use crate::fault::Fault;

/// The versions that Glance lists, newest first; all are the same API here. 2.8 to 2.13 say that
/// there are stores (one), 2.15 and 2.14 that there is a cache: those are left out.
const VERSIONS: [&str; 14] = [
    "2.13", "2.12", "2.11", "2.10", "2.9", "2.8", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1",
    "2.0",
];

/// `GET /` and others: with several choices, 300 says so.
pub async fn list(_: Arc<Face>, call: rest::Call<()>) -> Result<Answer, Fault> {
    Ok(Answer::of(&document(&call.base)))
}

fn document(base: &BaseUrl) -> Value {
    let versions = VERSIONS.iter().enumerate().map(|(at, version)| {
        json!({
            "id": format!("v{version}"),
            "status": if at == 0 { "CURRENT" } else { "SUPPORTED" },
            "links": [{"rel": "self", "href": format!("{}/v2/", base.0)}],
        })
    });
    json!({"versions": versions.collect::<Vec<_>>()})
}
