//! Images: create, list, show, update, delete.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use http::{HeaderName, header};
use rest::Answer;
use serde_json::{Value, json};
use uuid::Uuid;
use web::Caller;

use super::{Call, Cx, document, find, find_by};
use crate::attributes;
use crate::db;
use crate::fault::Fault;
use crate::import::METHODS;
use crate::listing::{Listing, Pages};
use crate::model::{Image, STORE};
use crate::patch::{self, Change};
use crate::policy;
use crate::quota::Allowance;
use crate::service::Images;
use crate::store::Place;
use crate::tables::{Status, Visibility, Word, image};
use crate::view;

const IMPORT_METHODS: HeaderName = HeaderName::from_static("openstack-image-import-methods");
const STORE_IDS: HeaderName = HeaderName::from_static("openstack-image-store-ids");

/// `POST /v2/images`.
pub async fn create(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let body = document(&call)?;
    let image = described(body, &cx.caller, &images)?;
    let target = policy::target(&image.row, &cx.caller, false);
    if !images.policy().is_admin(cx.caller.as_ref()) && image.row.owner != cx.caller.project_id {
        return Err(Fault::Forbidden(format!(
            "You are not permitted to create images owned by '{}'.",
            image.row.owner.as_deref().unwrap_or_default()
        )));
    }
    policy::allow(&images, cx, &target)?;
    policy::visibility(&images, &cx.caller, &target, image.row.visibility)?;
    attributes::limits(&image, images.settings())?;
    add(&images, &image).await?;
    Ok(Answer::of(&shown(&images, &cx.caller, &image))
        .with_location(&format!("/v2/images/{}", image.row.id))
        .with_header(IMPORT_METHODS, &METHODS.join(","))
        .with_header(STORE_IDS, STORE))
}

/// The image that a create request describes.
fn described(body: &Value, caller: &Caller, images: &Images) -> Result<Image, Fault> {
    let Some(body) = body.as_object() else {
        return Err(Fault::BadRequest(
            "Body expected in request: a JSON object.".to_owned(),
        ));
    };
    let now = sql::micros(Utc::now());
    let mut image = Image {
        row: image::Model {
            id: Uuid::new_v4().to_string(),
            name: None,
            status: Status::Queued,
            visibility: Visibility::Shared,
            owner: caller.project_id.clone(),
            disk_format: None,
            container_format: None,
            size: None,
            virtual_size: None,
            min_disk: 0,
            min_ram: 0,
            protected: false,
            os_hidden: false,
            checksum: None,
            os_hash_algo: None,
            os_hash_value: None,
            data: None,
            reserved: None,
            created_at: now,
            updated_at: now,
        },
        properties: BTreeMap::new(),
        tags: BTreeSet::new(),
    };
    for (name, value) in body {
        attributes::writable(name, true)?;
        attributes::check(name, value, images.settings())?;
        attributes::assign(&mut image, name, value);
    }
    Ok(image)
}

async fn add(images: &Images, image: &Image) -> Result<(), Fault> {
    let taken = || Fault::Conflict(format!("Image ID {} already exists!", image.row.id));
    let allowance = Allowance::of(images, image.row.owner.as_deref()).await?;
    let added = sql::retry(|| async {
        let tx = images.db().begin().await?;
        if let Some(allowance) = &allowance {
            allowance.admit_image(&tx).await?;
        }
        db::images::add(&tx, image).await?;
        // Asked afterwards: the row waited for whoever was just deleting the image of this id.
        if db::gone::is_gone(&tx, &image.row.id).await? {
            return Err(taken());
        }
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match added {
        Err(Fault::Database(error)) if error.is_duplicate() => Err(taken()),
        other => other,
    }
}

/// `GET /v2/images`.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let query = call.pairs();
    let target = policy::owned_by(cx.caller.project_id.as_deref());
    policy::allow(&images, cx, &target)?;
    let listing = Listing::parse(&query, Pages::of(images.settings()))?;
    let db = images.db().read();
    let marker = match &listing.marker {
        None => None,
        Some(id) => match find_by(&images, &cx.caller, id, "get_image").await {
            Ok(seen) => Some(seen.image.row),
            Err(fault) => return Err(fault.of_marker()),
        },
    };
    let rows = match listing.limit {
        0 => Vec::new(),
        _ => {
            db::listing::page(
                db,
                &listing,
                &policy::viewer(&images, &cx.caller),
                marker.as_ref(),
            )
            .await?
        }
    };
    let full = !rows.is_empty() && rows.len() as u64 == listing.limit;
    let last = rows.last().map(|row| row.id.clone());
    let mut found = db::images::gather(db, rows).await?;
    // As in Glance, each is also asked about by itself.
    found.retain(|image| policy::lists(&images, &cx.caller, &image.row));
    let mut body = json!({
        "images": found.iter().map(|image| shown(&images, &cx.caller, image)).collect::<Vec<_>>(),
        "schema": "/v2/schemas/images",
    });
    let last = last.as_deref().filter(|_| full);
    super::link_pages(&mut body, "/v2/images", &query, last);
    Ok(Answer::of(&body))
}

/// `GET /v2/images/{id}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let seen = find(&images, cx, id).await?;
    Ok(Answer::of(&shown(&images, &cx.caller, &seen.image)))
}

/// The view of an image; where its data lies is told to administrators and services only.
fn shown(images: &Images, caller: &Caller, image: &Image) -> Value {
    let service = caller
        .service_roles
        .iter()
        .any(|role| role.eq_ignore_ascii_case("service"));
    let told = images.settings().show_direct_url
        && (service
            || policy::allow_rule(
                images,
                "get_image_location",
                caller,
                &policy::owned_by(image.row.owner.as_deref()),
            )
            .is_ok());
    let url = images
        .published(&image.row)
        .filter(|_| told)
        .and_then(|path| url::Url::from_file_path(path).ok());
    view::image(image, url.map(String::from))
}

/// `PATCH /v2/images/{id}`.
pub async fn update(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let headers = &call.headers;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let draft = patch::draft(kind.unwrap_or_default())?;
    let changes = patch::parse(document(&call)?, draft, images.settings())?;
    let seen = find(&images, cx, id).await?;
    if changes.is_empty() {
        return Ok(Answer::of(&shown(&images, &cx.caller, &seen.image)));
    }
    let changed = sql::retry(|| change(&images, cx, id, &changes)).await?;
    Ok(Answer::of(&shown(&images, &cx.caller, &changed)))
}

/// Applies all changes or none, on the image as it is now.
async fn change(images: &Images, cx: &Cx, id: &str, changes: &[Change]) -> Result<Image, Fault> {
    let tx = images.db().begin().await?;
    let mut image = db::images::locked(&tx, id)
        .await?
        .ok_or_else(|| Fault::no_image(id))?;
    // The owner may have changed since the image was found: ask about the locked one.
    let locked = image.row.clone();
    let target = policy::target(&locked, &cx.caller, false);
    policy::allow(images, cx, &target)?;
    for change in changes {
        if change.name == "owner" && !images.policy().is_admin(cx.caller.as_ref()) {
            return Err(Fault::Forbidden(
                "Owner can't be updated by non admin.".to_owned(),
            ));
        }
        let wanted = change.value.as_str().and_then(Visibility::from_word);
        if let Some(wanted) = wanted.filter(|_| change.name == "visibility") {
            policy::visibility(images, &cx.caller, &target, wanted)?;
        }
        patch::apply(&mut image, change)?;
    }
    attributes::limits(&image, images.settings())?;
    image.row.updated_at = sql::micros(Utc::now());
    db::images::save(&tx, &image).await?;
    tx.commit().await?;
    Ok(image)
}

/// `DELETE /v2/images/{id}`.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let seen = find(&images, cx, id).await?;
    let protected = || Fault::Forbidden(format!("Image {id} is protected and cannot be deleted."));
    if seen.image.row.protected {
        return Err(protected());
    }
    let (images, id) = (images.clone(), id.to_owned());
    // A task of its own: whoever asked may be gone before the file is.
    let removed = tokio::spawn(async move { remove(&images, &id).await }).await;
    match removed.map_err(|_| Fault::Internal("a removal ended abnormally"))?? {
        true => Ok(Answer::empty()),
        false => Err(protected()),
    }
}

/// Removes an image, then its data; false for one that became protected meanwhile.
async fn remove(images: &Images, id: &str) -> Result<bool, Fault> {
    // The row first: a file without image is found at the next start, the reverse is a lie.
    let gone = sql::retry(|| async {
        let tx = images.db().begin().await?;
        let row = db::images::locked(&tx, id).await?;
        let gone = db::images::remove(&tx, id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(row.map(|row| (row, gone)))
    })
    .await?;
    let (image, gone) = gone.ok_or_else(|| Fault::no_image(id))?;
    // Data that is still coming in is removed by the upload when it finds the image gone.
    if let Some(data) = image.row.data.filter(|_| gone) {
        let store = images.store().clone();
        let removed = tokio::task::spawn_blocking(move || {
            store.remove_from(Place::Staging, &data);
            store.remove_from(Place::Published, &data);
        });
        removed
            .await
            .map_err(|_| Fault::Internal("a removal ended abnormally"))?;
    }
    Ok(gone)
}
