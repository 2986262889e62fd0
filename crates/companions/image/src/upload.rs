//! How data gets into an image: upload, staging, and the common end of both and of imports.
//!
//! An upload claims the image by compare-and-set (`queued` → `saving`) under a fresh data name,
//! receives into `incoming/`, lets the inspector decide, moves the file to its place and only then
//! calls the image active, again by compare-and-set on that data name. Whatever fails on the way
//! returns the image to `queued` and leaves no file. The work runs in its own task, so that it ends
//! properly also when the client goes away.

use std::path::{Path, PathBuf};

use axum::body::Body;
use uuid::Uuid;
use web::Caller;

use crate::db;
use crate::db::images::Filled;
use crate::fault::Fault;
use crate::model::{Image, no_way};
use crate::quota::Allowance;
use crate::receive::{Transfer, deleted, full, receive, too_large, unwritten};
use crate::service::Images;
use crate::store::{Incoming, Place, Store};
use crate::tables::{Status, image};
use crate::transfers::apart;
use disk_image::{Declared, Inspected, Refusal};

/// Receives the data of an image; afterwards it is active.
pub async fn upload(
    images: &Images,
    caller: &Caller,
    image: &Image,
    body: Body,
    length: Option<u64>,
) -> Result<(), Fault> {
    formats_set(&image.row)?;
    unsigned(image)?;
    let mut transfer = claim(images, caller, &image.row, Status::Saving, length).await?;
    let (images, row) = (images.clone(), image.row.clone());
    let work = tokio::spawn(async move {
        let ended = receive_all(&images, &row, &mut transfer, body).await;
        if ended.is_err() {
            give_up(&images, &row.id, &transfer.data).await;
        }
        ended
    });
    work.await
        .unwrap_or(Err(Fault::Internal("an upload task ended abnormally")))
}

/// Receives data into the staging area, for an import by `glance-direct`.
pub async fn stage(
    images: &Images,
    caller: &Caller,
    image: &Image,
    body: Body,
    length: Option<u64>,
) -> Result<(), Fault> {
    unsigned(image)?;
    let mut transfer = claim(images, caller, &image.row, Status::Uploading, length).await?;
    let images = images.clone();
    let work = tokio::spawn(async move {
        let ended = receive_staged(&images, &mut transfer, body).await;
        if ended.is_err() {
            give_up(&images, &transfer.id, &transfer.data).await;
        }
        ended
    });
    work.await
        .unwrap_or(Err(Fault::Internal("a staging task ended abnormally")))
}

/// The image can take data only when it says what the data will be.
pub fn formats_set(row: &image::Model) -> Result<(), Fault> {
    let missing: Vec<_> = [
        ("disk_format", &row.disk_format),
        ("container_format", &row.container_format),
    ]
    .into_iter()
    .filter(|(_, value)| value.is_none())
    .map(|(name, _)| name)
    .collect();
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(Fault::BadRequest(format!(
            "Property {one} must be set prior to saving data."
        ))),
        more => Err(Fault::BadRequest(format!(
            "Properties {} must be set prior to saving data.",
            more.join(", ")
        ))),
    }
}

/// The properties of a signed image. One that has them all promises that its data was verified.
const SIGNATURE: [&str; 4] = [
    "img_signature",
    "img_signature_certificate_uuid",
    "img_signature_hash_method",
    "img_signature_key_type",
];

/// Refuses data for an image that is signed: nothing would verify it.
pub fn unsigned(image: &Image) -> Result<(), Fault> {
    match SIGNATURE
        .iter()
        .all(|name| image.properties.contains_key(*name))
    {
        true => Err(Fault::NotBuilt(
            "The image is signed (img_signature), and signatures of images are not verified."
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// Whose transfers are counted together: the project's that sends, or those of a user without one.
pub fn sender(caller: &Caller) -> &str {
    caller.project_id.as_deref().unwrap_or(&caller.user_id)
}

/// Claims a queued image for data that is about to come, if its owner's quota lets it.
async fn claim(
    images: &Images,
    caller: &Caller,
    row: &image::Model,
    to: Status,
    length: Option<u64>,
) -> Result<Transfer, Fault> {
    if let Some(length) = length {
        announced(images, length)?;
    }
    let permit = images.transfers().begin(sender(caller))?;
    let allowance = Allowance::of(images, row.owner.as_deref()).await?;
    let data = Uuid::new_v4().to_string();
    let reserved = length.unwrap_or_default();
    let step = (Status::Queued, to);
    let claimed = sql::retry(|| async {
        let tx = images.db().begin().await?;
        if let Some(allowance) = &allowance {
            allowance.admit_data(&tx, to, length).await?;
        }
        let claimed = db::images::claim(&tx, &row.id, step, &data, reserved).await?;
        tx.commit().await?;
        Ok::<_, Fault>(claimed)
    })
    .await?;
    if claimed {
        return Ok(Transfer {
            id: row.id.clone(),
            data,
            status: to,
            allowance,
            reserved,
            _permit: permit,
        });
    }
    // Somebody was faster, or it never was queued: say which state stands in the way.
    match db::images::find(images.db().read(), &row.id).await? {
        Some(now) => Err(Fault::Conflict(no_way(now.row.status, to))),
        None => Err(Fault::no_image(&row.id)),
    }
}

/// Refuses an announced length that cannot be received, before anything is sent.
pub fn announced(images: &Images, length: u64) -> Result<(), Fault> {
    let cap = images.settings().size_cap;
    if length > cap {
        return Err(too_large(cap));
    }
    if !images.store().has_room(length)? {
        return Err(full());
    }
    Ok(())
}

async fn receive_all(
    images: &Images,
    row: &image::Model,
    transfer: &mut Transfer,
    body: Body,
) -> Result<(), Fault> {
    let incoming = receive(images, transfer, body.into_data_stream()).await?;
    publish(images, row, transfer, incoming).await
}

/// Inspects received data, moves it to its place and calls the image active.
pub async fn publish(
    images: &Images,
    row: &image::Model,
    transfer: &Transfer,
    incoming: Incoming,
) -> Result<(), Fault> {
    let found = inspected(images, row, incoming.path().to_owned()).await?;
    let filled = Filled {
        size: whole(incoming.size)?,
        virtual_size: found.virtual_size.map(whole).transpose()?,
        md5: incoming.md5.clone(),
        sha512: incoming.sha512.clone(),
    };
    let name = transfer.data.clone();
    in_store(images, move |store| {
        store.keep(incoming, Place::Published, &name).map(drop)
    })
    .await?;
    activate(images, row, &transfer.data, transfer.status, &filled).await
}

/// The last step: the file is in its place, the image becomes active.
pub async fn activate(
    images: &Images,
    row: &image::Model,
    data: &str,
    from: Status,
    filled: &Filled,
) -> Result<(), Fault> {
    let done = sql::retry(|| async {
        let done = db::images::fill(images.db().write(), &row.id, data, from, filled).await?;
        Ok::<_, Fault>(done)
    })
    .await?;
    if done {
        tracing::info!(image = row.id, size = filled.size, "image data is complete");
        return Ok(());
    }
    let name = data.to_owned();
    in_store(images, move |store| {
        store.remove(&name);
        Ok(())
    })
    .await?;
    Err(deleted(&row.id))
}

async fn receive_staged(images: &Images, transfer: &mut Transfer, body: Body) -> Result<(), Fault> {
    let incoming = receive(images, transfer, body.into_data_stream()).await?;
    let size = whole(incoming.size)?;
    let name = transfer.data.clone();
    in_store(images, move |store| {
        store.keep(incoming, Place::Staging, &name).map(drop)
    })
    .await?;
    let (id, data) = (&transfer.id, &transfer.data);
    if db::images::staged(images.db().write(), id, data, size).await? {
        return Ok(());
    }
    Err(Fault::no_image(id))
}

/// Returns the image to `queued` and removes what there is of its data.
pub async fn give_up(images: &Images, id: &str, data: &str) {
    let back = sql::retry(|| async {
        let done = db::images::give_up(images.db().write(), id, data).await?;
        Ok::<_, Fault>(done)
    });
    if let Err(error) = back.await {
        // The start of the service finds it: nothing else leaves `saving` without data.
        tracing::error!(image = id, %error, "cannot return the image to queued");
    }
    let name = data.to_owned();
    let removed = in_store(images, move |store| {
        store.remove(&name);
        Ok(())
    });
    if let Err(error) = removed.await {
        tracing::error!(image = id, %error, "cannot remove the data of a failed upload");
    }
}

/// Lets the inspector decide about a file.
pub async fn inspected(
    images: &Images,
    row: &image::Model,
    path: PathBuf,
) -> Result<Inspected, Fault> {
    let declared = Declared::new(
        row.disk_format.as_deref().unwrap_or_default(),
        row.container_format.as_deref().unwrap_or_default(),
    );
    let most = images.settings().max_virtual_size;
    match apart(move || inspect_file(&path, &declared, most)).await? {
        Ok(found) => Ok(found),
        Err(Refusal::Unreadable(error)) => Err(error.into()),
        Err(refusal) => {
            tracing::warn!(image = row.id, %refusal, "the inspector refused image data");
            Err(Fault::Unsupported(format!(
                "The image data is refused: {refusal}."
            )))
        }
    }
}

fn inspect_file(path: &Path, declared: &Declared, most: u64) -> Result<Inspected, Refusal> {
    let mut file = std::fs::File::open(path)?;
    disk_image::inspect(&mut file, declared, most)
}

/// Runs file work of a transfer where it may block.
pub async fn in_store<T, F>(images: &Images, work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> std::io::Result<T> + Send + 'static,
{
    let store = images.store().clone();
    apart(move || work(&store)).await?.map_err(unwritten)
}

/// Sizes in the database are signed.
pub fn whole(size: u64) -> Result<i64, Fault> {
    i64::try_from(size).map_err(|_| Fault::TooLarge("The image is too large.".to_owned()))
}
