//! The image service, as this one asks it: in the name of a user what an image is, as itself for the data.

pub mod pack;
mod qcow2;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clients::image::{self, Image};
use clients::{ClientError, Service, Session};
use futures::{StreamExt, pin_mut};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha512};
use uuid::Uuid;

use crate::db::properties::Properties;
use crate::driver::GIB;
use crate::fault::Fault;
use crate::room::Room;
use crate::sealed;
use qcow2::Malformed;

/// The image service and the user by which data is fetched.
pub struct Images {
    pub service: Service,
    pub session: Session,
}

/// Why an image does not become a volume.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the image cannot be read from the image service")]
    Service(#[from] ClientError),
    #[error("the image's data does not have the digest or the size that the image service names")]
    Digest,
    #[error("the image has no data")]
    Empty,
    #[error("images of format {0} cannot be made a volume")]
    Format(String),
    #[error("the image is refused: {0}")]
    Refused(#[from] disk_image::Refusal),
    #[error("the image is refused: {0}")]
    Malformed(#[from] Malformed),
    #[error("the disk in the image has {size} bytes, the volume {most}")]
    TooLarge { size: u64, most: u64 },
    #[error("there is no image service")]
    None,
    #[error("files of images cannot be used")]
    Io(#[from] io::Error),
}

/// How large what is fetched may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the disk.
    pub most: u64,
    /// Bytes that are left free on the file system.
    pub keep_free: u64,
}

impl ImageError {
    /// Whether another attempt may go well.
    pub fn is_passing(&self) -> bool {
        match self {
            ImageError::Service(error) => error.is_passing(),
            ImageError::Io(error) => error.kind() != io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

impl Images {
    /// A user's token, so that only this service reads it.
    pub fn sealed(&self, token: &str) -> String {
        sealed::seal(self.session.secret().expose_secret(), token)
    }

    /// The user's token that was sealed; none when the service's password changed since.
    pub fn opened(&self, sealed: &str) -> Option<String> {
        sealed::open(self.session.secret().expose_secret(), sealed)
    }

    /// The image that a user means by an id or a name.
    ///
    /// # Errors
    /// 400: the user has none of it; 409: several have the name.
    pub async fn named(&self, token: &str, wish: &str) -> Result<Image, Fault> {
        let id = wish.rsplit('/').next().unwrap_or_default();
        if Uuid::try_parse(id).is_ok() {
            match image::show(&self.service, token, id).await {
                Ok(image) => return Ok(image),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(unreachable(&error)),
            }
        }
        let path = format!("/v2/images?name={}", image::segment(wish));
        let found: Result<Value, _> = self.service.json(Method::GET, &path, token, None).await;
        let found = found.map_err(|error| unreachable(&error))?;
        let ids: Vec<&str> = found["images"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|image| image["id"].as_str())
            .collect();
        match ids.as_slice() {
            [id] => image::show(&self.service, token, id)
                .await
                .map_err(|error| unreachable(&error)),
            [] => Err(Fault::BadRequest(
                "Invalid image identifier or unable to access requested image.".to_owned(),
            )),
            _ => Err(Fault::Conflict(format!(
                "Multiple matches found for '{wish}', use an ID to be more specific."
            ))),
        }
    }

    /// Fetches an image as a raw file in `folder`, whose name begins with `name` and which nobody else reads.
    pub async fn fetch(
        &self,
        id: &str,
        folder: &Path,
        name: &str,
        bounds: Bounds,
    ) -> Result<PathBuf, ImageError> {
        let shown = self
            .session
            .with(|token| async move { image::show(&self.service, &token, id).await });
        let image = shown.await?;
        let path = folder.join(format!("{name}.{}", Uuid::new_v4().simple()));
        self.write(&image, &path, bounds.keep_free).await?;
        let format = image.disk_format.clone().unwrap_or_default();
        let done = tokio::task::spawn_blocking(move || raw(&path, &format, bounds)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error.to_string()).into()))
    }

    async fn write(&self, image: &Image, path: &Path, keep_free: u64) -> Result<(), ImageError> {
        let id = image.id.as_str();
        let reply = self
            .session
            .with(|token| async move { image::download(&self.service, &token, id).await })
            .await?;
        if reply.status.as_u16() == 204 {
            return Err(ImageError::Empty);
        }
        let file = create(path)?;
        let mut digest = Sha512::new();
        let mut room = Room::new(keep_free);
        let mut at = 0;
        let stream = reply.stream();
        pin_mut!(stream);
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            digest.update(&piece);
            let (writes, length) = (file.try_clone()?, piece.len() as u64);
            let written = tokio::task::spawn_blocking(move || {
                room.take(&writes, length)?;
                writes.write_all_at(&piece, at)?;
                Ok::<_, io::Error>(room)
            });
            let written = written.await;
            room = written.map_err(|error| io::Error::other(error.to_string()))??;
            at += length;
        }
        let named = image
            .os_hash_value
            .as_ref()
            .filter(|_| image.os_hash_algo.as_deref() == Some("sha512"));
        let whole = image.size.is_none_or(|size| size == at);
        match named {
            _ if !whole => Err(ImageError::Digest),
            Some(named) if *named != hex::encode(digest.finalize()) => Err(ImageError::Digest),
            _ => Ok(()),
        }
    }
}

/// The image service does not answer, or not to this user.
fn unreachable(error: &ClientError) -> Fault {
    tracing::warn!(%error, "the image service did not answer as expected");
    match error.is_passing() {
        true => Fault::Unavailable("The image service does not answer.".to_owned()),
        false => Fault::BadRequest(
            "Invalid image identifier or unable to access requested image.".to_owned(),
        ),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes a raw file of an image: our own parser decides what it is, and no other program ever opens it.
fn raw(path: &Path, format: &str, bounds: Bounds) -> Result<PathBuf, ImageError> {
    let mut file = File::open(path)?;
    let declared = disk_image::Declared::new(format, "bare");
    let found = disk_image::inspect(&mut file, &declared, i64::MAX.unsigned_abs())?;
    let size = found.virtual_size.ok_or(ImageError::Empty)?;
    let most = bounds.most;
    if size > most {
        return Err(ImageError::TooLarge { size, most });
    }
    match format {
        "raw" | "iso" | "ami" | "ari" | "aki" => Ok(path.to_owned()),
        "qcow2" => {
            let to = path.with_extension(format!("{}.raw", Uuid::new_v4().simple()));
            let unpacked = qcow2::unpack(&file, &create(&to)?, bounds.keep_free);
            unpacked.map_err(|error| match error {
                Malformed::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
                    ImageError::Io(error)
                }
                other => other.into(),
            })?;
            std::fs::remove_file(path)?;
            Ok(to)
        }
        other => Err(ImageError::Format(other.to_owned())),
    }
}

/// Removes what an image left in `folder` for `name`.
pub fn forget(folder: &Path, name: &str) -> io::Result<()> {
    let prefix = format!("{name}.");
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a volume of this many GiB can be made of an image, as Cinder asks it.
///
/// # Errors
/// 400.
pub fn fits(image: &Image, size: i64) -> Result<(), Fault> {
    let volume = size.unsigned_abs();
    if image.status != "active" {
        return Err(Fault::InvalidInput(format!(
            "Image {} is not active.",
            image.id
        )));
    }
    let largest = image.size.unwrap_or(0).max(image.virtual_size.unwrap_or(0));
    let needed = largest.div_ceil(GIB);
    if needed > volume {
        return Err(Fault::InvalidInput(format!(
            "Size of specified image {needed}GB is larger than volume size {volume}GB."
        )));
    }
    if u64::from(image.min_disk) > volume {
        return Err(Fault::InvalidInput(format!(
            "Volume size {volume}GB cannot be smaller than the image minDisk size {}GB.",
            image.min_disk
        )));
    }
    Ok(())
}

/// What a volume knows of the image that it was made of.
pub fn known(image: &Image) -> Properties {
    let mut known = image.properties();
    // What Glance says of the data, and what is for this service alone.
    known.retain(|name, _| !name.starts_with("os_hash_") && !name.starts_with("cinder_encryption"));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let facts: BTreeMap<&str, String> = [
        ("image_id", image.id.clone()),
        ("image_name", text(&image.name)),
        ("disk_format", text(&image.disk_format)),
        ("container_format", text(&image.container_format)),
        ("min_disk", image.min_disk.to_string()),
        ("min_ram", image.min_ram.to_string()),
        ("size", image.size.unwrap_or(0).to_string()),
    ]
    .into();
    known.extend(
        facts
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(Value::String(checksum)) = image.rest.get("checksum") {
        known.insert("checksum".to_owned(), checksum.clone());
    }
    known
}

/// The snapshot that an image of a server with a volume stands for: it has no data of its own.
pub fn boot_snapshot(image: &Image) -> Option<String> {
    let mapping = image.properties().remove("block_device_mapping")?;
    let all: Vec<Value> = serde_json::from_str(&mapping).ok()?;
    let boot = all
        .iter()
        .find(|one| one["source_type"] == "snapshot" && one["boot_index"] == 0)?;
    boot["snapshot_id"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use clients::Login;
    use serde_json::json;

    use super::*;

    const ID: &str = "1a9e0000-0000-4000-8000-000000000001";

    /// An image service with one image.
    fn images() -> Images {
        let show = async || {
            axum::Json(json!({
                "id": ID, "name": "disk", "status": "active", "disk_format": "raw", "container_format": "bare",
                "size": 11, "min_disk": 0, "min_ram": 0,
            }))
        };
        let token = async || {
            let body = json!({"token": {"expires_at": "2999-01-01T00:00:00.000000Z"}});
            ([("x-subject-token", "token")], axum::Json(body))
        };
        let router = axum::Router::new()
            .route("/v2/images/{id}", get(show))
            .route("/v2/images/{id}/file", get(async || "boot sector"))
            .route("/v3/auth/tokens", post(token));
        let service = Service::in_process("image", router);
        let login = Login {
            user: "cinder".to_owned(),
            password: "secret".to_owned().into(),
            project: "service".to_owned(),
            domain: "Default".to_owned(),
        };
        let session = Session::new(service.clone(), login);
        Images { service, session }
    }

    #[tokio::test]
    async fn an_image_leaves_free_what_is_to_be_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let fetch = async |keep_free| {
            let bounds = Bounds {
                most: GIB,
                keep_free,
            };
            images().fetch(ID, folder.path(), "volume", bounds).await
        };
        let path = fetch(0).await.expect("fetched");
        assert_eq!(std::fs::read(path).expect("read"), b"boot sector");
        let refused = fetch(u64::MAX).await.expect_err("no room");
        assert!(!refused.is_passing());
        assert!(
            matches!(&refused, ImageError::Io(error) if error.kind() == io::ErrorKind::StorageFull),
            "{refused}"
        );
    }
}
