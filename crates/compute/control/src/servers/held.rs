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

/// How long a request may take from its first reservation until its server is written. One call of the volume service
/// may take twice [`clients::TIMEOUT`] (a minute until its answer begins, and another for its body), and is not to
/// outlast the hold; a third minute is for what the request does beside it.
const LIMIT: TimeDelta = TimeDelta::seconds(180);

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
                held.give_up(control, cx, error.is_passing()).await;
                return Err(refused(id, error));
            }
        }
    }
    Ok(Some(held))
}

async fn begin(control: &Control, cx: &Context) -> Result<Held> {
    let server_id = uuid::Uuid::new_v4().to_string();
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let begun = insert(&tx, cx, &server_id, LIMIT).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    Ok(Held {
        server_id,
        workflow: begun,
    })
}

/// Writes into the journal what gives the volumes of this server back after so much time, unless it is written.
async fn insert(
    tx: &DatabaseTransaction,
    cx: &Context,
    server_id: &str,
    after: TimeDelta,
) -> Result<WorkflowId> {
    let state = HoldVolumes {
        server_id: server_id.to_owned(),
        asked: asked(cx),
        until: sql::micros(Utc::now() + after),
    };
    let kind = (HOLD_VOLUMES, HOLD_VOLUMES_VERSION);
    Ok(workflow::insert(tx, kind, server_id, &state).await?)
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

    /// The server is not written: its volumes are given back at once, or after [`LIMIT`] when a call is `unanswered`,
    /// which may reserve one yet. Where it is not certain that the server is not written, they stay the server's: the
    /// transaction that wrote it came before this.
    pub async fn give_up(&self, control: &Control, cx: &Context, unanswered: bool) {
        let after = match unanswered {
            true => LIMIT,
            false => TimeDelta::zero(),
        };
        let said = sql::retry(|| async {
            let tx = control.db.begin().await?;
            // One that gave back what was reserved by then does not see what came later.
            let gives = match !unanswered && self.hears(&tx).await? {
                true => self.workflow,
                false => insert(&tx, cx, &self.server_id, after).await?,
            };
            tx.commit().await?;
            Ok::<_, ControlError>(gives)
        })
        .await;
        match said {
            Ok(gives) => nudge(control, cx, &[gives]),
            Err(error) => tracing::warn!(
                %error,
                server = self.server_id,
                "volumes that were reserved for nothing stay so until their time is over"
            ),
        }
    }

    /// Tells the workflow that the request failed; whether it looks for the volumes after that.
    async fn hears(&self, tx: &DatabaseTransaction) -> Result<bool> {
        if !workflow::signal(tx, self.workflow, REQUEST_FAILED, &()).await? {
            return Ok(false);
        }
        let record = workflow::get(tx, self.workflow).await?;
        Ok(record.is_some_and(|record| record.forward_from.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use clients::Service;
    use compute_rpc::workflows::Asked;
    use http::StatusCode;
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

    /// What is in the journal.
    async fn holds(control: &Control) -> Vec<HoldVolumes> {
        let found = workflow::list(control.db.read(), &workflow::Filter::default()).await;
        let read = |record: Record| serde_json::from_value(record.state).expect("a hold");
        found.expect("a journal").into_iter().map(read).collect()
    }

    #[tokio::test]
    async fn a_hold_that_does_not_look_for_volumes_any_more_is_followed_by_another() {
        for (change, count) in [
            ("attempts = 1", 1),
            ("forward_from = 'release'", 2),
            ("status = 'done'", 2),
        ] {
            let control = testing::control(Router::new(), Router::new(), Router::new()).await;
            let held = begun(&control).await;
            let change = format!("UPDATE workflow SET {change}");
            let changed = control.db.write().execute_unprepared(&change).await;
            changed.expect("the journal is there");
            let cx = testing::request("os_compute_api:servers:create");
            held.give_up(&control, &cx, false).await;
            let all = holds(&control).await;
            assert_eq!(all.len(), count, "{change}: {all:?}");
            for hold in all {
                assert_eq!(hold.server_id, "server");
                assert!(hold.until <= Utc::now(), "{change}: at once: {hold:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_a_call_without_an_answer_may_reserve_yet_is_given_back_later() {
        let mut control = testing::control(Router::new(), Router::new(), Router::new()).await;
        let away = Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
        control.volume = Service::in_process("volume", away);
        let wanted = VolumeRequest {
            origin: Origin::Volume("v".to_owned()),
            attachment_id: None,
            size: None,
            volume_type: None,
            tag: None,
            delete_on_termination: false,
            boot: true,
            boot_order: None,
            bus: None,
            cdrom: false,
        };
        let cx = testing::request("os_compute_api:servers:create");
        let before = sql::micros(Utc::now());
        let refused = reserve(&control, &cx, &mut [wanted]).await;
        assert!(
            matches!(refused, Err(ControlError::Unavailable { .. })),
            "{refused:?}"
        );
        let all = holds(&control).await;
        assert_eq!(all.len(), 2, "from the failure on, too: {all:?}");
        assert_eq!(all[0].server_id, all[1].server_id);
        for hold in all {
            assert!(hold.until >= before + LIMIT, "{hold:?}");
        }
    }

    /// A call may take the time of a service twice: see [`clients::TIMEOUT`].
    #[test]
    fn no_call_outlasts_the_hold() {
        let limit = LIMIT.to_std().expect("a time ahead");
        assert!(limit > 2 * clients::TIMEOUT);
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
