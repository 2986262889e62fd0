//! Another volume in the place of one that a server has: the volume service asks for it when it moves a volume to
//! another back end, and nobody else may.

use clients::volume::{self as cinder, Volume};
use compute_db::servers;
use compute_model::Server;
use compute_model::lifecycle::{self, DeviceChange};
use compute_rpc::workflows::{SWAP_VOLUME, SWAP_VOLUME_VERSION, SwapVolume};
use workflow::Record;

use super::{of_server, seen};
use crate::servers::devices::under_way;
use crate::servers::{asked, begin_action, existing, missing, nudge};
use crate::services::must_be_up;
use crate::{Context, Control, ControlError, Result, policy};

const SWAP: &str = "os_compute_api:os-volumes-attachments:swap";

/// Replaces a volume of a server by another one: accepted, then done. Asked again while it is under way, it is accepted
/// again, whatever became of host and volumes meanwhile. Who may ask passes locks. Source: Nova's `_update_volume_swap` and `swap_volume`.
///
/// # Errors
/// 404 for the server, the volume, or one that the server does not have; 403 by policy; 409 for a volume of which the
/// volume service shows no migration, when the server's state forbids it, or its host is down; 400 when the new volume
/// is not there, is smaller or in use, and for a volume that several servers have.
pub async fn swap(
    control: &Control,
    cx: &Context,
    id: &str,
    (volume_id, new_id): (&str, &str),
) -> Result<()> {
    const CHANGE: DeviceChange = DeviceChange::SwapVolume;
    let server = allowed(control, cx, id, servers::find(control.db.read(), id).await)?;
    // Before all else: who asks must not read in a refusal that this is over.
    let running = workflow::find(control.db.read(), id).await?;
    if begun_before(&running, volume_id).is_some_and(|one| one.state["new_volume_id"] == new_id) {
        return Ok(());
    }
    let old = seen(control, cx, volume_id).await?;
    if old
        .migration_status
        .as_ref()
        .is_none_or(|status| status.is_empty())
    {
        return Err(ControlError::Conflict {
            why: format!(
                "volume {volume_id} is not migrating; this API should only be called by Cinder"
            ),
        });
    }
    let new = match seen(control, cx, new_id).await {
        // What the body names, as with Nova.
        Err(ControlError::NotFound { why }) => return Err(ControlError::Invalid { why }),
        other => other?,
    };
    let (service, token) = (&control.volume, cx.token());
    let holders = cinder::attachments(service, token, None, Some(volume_id)).await?;
    of_server(&server, volume_id)?;
    must_be_up(control, server.host.as_deref()).await?;
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = allowed(control, cx, id, servers::lock(&tx, id).await)?;
        let volume = of_server(&server, volume_id)?.clone();
        let running = workflow::find(&tx, id).await?;
        match begun_before(&running, volume_id) {
            Some(one) if one.state["new_volume_id"] == new_id => return Ok(None),
            Some(_) => {
                return Err(ControlError::Conflict {
                    why: format!("volume {volume_id} is being replaced by another one"),
                });
            }
            None => {}
        }
        lifecycle::admit_device(CHANGE, &server, true)?;
        fits(&old, &new)?;
        if holders.len() > 1 {
            return Err(ControlError::Invalid {
                why: "Swapping multi-attach volumes with more than one read/write attachment is not supported."
                    .to_owned(),
            });
        }
        begin_action(&tx, cx, &server, CHANGE.word()).await?;
        let state = SwapVolume {
            server_id: server.id.clone(),
            asked: asked(cx),
            before: under_way(&tx, &server.id).await?,
            old: volume,
            new_volume_id: new_id.to_owned(),
            attachment_id: None,
            connection: None,
            copied: 0,
            copied_at: None,
            named: false,
            failed_switches: 0,
            switched: false,
        };
        let kind = (SWAP_VOLUME, SWAP_VOLUME_VERSION);
        let begun = workflow::insert(&tx, kind, &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(Some(begun))
    })
    .await?;
    if let Some(begun) = begun {
        nudge(control, cx, &[begun]);
    }
    Ok(())
}

/// What replaces this volume already, also where that needs an operator.
fn begun_before<'r>(running: &'r [Record], volume_id: &str) -> Option<&'r Record> {
    let mut all = running.iter();
    all.find(|one| one.kind == SWAP_VOLUME && one.state["old"]["volume_id"] == volume_id)
}

/// The server, for whom the rule of this allows it: another service, whose project is not the server's. Others learn as
/// much of it as by other calls.
fn allowed(
    control: &Control,
    cx: &Context,
    id: &str,
    found: compute_db::Result<Server>,
) -> Result<Server> {
    let server = existing(id, found)?;
    cx.guard.note();
    let project = Some(server.project_id.as_str());
    match policy::allow_rule_on(control, cx, SWAP, project, &server.user_id) {
        Err(_) if cx.caller.project_id.as_deref() != project && !policy::is_admin(control, cx) => {
            Err(missing(id))
        }
        other => other.map(|()| server),
    }
}

/// Refuses a volume that cannot take the place. Unlike in Nova also one to which the old one does not move: when its
/// guest had the new one, the volume service would not hear of it, and there would be no way back.
fn fits(old: &Volume, new: &Volume) -> Result<()> {
    let target = format!("target:{}", old.id);
    let is_target = new.migration_status.as_ref() == Some(&target);
    let why = match (new.status.as_str(), new.size < old.size) {
        _ if !is_target => format!("volume {} does not migrate to {}.", old.id, new.id),
        ("available", false) => return Ok(()),
        ("available", true) => "New volume must be the same size or larger.".to_owned(),
        _ => "New volume must be detached in order to swap.".to_owned(),
    };
    Err(ControlError::Invalid {
        why: format!("Invalid volume: {why}"),
    })
}
