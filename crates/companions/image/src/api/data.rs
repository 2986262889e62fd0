//! The data of images: upload, stage, download, and where it lies.

use std::io::SeekFrom;
use std::path::Path as FilePath;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use web::Caller;
use web::auth::Authenticated;

use super::find;
use crate::fault::Fault;
use crate::model::STORE;
use crate::service::Images;
use crate::tables::{Status, image};
use crate::transfers::Permit;
use crate::{db, upload};

/// Bytes read from disk at once on a download: few enough calls, little memory per client.
const READ: usize = 256 * 1024;

/// `PUT /v2/images/{id}/file`.
pub async fn upload(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    octets(&headers)?;
    let seen = find(&images, &caller, &id, "upload_image").await?;
    upload::upload(&images, &caller, &seen.image, body, length(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /v2/images/{id}/stage`.
pub async fn stage(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    octets(&headers)?;
    let seen = find(&images, &caller, &id, "modify_image").await?;
    upload::stage(&images, &caller, &seen.image, body, length(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn octets(headers: &HeaderMap) -> Result<(), Fault> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/octet-stream" => Ok(()),
        other => Err(Fault::Unsupported(format!(
            "Content type '{other}' is not supported: send application/octet-stream."
        ))),
    }
}

/// The size that the client announces, if it does.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let announced = headers
        .get("x-openstack-image-size")
        .or_else(|| headers.get(header::CONTENT_LENGTH));
    let Some(value) = announced else {
        return Ok(None);
    };
    let size = value.to_str().ok().and_then(|text| text.parse().ok());
    size.map(Some).ok_or_else(|| {
        Fault::BadRequest("Invalid or missing image size in request headers.".to_owned())
    })
}

/// `GET /v2/images/{id}/file`.
pub async fn download(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let seen = find(&images, &caller, &id, "get_image").await?;
    let row = &seen.image.row;
    if row.status == Status::Deactivated && !images.policy().is_admin(caller.as_ref()) {
        return Err(Fault::Forbidden(
            "The requested image has been deactivated. Image data download is forbidden."
                .to_owned(),
        ));
    }
    find(&images, &caller, &id, "download_image").await?;
    match images.published(row) {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(path) => {
            let permit = match is_service(&caller) {
                true => None,
                false => Some(images.downloads().begin(upload::sender(&caller))?),
            };
            send(row, &path, headers.get(header::RANGE), permit).await
        }
    }
}

/// Hosts fetch images as another service, many at once: their number is bounded where builds are.
fn is_service(caller: &Caller) -> bool {
    let mut roles = caller.roles.iter().chain(&caller.service_roles);
    roles.any(|role| role.eq_ignore_ascii_case("service"))
}

async fn send(
    row: &image::Model,
    path: &FilePath,
    range: Option<&HeaderValue>,
    permit: Option<Permit>,
) -> Result<Response, Fault> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let part = match range {
        None => None,
        Some(value) => ranged(value.to_str().unwrap_or_default(), size)?,
    };
    let (start, end) = part.unwrap_or((0, size));
    file.seek(SeekFrom::Start(start)).await?;
    let stream = ReaderStream::with_capacity(file.take(end - start), READ);
    // The download counts as one that runs until its last byte is read, or nobody wants it any more.
    let stream = stream.inspect(move |_| {
        let _ = &permit;
    });
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, end - start)
        .header(header::ACCEPT_RANGES, "bytes");
    if let Some(md5) = &row.checksum {
        answer = answer.header("content-md5", md5);
    }
    if part.is_some() {
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{size}", end - 1),
        );
    }
    answer
        .body(Body::from_stream(stream))
        .map_err(|_| Fault::Internal("a download has a header that is none"))
}

/// Reads `bytes=2-5`, `bytes=2-` or `bytes=-5` as start and end (exclusive). Several ranges at once
/// get the whole file, as HTTP allows; what cannot be satisfied is 416.
fn ranged(text: &str, size: u64) -> Result<Option<(u64, u64)>, Fault> {
    let wrong = || Fault::Range(size);
    let list = text.trim().strip_prefix("bytes=").ok_or_else(wrong)?;
    if list.contains(',') {
        return Ok(None);
    }
    let (first, last) = list.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (start, "") => (number(start)?, size),
        (start, last) => (number(start)?, number(last)?.saturating_add(1).min(size)),
    };
    if start >= end {
        return Err(wrong());
    }
    Ok(Some((start, end)))
}

/// `GET /v2/images/{id}/locations`: for services and administrators, where the data lies.
pub async fn locations(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let seen = find(&images, &caller, &id, "fetch_image_location").await?;
    let url = images
        .published(&seen.image.row)
        .and_then(|path| url::Url::from_file_path(path).ok());
    let all: Vec<_> = url
        .map(|url| json!({"url": url.as_str(), "metadata": {"store": STORE}}))
        .into_iter()
        .collect();
    Ok(web::body::json(StatusCode::OK, &all))
}

/// `POST /v2/images/{id}/locations`.
pub async fn add_location(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    find(&images, &caller, &id, "add_image_location").await?;
    Err(Fault::NotBuilt("Adding a location"))
}

/// `DELETE /v2/stores/{store}/{id}`: there is one store, and an image needs one.
pub async fn delete_from_store(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((store, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    find(&images, &caller, &id, "delete_from_store").await?;
    if store != STORE {
        return Err(Fault::NotFound(format!("Failed to find store {store}")));
    }
    let now = db::images::find(images.db().read(), &id).await?;
    let active = now.is_some_and(|image| image.row.status == Status::Active);
    if !active {
        return Err(Fault::Conflict(
            "Only images with status active can be targeted for deletion from a store".to_owned(),
        ));
    }
    Err(Fault::Forbidden(format!(
        "Only one location left for the image {id}: delete the image instead."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_data() {
        let read = |text: &str| ranged(text, 10).expect("satisfiable");
        assert_eq!(read("bytes=0-4"), Some((0, 5)));
        assert_eq!(read("bytes=4-"), Some((4, 10)));
        assert_eq!(read("bytes=-3"), Some((7, 10)));
        assert_eq!(read("bytes=-30"), Some((0, 10)));
        assert_eq!(read("bytes=8-99"), Some((8, 10)));
        assert_eq!(read("bytes=0-1,4-5"), None);
    }

    #[test]
    fn ranges_outside_the_data_are_refused() {
        for text in [
            "bytes=10-",
            "bytes=5-4",
            "bytes=-0",
            "bytes=a-b",
            "lines=1-2",
            "bytes=3",
        ] {
            assert!(matches!(ranged(text, 10), Err(Fault::Range(10))), "{text}");
        }
    }
}
