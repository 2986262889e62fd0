//! Tags: short words to find servers by.

use super::{edit, editable, load};
use crate::{Context, Control, ControlError, Result};

/// The most tags that a server has.
pub const LIMIT: usize = 50;

/// All tags.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<Vec<String>> {
    Ok(load(control, cx, id).await?.tags)
}

/// Whether the server has this tag: an answer without content.
///
/// # Errors
/// 404 for server or tag, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str, tag: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    match server.tags.iter().any(|one| one == tag) {
        true => Ok(()),
        false => Err(ControlError::NotFound {
            why: format!("Server {id} has no tag '{tag}'"),
        }),
    }
}

/// Adds a tag; tells whether it is new.
///
/// # Errors
/// 400 above the limit, 404, 403 by policy, 409 by state.
pub async fn add(control: &Control, cx: &Context, id: &str, tag: &str) -> Result<bool> {
    let (_, new) = edit(control, cx, id, None, |server| {
        editable(server, "update tag")?;
        if server.tags.iter().any(|one| one == tag) {
            return Ok(false);
        }
        if server.tags.len() >= LIMIT {
            return Err(ControlError::Invalid {
                why: format!("The number of tags exceeded the per-server limit {LIMIT}"),
            });
        }
        server.tags.push(tag.to_owned());
        Ok(true)
    })
    .await?;
    Ok(new)
}

/// Replaces all tags.
///
/// # Errors
/// 404, 403 by policy, 409 by state.
pub async fn replace(
    control: &Control,
    cx: &Context,
    id: &str,
    tags: &[String],
) -> Result<Vec<String>> {
    let (server, ()) = edit(control, cx, id, None, |server| {
        editable(server, "update tags")?;
        server.tags.clear();
        for tag in tags {
            if !server.tags.contains(tag) {
                server.tags.push(tag.clone());
            }
        }
        Ok(())
    })
    .await?;
    Ok(server.tags)
}

/// Removes one tag.
///
/// # Errors
/// 404 for server or tag, 403 by policy, 409 by state.
pub async fn delete(control: &Control, cx: &Context, id: &str, tag: &str) -> Result<()> {
    edit(control, cx, id, None, |server| {
        editable(server, "delete tag")?;
        let before = server.tags.len();
        server.tags.retain(|one| one != tag);
        match server.tags.len() == before {
            true => Err(ControlError::NotFound {
                why: format!("Instance {id} has no tag '{tag}'"),
            }),
            false => Ok(()),
        }
    })
    .await?;
    Ok(())
}

/// Removes all tags.
///
/// # Errors
/// 404, 403 by policy, 409 by state.
pub async fn clear(control: &Control, cx: &Context, id: &str) -> Result<()> {
    edit(control, cx, id, None, |server| {
        editable(server, "delete tags")?;
        server.tags.clear();
        Ok(())
    })
    .await?;
    Ok(())
}
