//! Images under compute's own old routes, through the image service and in the caller's name.

use std::collections::BTreeMap;

use clients::ClientError;
pub use clients::image::Image;
use clients::image::{self as glance, segment};
use compute_db::quotas;
use compute_model::quota::Resource;
use http::Method;
use serde_json::{Value, json};

use crate::{Context, Control, ControlError, Result};

/// What a list is asked for: filters in the image service's words, and a page.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub filters: Vec<(String, String)>,
    pub marker: Option<String>,
    pub limit: u64,
}

/// The images that the caller sees, the newest first.
///
/// # Errors
/// 400 for a marker that is no image and for values that a filter cannot have.
pub async fn list(control: &Control, cx: &Context, wanted: &Wanted) -> Result<Vec<Image>> {
    let filters: Vec<_> = wanted
        .filters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let most = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let marker = wanted.marker.as_deref();
    let found = glance::list(&control.image, cx.token(), &filters, marker, most).await;
    found.map_err(refused)
}

/// One image.
///
/// # Errors
/// 404.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Image> {
    let found = glance::show(&control.image, cx.token(), id).await;
    found.map_err(refused)
}

/// Removes an image.
///
/// # Errors
/// 404; 403 for one of another project, and for one that is protected.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let path = format!("/v2/images/{}", segment(id));
    let gone = control
        .image
        .json::<Value>(Method::DELETE, &path, cx.token(), None);
    gone.await.map_err(refused)?;
    Ok(())
}

/// How new properties stand to those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// They are added, or replace others of their names.
    Merge,
    /// They are all that is left.
    Replace,
}

/// Writes properties; gives all of the image.
///
/// # Errors
/// 404; 403 by policy of the image service, and for more properties than a project's quota of metadata items.
pub async fn write(
    control: &Control,
    cx: &Context,
    id: &str,
    new: &BTreeMap<String, String>,
    how: Write,
) -> Result<BTreeMap<String, String>> {
    let image = show(control, cx, id).await?;
    let old = image.properties();
    if let Some(name) = new.keys().find(|name| glance::is_attribute(name)) {
        return Err(ControlError::Forbidden {
            why: format!("Attribute '{name}' is read-only."),
        });
    }
    let mut all = match how {
        Write::Merge => old.clone(),
        Write::Replace => BTreeMap::new(),
    };
    all.extend(new.clone());
    fit(control, cx, all.len()).await?;
    let image = glance::patch(&control.image, cx.token(), id, &changes(&old, &all)).await;
    Ok(image.map_err(refused)?.properties())
}

/// Removes a property.
///
/// # Errors
/// 404 for image or property; 403 by policy of the image service.
pub async fn remove(control: &Control, cx: &Context, id: &str, name: &str) -> Result<()> {
    let image = show(control, cx, id).await?;
    let old = image.properties();
    let mut rest = old.clone();
    if rest.remove(name).is_none() {
        return Err(ControlError::NotFound {
            why: "Invalid metadata key".to_owned(),
        });
    }
    let changed = glance::patch(&control.image, cx.token(), id, &changes(&old, &rest)).await;
    changed.map_err(refused)?;
    Ok(())
}

/// The JSON patch that makes of these properties those.
fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Value {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let gone = gone.map(|name| json!({"op": "remove", "path": pointer(name)}));
    let set = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value));
    let set = set.map(|(name, value)| json!({"op": "add", "path": pointer(name), "value": value}));
    gone.chain(set).collect()
}

/// A name as a JSON pointer (RFC 6901).
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Nova counts properties of images as it counts metadata of servers.
async fn fit(control: &Control, cx: &Context, items: usize) -> Result<()> {
    let owner = quotas::Owner::Project(cx.caller.project_id.as_deref().unwrap_or_default());
    let limits = quotas::limits(control.db.read(), &control.settings.quotas, owner).await?;
    let limit = limits[&Resource::MetadataItems];
    match limit != -1 && i64::try_from(items).unwrap_or(i64::MAX) > limit {
        true => Err(ControlError::Forbidden {
            why: "Image metadata limit exceeded".to_owned(),
        }),
        false => Ok(()),
    }
}

fn refused(error: ClientError) -> ControlError {
    super::refused(error, "Image not found.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_patch_says_only_what_changes() {
        let old = map(&[("kept", "1"), ("changed", "1"), ("gone/~", "1")]);
        let new = map(&[("kept", "1"), ("changed", "2"), ("new", "1")]);
        let wanted = json!([
            {"op": "remove", "path": "/gone~1~0"},
            {"op": "add", "path": "/changed", "value": "2"},
            {"op": "add", "path": "/new", "value": "1"},
        ]);
        assert_eq!(changes(&old, &new), wanted);
        assert_eq!(changes(&old, &old), json!([]));
    }
}
