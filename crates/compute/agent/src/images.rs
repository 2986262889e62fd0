//! Images in the host's cache: fetched once, checked, then only read.
//!
//! A cached file has its whole content or does not exist: it is written beside its place, checked
//! against the digest that the image service names, inspected, and renamed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};

use bus::Failure;
use clients::image::{self, Image};
use clients::{ClientError, Service, Session};
use compute_model::fault::Kind;
use compute_model::image::ServerImage;
use compute_rpc::code;
use futures::{StreamExt, TryStreamExt, pin_mut};
use hypervisor::ImageFormat;
use sha2::{Digest, Sha512};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use crate::failure::{chain, of_io};

/// The cache of a host.
pub struct ImageCache {
    image: Service,
    session: Session,
    folder: PathBuf,
}

/// One fetch per file at a time. Of the process, not of a cache: the simulated hosts of one process
/// share a folder, and two of them would write into one unfinished file.
static FETCHING: LazyLock<Mutex<HashMap<PathBuf, Weak<Mutex<()>>>>> = LazyLock::new(Mutex::default);

/// Why an image is not in the cache.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the image cannot be read from the image service")]
    Service(#[from] ClientError),
    #[error("the image's data does not have the digest that the image service names")]
    Digest,
    #[error("the image has no data")]
    Empty,
    #[error("images of format {0} cannot be started here")]
    Format(String),
    #[error("the image is refused: {0}")]
    Refused(String),
    #[error("cannot {what} in the image cache")]
    Io {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let (code, kind) = match &error {
            ImageError::Service(source) if source.is_passing() => {
                (code::HOST_FAILED, Kind::ImageUnavailable)
            }
            ImageError::Service(_) => (code::BAD_REQUEST, Kind::ImageUnavailable),
            ImageError::Io { source, .. } => (code::HOST_FAILED, of_io(source)),
            // It may have been damaged on its way to this host.
            ImageError::Digest => (code::HOST_FAILED, Kind::ImageUnusable),
            ImageError::Empty | ImageError::Format(_) | ImageError::Refused(_) => {
                (code::BAD_REQUEST, Kind::ImageUnusable)
            }
        };
        compute_rpc::failure(code, kind, chain(&error))
    }
}

/// An image that guests can be started from.
#[derive(Debug, Clone)]
pub struct Ready {
    pub id: String,
    pub path: PathBuf,
    pub format: ImageFormat,
    /// Bytes that a guest sees.
    pub virtual_size: u64,
    pub kernel: Option<PathBuf>,
    pub ramdisk: Option<PathBuf>,
}

/// The image of a server, in the cache when this returns; with its kernel and ramdisk if it has any.
pub async fn ready(cache: &ImageCache, image: &ServerImage, most: u64) -> Result<Ready, Failure> {
    let format = match image.disk_format.as_str() {
        "raw" | "ami" => ImageFormat::Raw,
        "qcow2" => ImageFormat::Qcow2,
        other => return Err(ImageError::Format(other.to_owned()).into()),
    };
    let (path, virtual_size) = cache.disk(&image.id, &image.disk_format, most).await?;
    let mut parts = [None, None];
    for (part, property) in parts.iter_mut().zip(["kernel_id", "ramdisk_id"]) {
        if let Some(id) = image.properties.get(property).filter(|id| !id.is_empty()) {
            *part = Some(cache.file(id).await?);
        }
    }
    let [kernel, ramdisk] = parts;
    Ok(Ready {
        id: image.id.clone(),
        path,
        format,
        virtual_size,
        kernel,
        ramdisk,
    })
}

impl ImageCache {
    /// A cache in `folder`, which is made when it is first needed.
    pub fn new(image: Service, session: Session, folder: PathBuf) -> Self {
        ImageCache {
            image,
            session,
            folder,
        }
    }

    /// A disk image and the size of the disk in it.
    async fn disk(&self, id: &str, format: &str, most: u64) -> Result<(PathBuf, u64), ImageError> {
        let path = self.file(id).await?;
        let (place, format) = (path.clone(), format.to_owned());
        let inspected = tokio::task::spawn_blocking(move || inspect(&place, &format, most)).await;
        let size = inspected.map_err(|error| ImageError::Refused(error.to_string()))??;
        Ok((path, size))
    }

    /// The data of an image as a file.
    async fn file(&self, id: &str) -> Result<PathBuf, ImageError> {
        // An id becomes a file name: nothing but a UUID's characters may pass.
        if !id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(ImageError::Refused("its id is no id".to_owned()));
        }
        let path = self.folder.join(id);
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(path);
        }
        let turn = turn(&path).await;
        let _held = turn.lock().await;
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            self.fetch(id, &path).await?;
        }
        Ok(path)
    }

    async fn fetch(&self, id: &str, path: &Path) -> Result<(), ImageError> {
        let started = std::time::Instant::now();
        tokio::fs::create_dir_all(&self.folder)
            .await
            .map_err(io("make the folder"))?;
        let record = self
            .session
            .with(|token| async move { image::show(&self.image, &token, id).await })
            .await?;
        let part = path.with_extension("part");
        let fetched = self.write(&record, &part).await;
        if fetched.is_err()
            && let Err(error) = tokio::fs::remove_file(&part).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // What is incomplete takes room until the next fetch of this image.
            tracing::warn!(image = id, %error, "an incomplete image stays in the cache");
        }
        fetched?;
        let mut permissions = tokio::fs::metadata(&part)
            .await
            .map_err(io("look at a file"))?
            .permissions();
        // Overlays are written, base images never: a mistake must fail.
        permissions.set_readonly(true);
        tokio::fs::set_permissions(&part, permissions)
            .await
            .map_err(io("protect a file"))?;
        tokio::fs::rename(&part, path)
            .await
            .map_err(io("place a file"))?;
        let millis = started.elapsed().as_millis() as u64;
        tracing::info!(image = id, millis, "an image was fetched");
        Ok(())
    }

    async fn write(&self, record: &Image, part: &Path) -> Result<(), ImageError> {
        let reply = self
            .session
            .with(|token| async move { image::download(&self.image, &token, &record.id).await })
            .await?;
        if reply.status.as_u16() == 204 {
            return Err(ImageError::Empty);
        }
        let mut file = tokio::fs::File::create(part)
            .await
            .map_err(io("write a file"))?;
        let mut digest = Sha512::new();
        let stream = reply.stream().map_err(ImageError::from);
        pin_mut!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(io("write a file"))?;
        }
        file.sync_all().await.map_err(io("write a file"))?;
        let named = record
            .os_hash_value
            .as_ref()
            .filter(|_| record.os_hash_algo.as_deref() == Some("sha512"));
        match named {
            Some(named) if *named != hex::encode(digest.finalize()) => Err(ImageError::Digest),
            _ => Ok(()),
        }
    }
}

/// The right to fetch a file.
async fn turn(path: &Path) -> Arc<Mutex<()>> {
    let mut fetching = FETCHING.lock().await;
    fetching.retain(|_, turn| turn.strong_count() > 0);
    if let Some(turn) = fetching.get(path).and_then(Weak::upgrade) {
        return turn;
    }
    let turn = Arc::new(Mutex::new(()));
    fetching.insert(path.to_owned(), Arc::downgrade(&turn));
    turn
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> ImageError {
    move |source| ImageError::Io { what, source }
}

/// Our own parser decides before any other program opens the file. Gives the size of the disk.
fn inspect(path: &Path, format: &str, most: u64) -> Result<u64, ImageError> {
    let mut file = std::fs::File::open(path).map_err(io("read a file"))?;
    let declared = disk_image::Declared::new(format, "bare");
    let found = disk_image::inspect(&mut file, &declared, most)
        .map_err(|refusal| ImageError::Refused(refusal.to_string()))?;
    found.virtual_size.ok_or(ImageError::Empty)
}
