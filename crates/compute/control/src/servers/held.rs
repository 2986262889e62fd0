//! Volumes that exist and that a new server is to have. They are reserved before the request is accepted, as with Nova:
//! of two requests for one volume, the later is refused.
//!
//! What the volume service reserved, no transaction of ours takes back. So a workflow is in the journal before anything
//! is reserved, which gives it back when the request fails or its process dies ([`HoldVolumes`]). The transaction that
//! writes the server turns that workflow round, or is refused because it began to give back.

use chrono::{TimeDelta, Utc};
use clients::ClientError;
use clients::volume as cinder;
use compute_model::volume::{Origin, VolumeRequest};
use compute_rpc::workflows::{HOLD_VOLUMES, HOLD_VOLUMES_VERSION, HoldVolumes, REQUEST_FAILED};
use sql::sea_orm::DatabaseTransaction;
use workflow::{Record, Status, WorkflowId};

use super::{asked, boot, nudge};
use crate::{Context, Control, ControlError, Result};

/// How long a request may take from its first reservation until its server is written.
const LIMIT: TimeDelta = TimeDelta::seconds(60);

/// Volumes that are reserved for a server that is not written yet.
#[derive(Debug)]
pub(super) struct Held {
    /// The id that the server is to have.
    pub server_id: String,
    /// What gives them back.
    pub workflow: WorkflowId,
}

/// Reserves those that exist, and writes their attachments down; none when all are to be made.
///
/// # Errors
/// 400 for a volume that somebody else has by now, or that does not exist any more.
pub(super) async fn reserve(
    control: &Control,
    cx: &Context,
    volumes: &mut [VolumeRequest],
) -> Result<Option<Held>> {
    let exists = |volume: &VolumeRequest| matches!(volume.origin, Origin::Volume(_));
    if !volumes.iter().any(exists) {
        return Ok(None);
    }
    let held = begin(control, cx).await?;
    for volume in volumes {
        let Origin::Volume(id) = &volume.origin else {
            continue;
        };
        let reserved = cinder::reserve(&control.volume, cx.token(), id, &held.server_id).await;
        match reserved {
            Ok(attachment) => volume.attachment_id = Some(attachment),
            Err(error) => {
                // One that did not answer may reserve it yet: that is given back when the time is over.
                if !error.is_passing() {
                    held.give_up(control, cx).await;
                }
                return Err(refused(id, error));
            }
        }
    }
    Ok(Some(held))
}

async fn begin(control: &Control, cx: &Context) -> Result<Held> {
    let server_id = uuid::Uuid::new_v4().to_string();
    let state = HoldVolumes {
        server_id: server_id.clone(),
        asked: asked(cx),
        until: sql::micros(Utc::now() + LIMIT),
    };
    let kind = (HOLD_VOLUMES, HOLD_VOLUMES_VERSION);
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let begun = workflow::insert(&tx, kind, &server_id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    Ok(Held {
        server_id,
        workflow: begun,
    })
}

/// Why a volume could not be reserved. The texts are Nova's.
fn refused(id: &str, error: ClientError) -> ControlError {
    match error.status().map(|status| status.as_u16()) {
        Some(400) => {
            let why = error.message();
            let why = why.trim_start_matches("Invalid volume: ");
            super::create::invalid(format!("Invalid volume: {why}"))
        }
        Some(_) if !error.is_passing() => boot::malformed(&format!("failed to get volume {id}.")),
        _ => error.into(),
    }
}

impl Held {
    /// The volumes are the server's from the commit of this transaction on, which writes it.
    ///
    /// # Errors
    /// 503 for a request that took too long: they are being given back.
    pub async fn keep(&self, tx: &DatabaseTransaction) -> Result<()> {
        workflow::request_cancel_of(tx, self.workflow).await?;
        let record = workflow::get(tx, self.workflow).await?;
        let turns = |record: &Record| {
            record.status == Status::Running && record.cancel && record.forward_from.is_none()
        };
        match record.as_ref().is_some_and(turns) {
            true => Ok(()),
            false => Err(ControlError::Unavailable {
                why: "The request took so long that its volumes were given back.".to_owned(),
            }),
        }
    }

    /// The server is not written. Where that is not certain, the volumes stay the server's: the transaction that wrote
    /// it came before this.
    pub async fn give_up(&self, control: &Control, cx: &Context) {
        let said = sql::retry(|| async {
            let tx = control.db.begin().await?;
            workflow::signal(&tx, self.workflow, REQUEST_FAILED, &()).await?;
            tx.commit().await?;
            Ok::<_, ControlError>(())
        })
        .await;
        match said {
            Ok(()) => nudge(control, cx, &[self.workflow]),
            Err(error) => tracing::warn!(
                %error,
                server = self.server_id,
                "volumes that were reserved for nothing stay so until their time is over"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use compute_rpc::workflows::Asked;
    use sql::sea_orm::ConnectionTrait;

    use super::*;
    use crate::testing;

    /// What a request left in the journal before it reserved anything.
    async fn begun(control: &Control) -> Held {
        let state = HoldVolumes {
            server_id: "server".to_owned(),
            asked: Asked::default(),
            until: Utc::now(),
        };
        let kind = (HOLD_VOLUMES, HOLD_VOLUMES_VERSION);
        let begun = workflow::insert(control.db.write(), kind, "server", &state).await;
        Held {
            server_id: state.server_id,
            workflow: begun.expect("a row"),
        }
    }

    async fn kept(control: &Control, held: &Held) -> Result<()> {
        let tx = control.db.begin().await?;
        held.keep(&tx).await?;
        Ok(tx.commit().await?)
    }

    #[tokio::test]
    async fn no_server_is_written_whose_volumes_are_being_given_back() {
        let control = testing::control(Router::new(), Router::new(), Router::new()).await;
        let held = begun(&control).await;
        kept(&control, &held).await.expect("in time");
        let record = workflow::get(control.db.read(), held.workflow).await;
        let record = record.expect("a journal").expect("a row");
        assert!(record.cancel, "it is to turn round");
        for ends in [
            "forward_from = 'release'",
            "status = 'done'",
            "status = 'undone'",
        ] {
            let held = begun(&control).await;
            let change = format!("UPDATE workflow SET {ends} WHERE id = '{}'", held.workflow);
            let changed = control.db.write().execute_unprepared(&change).await;
            changed.expect("the journal is there");
            let refused = kept(&control, &held).await;
            assert!(
                matches!(refused, Err(ControlError::Unavailable { .. })),
                "{ends}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_refusal_of_the_volume_service_is_told_as_nova_does() {
        let refusal = |status: u16, message: &str| {
            let refused = ClientError::Refused {
                service: "volume",
                status: http::StatusCode::from_u16(status).expect("a status"),
                message: message.to_owned(),
            };
            super::refused("v", refused)
        };
        for (status, message, told) in [
            (
                400,
                "Invalid volume: it is reserved.",
                "Invalid volume: it is reserved.",
            ),
            (
                404,
                "gone",
                "Block Device Mapping is Invalid: failed to get volume v.",
            ),
        ] {
            let error = refusal(status, message);
            assert!(
                matches!(&error, ControlError::Invalid { why } if why == told),
                "{error:?}"
            );
        }
        let error = refusal(503, "later");
        assert!(
            matches!(error, ControlError::Unavailable { .. }),
            "{error:?}"
        );
    }
}
