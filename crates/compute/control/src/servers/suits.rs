//! Whether the host of a server suits another image: filters of the scheduler say so, as with Nova.
//!
//! Nova asks after it accepted the request, and the server is in error when no host suits. Here it is asked before, and
//! nothing changes.

use std::time::Duration;

use bus::Options;
use compute_model::Server;
use compute_model::image::ServerImage;
use compute_model::request::PlacementRequest;
use compute_rpc::scheduler::{self, SelectHost};

use super::create::invalid;
use crate::{Context, Control, ControlError, Result};

/// How long a scheduler has to answer: a user waits for it.
const ANSWER: Duration = Duration::from_secs(20);

/// Asks about an image that is not the server's own. A server without a host is asked for nothing.
///
/// # Errors
/// 400 when its host does not suit; 503 when no scheduler answers.
pub(super) async fn host_suits(
    control: &Control,
    cx: &Context,
    server: &Server,
    image: &ServerImage,
) -> Result<()> {
    let own = server.described_by().map(|own| &own.id);
    if server.host.is_none() || own == Some(&image.id) {
        return Ok(());
    }
    let request = PlacementRequest {
        image: Some(image.clone()),
        image_alone: true,
        ..PlacementRequest::on_its_host(server)
    };
    let message = SelectHost {
        request,
        alternates: 0,
    };
    let options = Options::from(cx.for_bus()).deadline(ANSWER);
    let to = scheduler::address();
    let answer = control.bus.call(&to, message, options).await;
    let selection = answer.map_err(|error| {
        tracing::warn!(%error, server = server.id, "no scheduler says whether a host suits an image");
        ControlError::Unavailable {
            why: "No scheduler answers.".to_owned(),
        }
    })?;
    if !selection.choices.is_empty() {
        return Ok(());
    }
    let explanation = selection.explanation.of_requested_host();
    tracing::info!(
        server = server.id,
        why = explanation.sentence(),
        "a host does not suit an image"
    );
    Err(invalid(explanation.told_to_owner()))
}
