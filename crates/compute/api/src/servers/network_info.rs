//! The action `injectNetworkInfo`.

use std::sync::Arc;

use compute_control::servers::network_info;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// Reads a server's addresses anew.
pub async fn inject(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    network_info::inject(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}
