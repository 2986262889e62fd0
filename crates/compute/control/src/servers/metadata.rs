//! The user's own keys and values.

use std::collections::BTreeMap;

use compute_db::quotas;
use compute_model::quota::Resource;

use super::{edit, editable, load, unlocked};
use crate::{Context, Control, ControlError, Result};

/// Keys and values.
pub type Metadata = BTreeMap<String, String>;

/// How new metadata meets what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Merge,
    Replace,
    /// One item of its own route.
    Item,
}

/// All metadata of a server.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<Metadata> {
    Ok(load(control, cx, id).await?.metadata)
}

/// One item.
///
/// # Errors
/// 404 for server or item, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str, key: &str) -> Result<String> {
    let mut server = load(control, cx, id).await?;
    server.metadata.remove(key).ok_or_else(no_item)
}

/// Writes metadata and gives all that is there afterwards.
///
/// # Errors
/// 404, 403 by policy and quota, 409 by state or lock.
pub async fn write(
    control: &Control,
    cx: &Context,
    id: &str,
    new: &Metadata,
    how: Write,
) -> Result<Metadata> {
    let limit = limit(control, cx).await?;
    let (server, ()) = edit(control, cx, id, None, |server| {
        unlocked(control, cx, server)?;
        editable(server, "update metadata")?;
        if how == Write::Replace {
            server.metadata.clone_from(new);
        } else {
            server.metadata.extend(new.clone());
        }
        let items = i64::try_from(server.metadata.len()).unwrap_or(i64::MAX);
        match limit != -1 && items > limit {
            true => Err(ControlError::Forbidden {
                why: format!("Maximum number of metadata items exceeds {limit}"),
            }),
            false => Ok(()),
        }
    })
    .await?;
    Ok(server.metadata)
}

async fn limit(control: &Control, cx: &Context) -> Result<i64> {
    let owner = quotas::Owner::Project(cx.caller.project_id.as_deref().unwrap_or_default());
    let limits = quotas::limits(control.db.read(), &control.settings.quotas, owner).await?;
    Ok(limits[&Resource::MetadataItems])
}

/// Removes one item.
///
/// # Errors
/// 404 for server or item, 403 by policy, 409 by state or lock.
pub async fn delete(control: &Control, cx: &Context, id: &str, key: &str) -> Result<()> {
    edit(control, cx, id, None, |server| {
        if !server.metadata.contains_key(key) {
            return Err(no_item());
        }
        unlocked(control, cx, server)?;
        editable(server, "delete metadata")?;
        server.metadata.remove(key);
        Ok(())
    })
    .await?;
    Ok(())
}

fn no_item() -> ControlError {
    ControlError::NotFound {
        why: "Metadata item was not found".to_owned(),
    }
}
