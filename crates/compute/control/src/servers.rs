//! Servers: what users ask of them.
//!
//! Reading loads one row; changing locks it in a transaction, decides on what it says, saves it,
//! and writes the record of the action and the journal entry beside it.

pub mod act;
pub mod actions;
pub mod consoles;
pub mod create;
pub mod delete;
pub mod diagnostics;
pub mod events;
pub mod images;
pub mod interfaces;
pub mod list;
pub mod lock;
pub mod metadata;
pub mod network_info;
pub mod passwords;
pub mod rebuild;
pub mod rescue;
pub mod resize;
pub mod restore;
pub mod security_groups;
pub mod shelve;
pub mod show;
pub mod state;
pub mod tags;
pub mod update;
pub mod volumes;

mod boot;
mod devices;
mod held;
mod local_disks;
mod nics;
mod plan;
mod room;
mod suits;
pub(crate) mod vifs;

use compute_db::{DbError, actions as records, servers};
use compute_model::Server;
use compute_model::action::ActionRecord;
use compute_model::image::ServerImage;
use compute_model::lifecycle::{self, Refusal};
use compute_model::state::VmState;
use compute_rpc::conductor::{self, Nudge};
use compute_rpc::workflows::Asked;
use sql::sea_orm::DatabaseTransaction;

use crate::{Context, Control, ControlError, Result, policy};

pub use act::act;
pub use boot::{Device, Source};
pub use create::{Created, NewServer, create};
pub use delete::{delete, force_delete};
pub use list::{ListWanted, Listed, list, truth};
pub use nics::{Networks, NewNic};
pub use show::{HostStatuses, Sight, VisibleServer, show};
pub use update::{ServerUpdate, update};

/// The answer to a server that does not exist, or that is hidden from the caller.
pub(crate) fn missing(id: &str) -> ControlError {
    ControlError::NotFound {
        why: format!("Instance {id} could not be found."),
    }
}

/// An image, if the caller may see it; servers can be made of its data.
pub(crate) async fn image_to_start(
    control: &Control,
    cx: &Context,
    id: &str,
) -> Result<Option<ServerImage>> {
    let image = plan::image_if_seen(control, cx, id).await?;
    if let Some(image) = &image {
        plan::one_disk(image)?;
    }
    Ok(image)
}

/// The server, if it exists and the caller may know so and the rule of the call allows.
pub(crate) async fn load(control: &Control, cx: &Context, id: &str) -> Result<Server> {
    let found = servers::find(control.db.read(), id).await;
    visible(control, cx, id, found)
}

/// As [`load`], with the row locked until the transaction ends.
pub(crate) async fn lock(
    tx: &DatabaseTransaction,
    control: &Control,
    cx: &Context,
    id: &str,
) -> Result<Server> {
    let found = servers::lock(tx, id).await;
    visible(control, cx, id, found)
}

fn existing(id: &str, found: compute_db::Result<Server>) -> Result<Server> {
    found.map_err(|error| match error {
        DbError::NotFound(_) => missing(id),
        other => other.into(),
    })
}

fn visible(
    control: &Control,
    cx: &Context,
    id: &str,
    found: compute_db::Result<Server>,
) -> Result<Server> {
    let server = existing(id, found)?;
    let own = cx.caller.project_id.as_deref() == Some(server.project_id.as_str());
    if !own && !policy::is_admin(control, cx) {
        return Err(missing(id));
    }
    policy::allow_on(control, cx, Some(&server.project_id), &server.user_id)?;
    Ok(server)
}

/// Changes a server that nothing else needs to be told of. With `record`, the change is an action
/// of that name.
pub(crate) async fn edit<T: Send>(
    control: &Control,
    cx: &Context,
    id: &str,
    record: Option<&'static str>,
    change: impl Fn(&mut Server) -> Result<T> + Send + Sync,
) -> Result<(Server, T)> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let changed = change(&mut server)?;
        servers::save(&tx, &mut server).await?;
        if let Some(action) = record {
            records::start(&tx, &action_record(cx, &server.id, action)).await?;
        }
        tx.commit().await?;
        Ok((server, changed))
    })
    .await
}

/// States in which metadata and tags of a server may change.
const EDITABLE: &[VmState] = &[
    VmState::Active,
    VmState::Paused,
    VmState::Suspended,
    VmState::Stopped,
];

/// Refuses what changes small things of a server in a state that forbids it.
pub(crate) fn editable(server: &Server, word: &'static str) -> Result<()> {
    match EDITABLE.contains(&server.vm_state) {
        true => Ok(()),
        false => Err(Refusal::State {
            word,
            id: server.id.clone(),
            attribute: "vm_state",
            state: server.vm_state.to_string(),
        }
        .into()),
    }
}

/// Refuses callers who do not pass the server's lock.
pub(crate) fn unlocked(control: &Control, cx: &Context, server: &Server) -> Result<()> {
    Ok(lifecycle::unlocked(server, policy::is_admin(control, cx))?)
}

/// Writes down that an action on a server was asked for and is under way, in the transaction that claims the server.
pub(crate) async fn begin_action(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &Server,
    action: &str,
) -> Result<()> {
    begin_action_as(tx, cx, server, (action, action)).await
}

/// The same of an action whose host works at something of another name.
pub(crate) async fn begin_action_as(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &Server,
    (action, work): (&str, &str),
) -> Result<()> {
    let record = action_record(cx, &server.id, action);
    compute_db::actions::start(tx, &record).await?;
    let event = compute_model::action::event_of(work);
    compute_db::actions::begin_event(
        tx,
        &server.id,
        &record.request_id,
        &event,
        server.host.as_deref(),
        record.start_time,
    )
    .await?;
    Ok(())
}

/// The record of an action that begins now.
pub(crate) fn action_record(cx: &Context, server_id: &str, action: &str) -> ActionRecord {
    ActionRecord {
        server_id: server_id.to_owned(),
        action: action.to_owned(),
        request_id: cx.request_id.local.clone(),
        user_id: Some(cx.caller.user_id.clone()),
        project_id: cx.caller.project_id.clone(),
        start_time: sql::micros(chrono::Utc::now()),
        updated_at: None,
        message: None,
    }
}

/// Who asked, for the journal.
pub(crate) fn asked(cx: &Context) -> Asked {
    Asked::from(&cx.for_bus())
}

/// Tells conductors of new work. A lost nudge costs a moment: the sweep finds the journal's rows.
/// A broker that is away holds nobody up.
pub(crate) fn nudge(control: &Control, cx: &Context, ids: &[workflow::WorkflowId]) {
    for id in ids {
        let message = Nudge {
            workflow_id: id.to_string(),
        };
        control
            .bus
            .post(&conductor::address(), message, cx.for_bus());
    }
}
