//! A snapshot without a row, which stands still while a volume in use is read.

use workflow::StepError;

use super::{backend, ensure_snapshot_gone, home, id};
use crate::driver::Snapshot;
use crate::shared::Core;

/// The snapshot of a volume with this id, where one is wanted.
pub fn of(volume_id: &str, still: Option<&String>) -> Result<Option<Snapshot>, StepError> {
    let made = |still: &String| {
        Ok(Snapshot {
            volume: id(volume_id)?,
            id: id(still)?,
        })
    };
    still.map(made).transpose()
}

/// It is there.
pub async fn ensure(core: &Core, still: Option<Snapshot>) -> Result<(), StepError> {
    match still {
        Some(still) => {
            let at = home(core, &still.volume.to_string()).await?;
            at.driver.ensure_snapshot(still).await.map_err(backend)
        }
        None => Ok(()),
    }
}

/// It is gone.
pub async fn ensure_gone(core: &Core, still: Option<Snapshot>) -> Result<(), StepError> {
    match still {
        Some(still) => ensure_snapshot_gone(core, still).await,
        None => Ok(()),
    }
}
