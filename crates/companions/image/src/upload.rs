//! How data gets into an image: upload, staging, and the common end of both and of imports.
//!
//! An upload claims the image by compare-and-set (`queued` → `saving`) under a fresh data name,
//! receives into `incoming/`, lets the inspector decide, moves the file to its place and only then
//! calls the image active, again by compare-and-set on that data name. Whatever fails on the way
//! returns the image to `queued` and leaves no file. The work runs in its own task, so that it ends
//! properly also when the client goes away.

use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use futures::Stream;
use uuid::Uuid;

use crate::db;
use crate::db::images::Filled;
use crate::fault::Fault;
use crate::model::{Image, no_way};
use crate::service::Images;
use crate::store::{Incoming, Limits, Place, ReceiveError, Store, is_full};
use crate::tables::{Status, image};
use disk_image::{Declared, Inspected, Refusal};

/// Receives the data of an image; afterwards it is active.
pub async fn upload(
    images: &Images,
    image: &Image,
    body: Body,
    length: Option<u64>,
) -> Result<(), Fault> {
    formats_set(&image.row)?;
    let data = claim(images, &image.row, Status::Saving, length).await?;
    let (images, row) = (images.clone(), image.row.clone());
    let work = tokio::spawn(async move {
        let ended = receive_all(&images, &row, &data, body.into_data_stream()).await;
        if ended.is_err() {
            give_up(&images, &row.id, &data).await;
        }
        ended
    });
    work.await
        .unwrap_or(Err(Fault::Internal("an upload task ended abnormally")))
}

/// Receives data into the staging area, for an import by `glance-direct`.
pub async fn stage(
    images: &Images,
    image: &Image,
    body: Body,
    length: Option<u64>,
) -> Result<(), Fault> {
    let data = claim(images, &image.row, Status::Uploading, length).await?;
    let (images, id) = (images.clone(), image.row.id.clone());
    let work = tokio::spawn(async move {
        let ended = receive_staged(&images, &id, &data, body).await;
        if ended.is_err() {
            give_up(&images, &id, &data).await;
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

async fn claim(
    images: &Images,
    row: &image::Model,
    to: Status,
    length: Option<u64>,
) -> Result<String, Fault> {
    if let Some(length) = length {
        announced(images, length)?;
    }
    let data = Uuid::new_v4().to_string();
    let step = (Status::Queued, to);
    if db::images::claim(images.db().write(), &row.id, step, &data).await? {
        return Ok(data);
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
        return Err(received(ReceiveError::TooLarge(cap)));
    }
    if !images.store().has_room(length)? {
        return Err(received(ReceiveError::Full));
    }
    Ok(())
}

async fn receive_all<S, E>(
    images: &Images,
    row: &image::Model,
    data: &str,
    stream: S,
) -> Result<(), Fault>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let incoming = receive(images, data, stream).await?;
    publish(images, row, data, incoming, Status::Saving).await
}

/// Receives a stream within the limits of the settings.
pub async fn receive<S, E>(images: &Images, data: &str, stream: S) -> Result<Incoming, Fault>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let limits = Limits {
        size: images.settings().size_cap,
        idle: images.settings().idle_timeout,
    };
    let incoming = images.store().receive(data, stream, limits).await;
    incoming.map_err(received)
}

/// Inspects received data, moves it to its place and calls the image active.
pub async fn publish(
    images: &Images,
    row: &image::Model,
    data: &str,
    incoming: Incoming,
    from: Status,
) -> Result<(), Fault> {
    let found = inspected(images, row, incoming.path().to_owned()).await?;
    let filled = Filled {
        size: whole(incoming.size)?,
        virtual_size: found.virtual_size.map(whole).transpose()?,
        md5: incoming.md5.clone(),
        sha512: incoming.sha512.clone(),
    };
    let name = data.to_owned();
    in_store(images, move |store| {
        store.keep(incoming, Place::Published, &name).map(drop)
    })
    .await?;
    activate(images, row, data, from, &filled).await
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
    Err(Fault::Gone(format!(
        "Image {} could not be found after upload. The image may have been deleted during the \
         upload, cleaning up the chunks uploaded.",
        row.id
    )))
}

async fn receive_staged(images: &Images, id: &str, data: &str, body: Body) -> Result<(), Fault> {
    let incoming = receive(images, data, body.into_data_stream()).await?;
    let size = whole(incoming.size)?;
    let name = data.to_owned();
    in_store(images, move |store| {
        store.keep(incoming, Place::Staging, &name).map(drop)
    })
    .await?;
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
    let found = tokio::task::spawn_blocking(move || inspect_file(&path, &declared, most)).await;
    match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Refusal::Unreadable(error))) => Err(error.into()),
        Ok(Err(refusal)) => {
            tracing::warn!(image = row.id, %refusal, "the inspector refused image data");
            Err(Fault::Unsupported(format!(
                "The image data is refused: {refusal}."
            )))
        }
        Err(_) => Err(Fault::Internal("the inspector ended abnormally")),
    }
}

fn inspect_file(path: &Path, declared: &Declared, most: u64) -> Result<Inspected, Refusal> {
    let mut file = std::fs::File::open(path)?;
    disk_image::inspect(&mut file, declared, most)
}

/// Runs file work where it may block.
pub async fn in_store<T, F>(images: &Images, work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> std::io::Result<T> + Send + 'static,
{
    let store = images.store().clone();
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(Err(error)) if is_full(&error) => Err(received(ReceiveError::Full)),
        Ok(ended) => Ok(ended?),
        Err(_) => Err(Fault::Internal("file work ended abnormally")),
    }
}

/// Sizes in the database are signed.
pub fn whole(size: u64) -> Result<i64, Fault> {
    i64::try_from(size).map_err(|_| Fault::TooLarge("The image is too large.".to_owned()))
}

/// Failures to receive, in Glance's words and codes.
fn received(error: ReceiveError) -> Fault {
    match error {
        ReceiveError::TooLarge(cap) => Fault::TooLarge(format!(
            "The incoming image is too large: it exceeds the limit of {cap} bytes."
        )),
        ReceiveError::Full => Fault::TooLarge(
            "Image storage media is full: There is not enough disk space on the \
                             image storage media."
                .to_owned(),
        ),
        ReceiveError::Broken(why) => {
            Fault::BadRequest(format!("The image data ended early: {why}"))
        }
        ReceiveError::Idle(after) => Fault::BadRequest(format!(
            "No image data came for {} seconds.",
            after.as_secs()
        )),
        ReceiveError::Files(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Fault::Unavailable(format!(
                "Insufficient permissions on image storage media: {error}"
            ))
        }
        ReceiveError::Files(error) => Fault::Files(error),
    }
}
