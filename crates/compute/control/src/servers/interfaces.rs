//! The ports of a server, as the network service has them, and its network cards: one more, one less.

use std::time::Duration;

use clients::network;
use compute_db::{DbError, servers};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, DeviceChange};
use compute_rpc::workflows::{
    ATTACH_INTERFACE, ATTACH_INTERFACE_VERSION, AttachInterface, DETACH_INTERFACE,
    DETACH_INTERFACE_VERSION, DetachInterface,
};
use serde_json::Value;
use sql::sea_orm::DatabaseTransaction;
use workflow::{Record, Status, WorkflowId};

use super::nics;
use super::{asked, begin_action, load, lock, nudge};
use crate::{Context, Control, ControlError, Result, policy};

pub use super::nics::NewNic;
pub use clients::network::Port;

/// How long a request waits for its card: a guest has it after a moment, and then it is said what became of it.
const WAIT: Duration = Duration::from_secs(60);

/// The longest pause between looks at what became of it.
const LOOK: Duration = Duration::from_millis(200);

/// The ports of a server, with the server.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<(Server, Vec<Port>)> {
    let server = load(control, cx, id).await?;
    let ports = network::ports_of(&control.network, cx.token(), id).await?;
    Ok((server, ports))
}

/// One port of a server, with the server.
///
/// # Errors
/// 404 for server or port, 403 by policy.
pub async fn show(
    control: &Control,
    cx: &Context,
    id: &str,
    port_id: &str,
) -> Result<(Server, Port)> {
    let server = load(control, cx, id).await?;
    let missing = |why: String| ControlError::NotFound { why };
    let port = match network::port(&control.network, cx.token(), port_id).await {
        Err(error) if error.is_not_found() => {
            return Err(missing(format!("Port id {port_id} could not be found.")));
        }
        other => other?,
    };
    match port.device_id == server.id {
        true => Ok((server, port)),
        false => Err(missing(format!(
            "Instance {id} does not have a port with id {port_id}"
        ))),
    }
}

/// Gives a server one more network card and waits until it has it; gives the server and the port.
///
/// # Errors
/// 404 for the server, a port or a network; 403 by policy, for an external network or when the project may have no more
/// ports; 409 when the server's state or lock forbids it, or a port or address is in use; 400 for what cannot be meant;
/// 501 when its hypervisor cannot do that; 500 when its host fails; 503 when that is not known in time.
pub async fn attach(
    control: &Control,
    cx: &Context,
    id: &str,
    nic: &NewNic,
) -> Result<(Server, Port)> {
    const CHANGE: DeviceChange = DeviceChange::AttachInterface;
    let server = load(control, cx, id).await?;
    lifecycle::admit_device(CHANGE, &server, policy::is_admin(control, cx))?;
    let wanted = nics::added(control, cx, &server.project_id, nic).await?;
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        lifecycle::admit_device(CHANGE, &server, policy::is_admin(control, cx))?;
        begin_action(&tx, cx, &server, CHANGE.word()).await?;
        let state = AttachInterface {
            server_id: server.id.clone(),
            asked: asked(cx),
            wanted: wanted.clone(),
            before: super::devices::under_way(&tx, &server.id).await?,
            vif: None,
            plugging_since: None,
        };
        let kind = (ATTACH_INTERFACE, ATTACH_INTERFACE_VERSION);
        let begun = workflow::insert(&tx, kind, &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    let record = ended(control, begun).await?;
    if record.status != Status::Done {
        return Err(failure(&server.id, record.error.unwrap_or_default()));
    }
    let port_id = record.state["vif"]["port_id"].as_str().unwrap_or_default();
    show(control, cx, id, port_id).await
}

/// Takes the network card of a port from a server: accepted, then done.
///
/// # Errors
/// 404 for the server or a port that is none of its; 403 by policy; 409 when its state or lock forbids it.
pub async fn detach(control: &Control, cx: &Context, id: &str, port_id: &str) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        lifecycle::admit_device(DETACH, &server, policy::is_admin(control, cx))?;
        let begun = take_card(&tx, cx, &server, port_id).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

/// Takes the card of a port that the network service has no more from the guest that has it. A server without such a
/// card, or to which something else happens, is left alone.
///
/// # Errors
/// The database does not answer.
pub(super) async fn port_is_gone(
    control: &Control,
    cx: &Context,
    id: &str,
    port_id: &str,
) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = match servers::lock(&tx, id).await {
            Err(DbError::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let has_card = server.vifs.iter().any(|vif| vif.port_id == port_id);
        if !has_card || lifecycle::admit_device(DETACH, &server, true).is_err() {
            return Ok(None);
        }
        let begun = take_card(&tx, cx, &server, port_id).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(Some(begun))
    })
    .await?;
    nudge(control, cx, begun.as_slice());
    Ok(())
}

const DETACH: DeviceChange = DeviceChange::DetachInterface;

/// Writes the detachment of a card into the journal, with its record.
async fn take_card(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &Server,
    port_id: &str,
) -> Result<WorkflowId> {
    let vif = server.vifs.iter().find(|vif| vif.port_id == port_id);
    let Some(vif) = vif.cloned() else {
        return Err(ControlError::NotFound {
            why: format!("Port id {port_id} could not be found."),
        });
    };
    begin_action(tx, cx, server, DETACH.word()).await?;
    let state = DetachInterface {
        server_id: server.id.clone(),
        asked: asked(cx),
        before: super::devices::under_way(tx, &server.id).await?,
        vif,
    };
    let kind = (DETACH_INTERFACE, DETACH_INTERFACE_VERSION);
    Ok(workflow::insert(tx, kind, &server.id, &state).await?)
}

/// Waits until an operation ended.
async fn ended(control: &Control, id: WorkflowId) -> Result<Record> {
    let deadline = tokio::time::Instant::now() + WAIT;
    let mut pause = Duration::from_millis(10);
    while tokio::time::Instant::now() < deadline {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK);
        if let Some(record) = workflow::get(control.db.read(), id).await?
            && record.status != Status::Running
        {
            return Ok(record);
        }
    }
    Err(ControlError::Unavailable {
        why: "It was accepted and goes on, but has not ended in time.".to_owned(),
    })
}

/// Why a server did not get its card, out of the failure in the journal.
fn failure(server_id: &str, error: Value) -> ControlError {
    let kind: Kind = serde_json::from_value(error["kind"].clone()).unwrap_or_default();
    let text = error["message"].as_str().unwrap_or_default();
    let why = match kind {
        // What the network service or the conductor said of the caller's own port or network.
        Kind::PortInUse | Kind::Network | Kind::NetworkGone | Kind::NetworkTaken
            if !text.is_empty() =>
        {
            text.to_owned()
        }
        kind => format!(
            "Failed to attach network adapter device to {server_id}: {}",
            kind.sentence()
        ),
    };
    match kind {
        Kind::NetworkGone | Kind::Deleted => ControlError::NotFound { why },
        Kind::PortInUse | Kind::NetworkTaken | Kind::Overtaken => ControlError::Conflict { why },
        Kind::Network | Kind::BadRequest => ControlError::Invalid { why },
        Kind::Unsupported => ControlError::Unsupported { why },
        _ => ControlError::Failed { why },
    }
}

/// The addresses of a server, for both routes under `ips`.
///
/// # Errors
/// 404, 403 by policy.
pub async fn addresses(control: &Control, cx: &Context, id: &str) -> Result<Server> {
    load(control, cx, id).await
}
