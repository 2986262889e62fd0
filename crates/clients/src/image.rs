//! Glance: what compute needs of images.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Reply, Result, Service};

/// An image's record.
#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    pub status: String,
    #[serde(default)]
    pub disk_format: Option<String>,
    #[serde(default)]
    pub container_format: Option<String>,
    /// Bytes; none before the upload.
    #[serde(default)]
    pub size: Option<u64>,
    #[serde(default)]
    pub virtual_size: Option<u64>,
    /// GiB.
    #[serde(default)]
    pub min_disk: u32,
    /// MiB.
    #[serde(default)]
    pub min_ram: u32,
    /// The whole-file digest, by the algorithm named beside it.
    #[serde(default)]
    pub os_hash_value: Option<String>,
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    /// Where the file lies, when the service tells (only to services on the same machine).
    #[serde(default)]
    pub direct_url: Option<String>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// Members that are no custom properties although this client does not read them.
const BASE: &[&str] = &[
    "checksum",
    "created_at",
    "file",
    "id",
    "locations",
    "member_status",
    "os_hidden",
    "owner",
    "protected",
    "schema",
    "self",
    "stores",
    "tags",
    "updated_at",
    "visibility",
];

/// Members that this client reads.
const READ: &[&str] = &[
    "container_format",
    "direct_url",
    "disk_format",
    "min_disk",
    "min_ram",
    "name",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "status",
    "virtual_size",
];

/// Whether this is an attribute of every image, which no property can be.
pub fn is_attribute(name: &str) -> bool {
    BASE.contains(&name) || READ.contains(&name)
}

impl Image {
    /// Custom properties: `hw_*`, `os_*` and others, as text.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let custom = self
            .rest
            .iter()
            .filter(|(name, _)| !BASE.contains(&name.as_str()));
        custom
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some((name.clone(), text.clone())),
                Value::Null => None,
                other => Some((name.clone(), other.to_string())),
            })
            .collect()
    }
}

/// One image.
///
/// # Errors
/// 404 for one that does not exist or that the caller may not see.
pub async fn show(service: &Service, token: &str, id: &str) -> Result<Image> {
    service
        .json(
            Method::GET,
            &format!("/v2/images/{}", segment(id)),
            token,
            None,
        )
        .await
}

/// The data of an image, to be read as it comes. Status 204 means that there is none.
pub async fn download(service: &Service, token: &str, id: &str) -> Result<Reply> {
    let path = format!("/v2/images/{}/file", segment(id));
    let headers = [("x-auth-token", token), ("accept", "*/*")];
    service
        .send(Method::GET, &path, &headers, Bytes::new())
        .await?
        .accepted()
        .await
}

/// A new image without data. `record` is the body: its attributes and properties.
///
/// # Errors
/// 409 when there is one of this id, 403 and 413 by policy and quota.
pub async fn create(service: &Service, token: &str, record: &Value) -> Result<Image> {
    service
        .json(Method::POST, "/v2/images", token, Some(record))
        .await
}

/// Gives an image its data, of which the service may take as long as `time` says.
///
/// # Errors
/// 409 when it has data already; 413 when there is no room for it.
pub async fn upload(
    service: &Service,
    token: &str,
    id: &str,
    data: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    time: Duration,
) -> Result<()> {
    let path = format!("/v2/images/{}/file", segment(id));
    let headers = [
        ("x-auth-token", token),
        ("content-type", "application/octet-stream"),
    ];
    let answer = service.stream(Method::PUT, &path, &headers, Body::from_stream(data), time);
    answer.await?.accepted().await?;
    Ok(())
}

/// Gives an image no data: it stands for what its properties name, and is active then.
///
/// # Errors
/// 409 when it has data already.
pub async fn upload_nothing(service: &Service, token: &str, id: &str) -> Result<()> {
    let path = format!("/v2/images/{}/file", segment(id));
    let headers = [
        ("x-auth-token", token),
        ("content-type", "application/octet-stream"),
    ];
    let answer = service.send(Method::PUT, &path, &headers, Bytes::new());
    answer.await?.accepted().await?;
    Ok(())
}

/// Gives an image these properties, whether or not it has them.
///
/// # Errors
/// 403 and 413 by policy and quota, 404.
pub async fn describe(
    service: &Service,
    token: &str,
    id: &str,
    properties: &BTreeMap<String, String>,
) -> Result<()> {
    let operations = properties
        .iter()
        .map(|(name, value)| json!({"op": "add", "path": format!("/{name}"), "value": value}));
    patch(service, token, id, &Value::Array(operations.collect()))
        .await
        .map(drop)
}

/// Removes an image; one that is gone is success.
pub async fn delete(service: &Service, token: &str, id: &str) -> Result<()> {
    let path = format!("/v2/images/{}", segment(id));
    let gone = service.json::<Value>(Method::DELETE, &path, token, None);
    match gone.await {
        Err(error) if error.status() == Some(http::StatusCode::NOT_FOUND) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The images that have all these attributes and properties, the newest first.
pub async fn having(service: &Service, token: &str, wanted: &[(&str, &str)]) -> Result<Vec<Image>> {
    list(service, token, wanted, None, usize::MAX).await
}

/// At most `most` of the images that a query selects, the newest first, from behind the one that `marker` names.
///
/// # Errors
/// 400 for a marker that is no image, and for values that a filter cannot have.
pub async fn list(
    service: &Service,
    token: &str,
    wanted: &[(&str, &str)],
    marker: Option<&str>,
    most: usize,
) -> Result<Vec<Image>> {
    #[derive(Deserialize)]
    struct Page {
        images: Vec<Image>,
    }
    let mut found: Vec<Image> = Vec::new();
    while found.len() < most {
        let size = PAGE.min(most - found.len());
        let mut query = format!("?sort_key=created_at&sort_dir=desc&limit={size}");
        for (name, value) in wanted {
            query.push_str(&format!("&{}={}", segment(name), segment(value)));
        }
        let last = found.last().map(|image| image.id.as_str());
        if let Some(last) = last.or(marker) {
            query.push_str(&format!("&marker={}", segment(last)));
        }
        let path = format!("/v2/images{query}");
        let page: Page = service.json(Method::GET, &path, token, None).await?;
        let full = page.images.len() == size;
        found.extend(page.images);
        if !full {
            break;
        }
    }
    Ok(found)
}

/// Images asked for at once.
const PAGE: usize = 100;

/// Changes an image by a JSON patch (RFC 6902).
///
/// # Errors
/// 404, 403 by policy, 413 for too many properties.
pub async fn patch(service: &Service, token: &str, id: &str, changes: &Value) -> Result<Image> {
    let path = format!("/v2/images/{}", segment(id));
    let headers = [
        ("x-auth-token", token),
        (
            "content-type",
            "application/openstack-images-v2.1-json-patch",
        ),
    ];
    let body = Bytes::from(changes.to_string());
    let sent = service.send(Method::PATCH, &path, &headers, body);
    let answer = sent.await?.accepted().await?.bytes().await?;
    serde_json::from_slice(&answer).map_err(|error| service.unreadable(&error.to_string()))
}

/// An id as a path segment: whatever a user sent as an id must not leave its place in the path.
pub fn segment(id: &str) -> String {
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    match id {
        "." | ".." => "%2E".repeat(id.len()),
        other => utf8_percent_encode(other, KEEP).to_string(),
    }
}
