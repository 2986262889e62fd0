//! Counters of a running guest.

use std::time::Duration;

use bus::Options;
use compute_model::PowerState;
use compute_model::diagnostics::GuestDiagnostics;
use compute_model::lifecycle::{self, Refusal};
use compute_rpc::agent::{self, Diagnose};
use compute_rpc::code;

use super::act::not_ready;
use super::load;
use crate::{Context, Control, ControlError, Result};

/// How long a host has to answer: a user waits for it.
const ANSWER: Duration = Duration::from_secs(20);

/// The word in 409 messages.
const WORD: &str = "get_diagnostics";

/// What the server's host says of its guest.
///
/// # Errors
/// 404, 403 by policy; 409 for a server that something happens to, that was never started or does not run; 501 where
/// its hypervisor cannot say; 503 when its host does not answer.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<GuestDiagnostics> {
    let server = load(control, cx, id).await?;
    lifecycle::admit_look(WORD, &server)?;
    let host = server.host.as_deref();
    let host = host.ok_or_else(|| not_ready(&server.id))?;
    let stopped = || Refusal::State {
        word: WORD,
        id: server.id.clone(),
        attribute: "power state",
        state: server.power_state.word().to_owned(),
    };
    if server.power_state != PowerState::Running {
        return Err(stopped().into());
    }
    let message = Diagnose {
        server_id: server.id.clone(),
    };
    let options = Options::from(cx.for_bus()).deadline(ANSWER);
    let address = agent::address(host);
    let answer = control.bus.call(&address, message, options).await;
    answer.map_err(|error| match error.refusal() {
        Some(refusal) if refusal.code == code::UNSUPPORTED => ControlError::Unsupported {
            why: "Unable to get diagnostics, functionality not implemented".to_owned(),
        },
        Some(_) => stopped().into(),
        None => ControlError::Unavailable {
            why: format!("The host of instance {id} does not answer."),
        },
    })
}
