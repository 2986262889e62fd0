//! Images on their way to volumes.

use std::path::PathBuf;
use std::time::Duration;

use workflow::StepError;

use crate::backends::Backend;
use crate::driver::GIB;
use crate::images::{self, Bounds, ImageError};
use crate::shared::Core;

/// How long an image service that does not answer is left alone.
const AGAIN: Duration = Duration::from_secs(5);

/// Fetches an image as a raw file beside the volumes of a back end, for one of this many GiB.
pub async fn fetch(
    core: &Core,
    to: &Backend,
    image_id: &str,
    (volume_id, size): (&str, u64),
) -> Result<PathBuf, StepError> {
    forget(core, volume_id).await?;
    let folder = to.make_incoming();
    let folder = folder.map_err(|error| told(&error.into()))?;
    let images = core.images().map_err(|error| told(&error))?;
    let bounds = Bounds {
        most: size.saturating_mul(GIB),
        keep_free: core.settings.keep_free,
    };
    let fetched = images.fetch(image_id, &folder, volume_id, bounds);
    fetched.await.map_err(|error| told(&error))
}

/// Removes what was fetched for a volume.
pub async fn forget(core: &Core, volume_id: &str) -> Result<(), StepError> {
    let folders: Vec<PathBuf> = core.backends.iter().map(Backend::incoming).collect();
    let name = volume_id.to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let mut folders = folders.iter();
        folders.try_for_each(|folder| images::forget(folder, &name))
    })
    .await;
    let done = done.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())));
    done.map_err(|error| told(&ImageError::Io(error)))
}

fn told(error: &ImageError) -> StepError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    match error.is_passing() {
        true => StepError::retry(AGAIN, why),
        false => StepError::fail(why),
    }
}
