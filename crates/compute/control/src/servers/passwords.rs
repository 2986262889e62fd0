//! Passwords of guests: the one that a guest posted to the metadata service, for whoever has its private key, and another
//! one for its administrator, which takes its place.

use compute_db::passwords;
use compute_model::lifecycle::Action;
use compute_model::{Server, image_properties};
use compute_rpc::agent::Given;

use super::{act, load, lock};
use crate::{Context, Control, ControlError, Result};

/// Has the agent in the guest give its administrator another password.
///
/// # Errors
/// 404; 403 by policy; 409 when the server's state or lock forbids it, and without an agent in the guest.
pub async fn change(control: &Control, cx: &Context, id: &str, password: String) -> Result<()> {
    let given = Given {
        admin_password: Some(password),
        injected_files: Vec::new(),
    };
    let action = (Action::ChangePassword, given);
    act::begin(control, cx, id, action, |server| has_agent(server)).await
}

/// Refuses a server whose image says nothing of an agent, in Nova's words.
pub(super) fn has_agent(server: &Server) -> Result<()> {
    let properties = server.described_by().map(|image| &image.properties);
    match properties.and_then(|all| image_properties::is_set(all, "hw_qemu_guest_agent")) {
        Some(true) => Ok(()),
        Some(false) | None => Err(ControlError::Conflict {
            why: "QEMU guest agent is not enabled".to_owned(),
        }),
    }
}

/// The encrypted password that the guest posted, or that it was given since; empty when there is none.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<String> {
    let server = load(control, cx, id).await?;
    let posted = passwords::find(control.db.read(), &server.id).await?;
    Ok(posted.unwrap_or_default())
}

/// Forgets it here; what the guest knows stays.
///
/// # Errors
/// 404, 403 by policy.
pub async fn clear(control: &Control, cx: &Context, id: &str) -> Result<()> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        passwords::forget(&tx, &server.id).await?;
        Ok(tx.commit().await?)
    })
    .await
}
