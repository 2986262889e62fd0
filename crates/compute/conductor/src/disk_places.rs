//! Where guests find their disks, as their hosts said: kept with the server, of which the metadata service tells.

use compute_rpc::agent::Done;
use workflow::{StepContext, StepError};

use crate::records;

/// Keeps what a host said of a server whose operation still has this epoch.
///
/// # Errors
/// As of [`records::change`].
pub async fn note(
    cx: &StepContext,
    (server_id, epoch): (&str, i64),
    done: &Done,
) -> Result<(), StepError> {
    let Some(places) = &done.disk_places else {
        return Ok(());
    };
    records::change(cx, server_id, None, |server| {
        let ours = server.epoch == epoch;
        if ours {
            server.disk_places.clone_from(places);
        }
        ours
    })
    .await?;
    Ok(())
}
