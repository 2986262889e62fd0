//! Metadata of servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::servers::metadata::{self as control, Write};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{Metadata, NoQuery};

/// `GET …/metadata`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let metadata = control::list(&api.control, &call.cx, call.path("server_id")).await?;
    shown(&call, metadata)
}

/// `POST …/metadata`.
pub async fn create(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    write(api, call, Write::Merge).await
}

/// `PUT …/metadata`.
pub async fn update_all(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    write(api, call, Write::Replace).await
}

async fn write(api: Arc<Api>, mut call: Call, how: Write) -> Result<Answer, Fault> {
    let SetMetadata { metadata } = call.admit()?;
    let new = metadata.into_map();
    let id = call.path("server_id");
    let all = control::write(&api.control, &call.cx, id, &new, how).await?;
    shown(&call, all)
}

/// `GET …/metadata/{key}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let (id, key) = (call.path("server_id"), call.path("id"));
    let value = control::show(&api.control, &call.cx, id, key).await?;
    let meta = BTreeMap::from([(key.to_owned(), value)]);
    call.render(&ItemView { meta })
}

/// `PUT …/metadata/{key}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let SetItem { meta } = call.admit()?;
    let meta = meta.into_map();
    let (id, key) = (call.path("server_id"), call.path("id"));
    if !meta.contains_key(key) {
        return Err(Fault::bad_request("Request body and URI mismatch"));
    }
    control::write(&api.control, &call.cx, id, &meta, Write::Item).await?;
    call.render(&ItemView { meta })
}

/// `DELETE …/metadata/{key}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, key) = (call.path("server_id"), call.path("id"));
    control::delete(&api.control, &call.cx, id, key).await?;
    Ok(Answer::empty())
}

fn shown(call: &Call, metadata: BTreeMap<String, String>) -> Result<Answer, Fault> {
    call.render(&MetadataView { metadata })
}

#[derive(Serialize, Versioned)]
pub struct MetadataView {
    pub metadata: BTreeMap<String, String>,
}

#[derive(Serialize, Versioned)]
pub struct ItemView {
    /// One pair.
    pub meta: BTreeMap<String, String>,
}

/// The body of `POST` (merge) and `PUT` (replace).
#[derive(Debug, Deserialize, Versioned)]
pub struct SetMetadata {
    pub metadata: Metadata,
}

/// The body of `PUT …/metadata/{key}`.
#[derive(Debug, Deserialize, Versioned)]
pub struct SetItem {
    /// Exactly one pair, whose key must be the one in the path.
    #[mv(min_properties = 1, max_properties = 1)]
    pub meta: Metadata,
}
