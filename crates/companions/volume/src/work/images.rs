//! Images on their way to volumes.

use std::path::PathBuf;
use std::time::Duration;

use workflow::StepError;

use crate::driver::GIB;
use crate::images::{self, ImageError};
use crate::shared::Core;

/// How long an image service that does not answer is left alone.
const AGAIN: Duration = Duration::from_secs(5);

/// Fetches an image as a raw file for a volume of this many GiB.
pub async fn fetch(
    core: &Core,
    image_id: &str,
    volume_id: &str,
    size: u64,
) -> Result<PathBuf, StepError> {
    forget(core, volume_id).await?;
    let folder = core.incoming();
    let made = tokio::fs::create_dir_all(&folder).await;
    made.map_err(|error| told(&error.into()))?;
    let images = core.images().map_err(|error| told(&error))?;
    let fetched = images.fetch(image_id, &folder, volume_id, size.saturating_mul(GIB));
    fetched.await.map_err(|error| told(&error))
}

/// Removes what was fetched for a volume.
pub async fn forget(core: &Core, volume_id: &str) -> Result<(), StepError> {
    let (folder, name) = (core.incoming(), volume_id.to_owned());
    let done = tokio::task::spawn_blocking(move || images::forget(&folder, &name)).await;
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
