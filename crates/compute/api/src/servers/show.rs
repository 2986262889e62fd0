//! `GET /servers/{id}`.

use std::sync::Arc;

use compute_control::servers;
use microversion::Version;

use super::shown;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// The version that shows the state of a server's host.
pub(super) const HOST_STATUS: Version = Version::new(2, 16);

pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let with_host = call.version.at_least(HOST_STATUS);
    let seen = servers::show(&api.control, &call.cx, call.path("id"), with_host).await?;
    let view = shown::single(&call, &seen);
    call.render_under("server", &view)
}
