//! Passwords that guests posted.

use std::sync::Arc;

use compute_control::servers::passwords;
use microversion::Versioned;
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// `GET …/os-server-password`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let password = passwords::show(&api.control, &call.cx, id).await?;
    call.render(&PasswordView { password })
}

/// `DELETE …/os-server-password`.
pub async fn clear(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let id = call.path("server_id");
    passwords::clear(&api.control, &call.cx, id).await?;
    Ok(Answer::empty())
}

#[derive(Serialize, Versioned)]
pub struct PasswordView {
    /// Encrypted with the owner's public key; empty when the guest posted none.
    pub password: String,
}
