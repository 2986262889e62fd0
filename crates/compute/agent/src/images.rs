//! Images in the host's cache: fetched once, checked, then only read.
//!
//! A cached file has its whole content or does not exist: it is written beside its place, checked
//! against the digest that the image service names, inspected, and renamed. What may go again, and
//! when, is in [`room`].

mod room;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus::{Context, Failure};
use clients::image::{self, Image};
use clients::{ClientError, Service, Session};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::image::ServerImage;
use compute_rpc::agent::CacheImage;
use compute_rpc::code;
use futures::{StreamExt, TryStreamExt, pin_mut};
use hypervisor::{Driver, ImageFormat};
use sha2::{Digest, Sha512};
use tokio::io::AsyncWriteExt;

use crate::Host;
use crate::failure::{chain, of_io};
use crate::settings::{CacheSettings, Settings};

pub use room::Hold;
use room::{Folder, Promise, used_now};

/// The cache of a host.
pub struct ImageCache {
    image: Service,
    session: Session,
    folder: Arc<Folder>,
    settings: CacheSettings,
}

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
    #[error("a {what} of {size} bytes is larger than the {most} that this host takes")]
    TooLarge {
        what: &'static str,
        size: u64,
        most: u64,
    },
    #[error(
        "the image cache has no room for {needed} bytes: {used} of {budget} are used, and {free} are free on the disk"
    )]
    Full {
        needed: u64,
        used: u64,
        budget: u64,
        free: u64,
    },
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
            ImageError::Full { .. } => (code::HOST_FAILED, Kind::DiskFull),
            ImageError::Empty
            | ImageError::Format(_)
            | ImageError::Refused(_)
            | ImageError::TooLarge { .. } => (code::BAD_REQUEST, Kind::ImageUnusable),
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
    pub boot: BootFiles,
}

/// The kernel and the ramdisk that an image names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootFiles {
    pub kernel: Option<PathBuf>,
    pub ramdisk: Option<PathBuf>,
}

/// What a server is made from on its host.
#[derive(Debug, Clone)]
pub enum Root {
    /// An image, of which its root disk is made.
    Image(Ready),
    /// A volume has its root; what boots that may be beside it.
    Volume(BootFiles),
}

/// What a server is made from, in the cache when this returns. The files stay while the holds live.
pub async fn of_server(host: &Host, server: &Server) -> Result<(Root, Vec<Hold>), Failure> {
    if let Some(image) = &server.image {
        let (ready, holds) = ready_on(host, image).await?;
        return Ok((Root::Image(ready), holds));
    }
    let mut holds = Vec::new();
    let boot = match &server.volume_image {
        Some(image) => boot_files(&host.images, image, &mut holds).await?,
        None => BootFiles::default(),
    };
    Ok((Root::Volume(boot), holds))
}

/// An image, in the cache when this returns; see [`of_server`].
pub async fn ready_on(host: &Host, image: &ServerImage) -> Result<(Ready, Vec<Hold>), Failure> {
    ready(&host.images, image, host.settings.max_image_disk).await
}

/// Fetches an image before a server asks for it.
pub async fn keep_ready(
    host: Arc<Host>,
    _context: Context,
    message: CacheImage,
) -> Result<(), Failure> {
    let ready = ready_on(&host, &message.image).await;
    if let Err(failure) = &ready {
        let why = &failure.message;
        tracing::warn!(
            image = message.image.id,
            why,
            "an image is not in the cache"
        );
    }
    ready.map(drop)
}

/// The image of a server, in the cache when this returns; with its kernel and ramdisk if it has any.
/// The files stay while the holds live: keep them until the server's record names the files.
async fn ready(
    cache: &ImageCache,
    image: &ServerImage,
    most: u64,
) -> Result<(Ready, Vec<Hold>), Failure> {
    let format = match image.disk_format.as_str() {
        "raw" | "ami" => ImageFormat::Raw,
        "qcow2" => ImageFormat::Qcow2,
        other => return Err(ImageError::Format(other.to_owned()).into()),
    };
    let mut holds = vec![cache.folder.hold(&image.id)];
    let (path, virtual_size) = cache.disk(&image.id, &image.disk_format, most).await?;
    let boot = boot_files(cache, image, &mut holds).await?;
    let ready = Ready {
        id: image.id.clone(),
        path,
        format,
        virtual_size,
        boot,
    };
    Ok((ready, holds))
}

/// The kernel and the ramdisk of an image, in the cache when this returns.
async fn boot_files(
    cache: &ImageCache,
    image: &ServerImage,
    holds: &mut Vec<Hold>,
) -> Result<BootFiles, ImageError> {
    let mut parts = [None, None];
    for (part, kind) in parts.iter_mut().zip([What::Kernel, What::Ramdisk]) {
        let id = image.properties.get(kind.property());
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            holds.push(cache.folder.hold(id));
            *part = Some(cache.file(id, kind).await?);
        }
    }
    let [kernel, ramdisk] = parts;
    Ok(BootFiles { kernel, ramdisk })
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Disk,
    Kernel,
    Ramdisk,
}

impl What {
    /// The property of an image that names the file.
    fn property(self) -> &'static str {
        match self {
            What::Disk => "",
            What::Kernel => "kernel_id",
            What::Ramdisk => "ramdisk_id",
        }
    }

    /// Refuses a file that is larger than it may be. QEMU reads kernels and ramdisks into its memory.
    fn check(self, size: u64, settings: &CacheSettings) -> Result<(), ImageError> {
        let (what, most) = match self {
            What::Disk => return Ok(()),
            What::Kernel => ("kernel", settings.max_kernel),
            What::Ramdisk => ("ramdisk", settings.max_ramdisk),
        };
        match size > most {
            true => Err(ImageError::TooLarge { what, size, most }),
            false => Ok(()),
        }
    }
}

impl ImageCache {
    /// The image service.
    pub(crate) fn service(&self) -> &Service {
        &self.image
    }

    /// Who asks it.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// A host's cache in the folder of its settings, which is made when it is first needed.
    pub fn new(
        image: Service,
        session: Session,
        driver: &Arc<dyn Driver>,
        settings: &Settings,
    ) -> Self {
        ImageCache {
            image,
            session,
            folder: Folder::of(&settings.image_cache, driver),
            settings: settings.cache.clone(),
        }
    }

    /// Lets go what nobody needs, by age and budget.
    pub async fn tidy(&self) {
        if let Err(error) = self.folder.tidy(&self.settings).await {
            tracing::warn!(error = chain(&error), "the image cache cannot be tidied");
        }
    }

    /// A disk image and the size of the disk in it.
    async fn disk(&self, id: &str, format: &str, most: u64) -> Result<(PathBuf, u64), ImageError> {
        let path = self.file(id, What::Disk).await?;
        let (place, format) = (path.clone(), format.to_owned());
        let inspected = tokio::task::spawn_blocking(move || inspect(&place, &format, most)).await;
        let size = inspected.map_err(|error| ImageError::Refused(error.to_string()))??;
        Ok((path, size))
    }

    /// The data of an image as a file. The caller holds it.
    async fn file(&self, id: &str, what: What) -> Result<PathBuf, ImageError> {
        // An id becomes a file name: nothing but a UUID's characters may pass.
        if !id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(ImageError::Refused("its id is no id".to_owned()));
        }
        let path = self.folder.path().join(id);
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            let turn = self.folder.turn(id);
            let _held = turn.lock().await;
            if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
                self.fetch(id, &path, what).await?;
            }
        }
        let found = tokio::fs::metadata(&path).await;
        what.check(found.map_err(io("look at a file"))?.len(), &self.settings)?;
        used_now(&path);
        Ok(path)
    }

    async fn fetch(&self, id: &str, path: &Path, what: What) -> Result<(), ImageError> {
        let started = std::time::Instant::now();
        tokio::fs::create_dir_all(self.folder.path())
            .await
            .map_err(io("make the folder"))?;
        let record = self
            .session
            .with(|token| async move { image::show(&self.image, &token, id).await })
            .await?;
        let size = record.size.ok_or(ImageError::Empty)?;
        what.check(size, &self.settings)?;
        let room = self.folder.room(size, &self.settings).await?;
        let part = path.with_extension("part");
        let fetched = self.write(&record, size, &part).await;
        if fetched.is_err()
            && let Err(error) = tokio::fs::remove_file(&part).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // What is incomplete takes room until the next fetch of this image.
            tracing::warn!(image = id, %error, "an incomplete image stays in the cache");
        }
        fetched?;
        self.place(&part, path, room).await?;
        let millis = started.elapsed().as_millis() as u64;
        tracing::info!(image = id, millis, "an image was fetched");
        Ok(())
    }

    /// A fetched file takes its place; the room that was promised to it is used now.
    async fn place(&self, part: &Path, path: &Path, _room: Promise) -> Result<(), ImageError> {
        let mut permissions = tokio::fs::metadata(part)
            .await
            .map_err(io("look at a file"))?
            .permissions();
        // Overlays are written, base images never: a mistake must fail.
        permissions.set_readonly(true);
        tokio::fs::set_permissions(part, permissions)
            .await
            .map_err(io("protect a file"))?;
        tokio::fs::rename(part, path)
            .await
            .map_err(io("place a file"))
    }

    /// `size`: bytes that come, by the record; room was looked for that many.
    async fn write(&self, record: &Image, size: u64, part: &Path) -> Result<(), ImageError> {
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
        let mut left = size;
        let stream = reply.stream().map_err(ImageError::from);
        pin_mut!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            left = left
                .checked_sub(chunk.len() as u64)
                .ok_or(ImageError::Digest)?;
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
