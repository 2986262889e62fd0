//! What was done to a server.

use compute_db::{DbError, actions, servers};
use compute_model::Server;
use compute_model::action::{ActionEvent, ActionRecord};

use super::{load, missing};
use crate::{Context, Control, ControlError, Result, policy};

pub use actions::Page;

/// What the caller may see of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Tracebacks and hosts, and before 2.51 the events at all.
    pub tracebacks: bool,
    /// The messages of faults.
    pub details: bool,
}

/// The actions of a server, newest first. `deleted_too`: also of one that is gone.
///
/// # Errors
/// 400 for a marker that is none of the server's, 404, 403 by policy.
pub async fn list(
    control: &Control,
    cx: &Context,
    id: &str,
    page: &Page,
    deleted_too: bool,
) -> Result<Vec<ActionRecord>> {
    find(control, cx, id, deleted_too).await?;
    actions::list(control.db.read(), id, page)
        .await
        .map_err(|error| match error {
            DbError::Marker(_) => ControlError::Invalid {
                why: error.to_string(),
            },
            other => other.into(),
        })
}

/// An action with its events, its server, and what the caller may see.
#[derive(Debug, Clone)]
pub struct Action {
    pub record: ActionRecord,
    pub events: Vec<ActionEvent>,
    pub server: Server,
    pub sight: Sight,
}

/// One action by its request.
///
/// # Errors
/// 404 for server or action, 403 by policy.
pub async fn show(
    control: &Control,
    cx: &Context,
    id: &str,
    request_id: &str,
    deleted_too: bool,
) -> Result<Action> {
    let server = find(control, cx, id, deleted_too).await?;
    let (record, events) = actions::find(control.db.read(), id, request_id)
        .await
        .map_err(|error| match error {
            DbError::NotFound(_) => ControlError::NotFound {
                why: format!("Action {request_id} not found"),
            },
            other => other.into(),
        })?;
    Ok(Action {
        record,
        events,
        server,
        sight: Sight {
            tracebacks: policy::may(control, cx, "os_compute_api:os-instance-actions:events"),
            details: policy::may(
                control,
                cx,
                "os_compute_api:os-instance-actions:events:details",
            ),
        },
    })
}

async fn find(control: &Control, cx: &Context, id: &str, deleted_too: bool) -> Result<Server> {
    if !deleted_too {
        return load(control, cx, id).await;
    }
    let server = match servers::find_any(control.db.read(), id).await {
        Err(DbError::NotFound(_)) => return Err(missing(id)),
        other => other?,
    };
    let own = cx.caller.project_id.as_deref() == Some(server.project_id.as_str());
    if !own && !policy::is_admin(control, cx) {
        return Err(missing(id));
    }
    policy::allow_on(control, cx, Some(&server.project_id), &server.user_id)?;
    Ok(server)
}
