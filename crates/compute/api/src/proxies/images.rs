//! Images and their properties as compute had them, until 2.35 and 2.38; the image service keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::proxies::images::{self, Image, Wanted, Write};
use microversion::Versioned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::metadata::{ItemView, SetItem, SetMetadata};
use crate::paging;
use crate::words::{Limit, Link};

/// `GET /images`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "images").await?;
    let images = found.iter().map(|image| ImageSummary {
        id: &image.id,
        name: image.name.as_deref(),
        links: links(&call, &image.id),
    });
    call.render(&ImagePage {
        images: images.collect(),
        images_links: next,
    })
}

/// `GET /images/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "images/detail").await?;
    call.render(&ImagePage {
        images: found.iter().map(|image| view(&call, image)).collect(),
        images_links: next,
    })
}

/// `GET /images/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let image = images::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("image", &view(&call, &image))
}

/// `DELETE /images/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    images::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// `GET /images/{image_id}/metadata`.
pub async fn metadata(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let image = images::show(&api.control, &call.cx, call.path("image_id")).await?;
    call.render(&PropertiesView {
        metadata: properties(&image),
    })
}

/// `POST /images/{image_id}/metadata`.
pub async fn add_metadata(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    write(api, call, Write::Merge).await
}

/// `PUT /images/{image_id}/metadata`.
pub async fn replace_metadata(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    write(api, call, Write::Replace).await
}

async fn write(api: Arc<Api>, mut call: Call, how: Write) -> Result<Answer, Fault> {
    let SetMetadata { metadata } = call.admit()?;
    let (id, new) = (call.path("image_id"), metadata.into_map());
    let all = images::write(&api.control, &call.cx, id, &new, how).await?;
    call.render(&PropertiesView {
        metadata: all
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect(),
    })
}

/// `GET /images/{image_id}/metadata/{id}`.
pub async fn item(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let image = images::show(&api.control, &call.cx, call.path("image_id")).await?;
    let name = call.path("id");
    let value = image.properties().remove(name);
    let value = value.ok_or_else(|| Fault::not_found("The resource could not be found."))?;
    call.render(&ItemView {
        meta: BTreeMap::from([(name.to_owned(), value)]),
    })
}

/// `PUT /images/{image_id}/metadata/{id}`.
pub async fn set_item(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let SetItem { meta } = call.admit()?;
    let meta = meta.into_map();
    if !meta.contains_key(call.path("id")) {
        return Err(Fault::bad_request("Request body and URI mismatch"));
    }
    let id = call.path("image_id");
    images::write(&api.control, &call.cx, id, &meta, Write::Merge).await?;
    call.render(&ItemView { meta })
}

/// `DELETE /images/{image_id}/metadata/{id}`.
pub async fn remove_item(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, name) = (call.path("image_id"), call.path("id"));
    images::remove(&api.control, &call.cx, id, name).await?;
    Ok(Answer::empty())
}

/// Filters of compute's own list, and what the image service calls them (`nova.api.openstack.compute.images`).
/// `property-NAME` is a filter by that property.
pub const FILTERS: &[(&str, &str)] = &[
    ("name", "name"),
    ("status", "status"),
    ("changes-since", "updated_at"),
    ("server", "instance_uuid"),
    ("type", "image_type"),
    ("minRam", "min_ram"),
    ("minDisk", "min_disk"),
];

/// The images of a page, and the link to the next one.
async fn page(api: &Api, call: &Call, path: &str) -> Result<(Vec<Image>, Vec<Link>), Fault> {
    let asked: ListImages = call.admit_query()?;
    let size = paging::size(api, asked.limit.or(asked.page_size));
    let mut filters = Vec::new();
    for (name, value) in call.pairs().0 {
        let known = FILTERS.iter().find(|(known, _)| *known == name);
        let property = name.strip_prefix("property-");
        let Some(name) = known.map(|(_, name)| *name).or(property) else {
            continue;
        };
        filters.push((name.to_owned(), filter(name, value)));
    }
    let wanted = Wanted {
        filters,
        marker: asked.marker,
        limit: size,
    };
    let found = images::list(&api.control, &call.cx, &wanted).await?;
    let last = found.last().map(|image| image.id.as_str());
    let next = paging::next(call, path, size, found.len(), last);
    Ok((found, next.unwrap_or_default()))
}

/// A value as the image service reads it.
fn filter(name: &str, value: String) -> String {
    match name {
        "status" => value.to_lowercase(),
        "updated_at" => format!("gte:{value}"),
        // An address of the server does as well.
        "instance_uuid" => value.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => value,
    }
}

fn view<'v>(call: &Call, image: &'v Image) -> ImageView<'v> {
    let time = |name: &str| image.rest.get(name).and_then(Value::as_str);
    let metadata = properties(image);
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    let server = text("instance_uuid").map(|id| ServerOfImage {
        id: id.to_owned(),
        links: of(call, &format!("servers/{id}")),
    });
    let disk_config = text("auto_disk_config").map(|value| match truth(value) {
        true => "AUTO",
        false => "MANUAL",
    });
    let (status, progress) = status(&image.status);
    ImageView {
        id: &image.id,
        name: image.name.as_deref(),
        min_ram: image.min_ram,
        min_disk: image.min_disk,
        created: time("created_at"),
        updated: time("updated_at"),
        status,
        progress,
        size: image.size.unwrap_or(0),
        links: links(call, &image.id),
        server,
        disk_config,
        metadata,
    }
}

/// The words that `oslo.utils` takes for true.
fn truth(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    ["1", "t", "true", "on", "y", "yes"].contains(&text.as_str())
}

/// Compute's words for a state of the image service, and how far the image is, in per cent.
fn status(word: &str) -> (&'static str, u8) {
    match word {
        "active" => ("ACTIVE", 100),
        "queued" => ("SAVING", 25),
        "saving" => ("SAVING", 50),
        "deleted" | "pending_delete" => ("DELETED", 0),
        "killed" => ("ERROR", 0),
        _ => ("UNKNOWN", 0),
    }
}

/// Properties; those that hold lists are shown as lists.
fn properties(image: &Image) -> BTreeMap<String, Value> {
    let read = |name: &str, text: String| match name {
        "block_device_mapping" | "mappings" => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(text),
    };
    let all = image.properties().into_iter();
    all.map(|(name, text)| {
        let value = read(&name, text);
        (name, value)
    })
    .collect()
}

fn of(call: &Call, path: &str) -> Vec<Link> {
    vec![
        Link {
            rel: "self",
            href: call.link(path),
        },
        Link {
            rel: "bookmark",
            href: call.bookmark(path),
        },
    ]
}

fn links(call: &Call, id: &str) -> Vec<ImageLink> {
    let own = of(call, &format!("images/{id}")).into_iter();
    let own = own.map(|Link { rel, href }| ImageLink {
        rel,
        href,
        kind: None,
    });
    // Below the front door, where the embedded image service is.
    let base = call.base.0.trim_end_matches("/compute");
    let alternate = ImageLink {
        rel: "alternate",
        href: format!("{base}/image/images/{id}"),
        kind: Some("application/vnd.openstack.image"),
    };
    own.chain([alternate]).collect()
}

/// The parameters of the lists; filters beside them.
#[derive(Debug, Deserialize, Versioned)]
pub struct ListImages {
    pub limit: Option<Limit>,
    pub page_size: Option<Limit>,
    pub marker: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct ImagePage<T: Versioned> {
    pub images: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images_links: Vec<Link>,
}

#[derive(Serialize, Versioned)]
pub struct ImageSummary<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
    pub links: Vec<ImageLink>,
}

#[derive(Serialize, Versioned)]
pub struct ImageView<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
    #[mv(wire = "minRam")]
    pub min_ram: u32,
    #[mv(wire = "minDisk")]
    pub min_disk: u32,
    pub metadata: BTreeMap<String, Value>,
    pub created: Option<&'v str>,
    pub updated: Option<&'v str>,
    pub status: &'static str,
    /// Per cent.
    pub progress: u8,
    /// Bytes.
    #[mv(wire = "OS-EXT-IMG-SIZE:size")]
    pub size: u64,
    pub links: Vec<ImageLink>,
    /// The server that it was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerOfImage>,
    #[mv(wire = "OS-DCF:diskConfig")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_config: Option<&'static str>,
}

#[derive(Serialize, Versioned)]
pub struct ServerOfImage {
    pub id: String,
    pub links: Vec<Link>,
}

/// A link that may say what is behind it.
#[derive(Serialize, Versioned)]
pub struct ImageLink {
    pub rel: &'static str,
    pub href: String,
    #[mv(wire = "type")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

#[derive(Serialize, Versioned)]
pub struct PropertiesView {
    pub metadata: BTreeMap<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_said_in_the_image_services_words() {
        for (name, value, wanted) in [
            ("status", "ACTIVE", "active"),
            (
                "updated_at",
                "2026-01-01T00:00:00Z",
                "gte:2026-01-01T00:00:00Z",
            ),
            ("instance_uuid", "http://x/servers/5", "5"),
            ("name", "A", "A"),
        ] {
            assert_eq!(filter(name, value.to_owned()), wanted);
        }
    }
}
