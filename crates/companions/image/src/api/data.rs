//! The data of images: upload, stage, download, and where it lies.

use std::io::SeekFrom;
use std::path::Path as FilePath;

use axum::body::Body;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rest::Answer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use web::Caller;

use super::{Call, find, find_by};
use crate::fault::Fault;
use crate::model::STORE;
use crate::service::Images;
use crate::tables::{Status, image};
use crate::transfers::Permit;
use crate::{db, upload};

/// Bytes read from disk at once on a download: few enough calls, little memory per client.
const READ: usize = 256 * 1024;

/// `PUT /v2/images/{id}/file`.
pub async fn upload(images: Images, call: Call, body: Body) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let headers = &call.headers;
    octets(headers)?;
    let seen = find(&images, cx, id).await?;
    upload::upload(&images, &cx.caller, &seen.image, body, length(headers)?).await?;
    Ok(Answer::empty())
}

/// `PUT /v2/images/{id}/stage`.
pub async fn stage(images: Images, call: Call, body: Body) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let headers = &call.headers;
    octets(headers)?;
    let seen = find(&images, cx, id).await?;
    upload::stage(&images, &cx.caller, &seen.image, body, length(headers)?).await?;
    Ok(Answer::empty())
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
pub async fn download(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let headers = &call.headers;
    let seen = find_by(&images, &cx.caller, id, "get_image").await?;
    let row = &seen.image.row;
    if row.status == Status::Deactivated && !images.policy().is_admin(cx.caller.as_ref()) {
        return Err(Fault::Forbidden(
            "The requested image has been deactivated. Image data download is forbidden."
                .to_owned(),
        ));
    }
    find(&images, cx, id).await?;
    match images.published(row) {
        None => Ok(Answer::empty().with_code(StatusCode::NO_CONTENT)),
        Some(path) => {
            let permit = match is_service(&cx.caller) {
                true => None,
                false => Some(images.downloads().begin(upload::sender(&cx.caller))?),
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
) -> Result<Answer, Fault> {
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
    let mut answer = Answer {
        body: Some(Body::from_stream(stream)),
        ..Answer::default()
    }
    .with_header(header::CONTENT_TYPE, "application/octet-stream")
    .with_header(header::CONTENT_LENGTH, &(end - start).to_string())
    .with_header(header::ACCEPT_RANGES, "bytes");
    if let Some(md5) = &row.checksum {
        answer = answer.with_header(HeaderName::from_static("content-md5"), md5);
    }
    if part.is_some() {
        let range = format!("bytes {start}-{}/{size}", end - 1);
        answer = answer
            .with_code(StatusCode::PARTIAL_CONTENT)
            .with_header(header::CONTENT_RANGE, &range);
    }
    Ok(answer)
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
pub async fn locations(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let seen = find(&images, cx, id).await?;
    let url = images
        .published(&seen.image.row)
        .and_then(|path| url::Url::from_file_path(path).ok());
    let all: Vec<_> = url
        .map(|url| json!({"url": url.as_str(), "metadata": {"store": STORE}}))
        .into_iter()
        .collect();
    Ok(Answer::of(&all))
}

/// `DELETE /v2/stores/{store}/{id}`: there is one store, and an image needs one.
pub async fn delete_from_store(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let store = call.path("store");
    let id = call.path("id");
    find(&images, cx, id).await?;
    if store != STORE {
        return Err(Fault::NotFound(format!("Failed to find store {store}")));
    }
    let now = db::images::find(images.db().read(), id).await?;
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
