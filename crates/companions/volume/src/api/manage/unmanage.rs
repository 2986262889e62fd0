//! Volumes and snapshots are let go: their rows go, their bytes stay.

use rest::Answer;

use super::adoption;
use crate::api::volumes::{How, begin};
use crate::api::{Call, find, snapshots};
use crate::db::store;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::snapshot;

/// `os-unmanage` of a volume.
pub async fn volume(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    adoption(volumes.backends().of(seen.host.as_deref())?)?;
    let how = How {
        cascade: false,
        force: false,
        release: true,
    };
    begin(&volumes, &call.cx, &seen.id, how).await?;
    Ok(Answer::empty())
}

/// `os-unmanage` of a snapshot.
pub async fn snapshot(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let of = store::find::<snapshot::Entity>(volumes.db().read(), call.path("id")).await?;
    if let Some(of) = of
        && let Some(at) = volumes.core().home(&of.volume_id).await?
    {
        adoption(at)?;
    }
    snapshots::end(&volumes, &call, snapshots::How::Release).await
}
