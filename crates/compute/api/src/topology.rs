//! `GET /servers/{id}/topology`: the NUMA nodes of a guest. Guests have no topology of their own here, and what asks for
//! one is refused when a server is made.

use std::sync::Arc;

use compute_control::servers;
use microversion::Versioned;
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    servers::show(&api.control, &call.cx, call.path("server_id"), false).await?;
    call.render(&TopologyView {
        nodes: Vec::new(),
        pagesize_kb: None,
    })
}

#[derive(Serialize, Versioned)]
pub struct TopologyView {
    pub nodes: Vec<NodeView>,
    /// Of a guest whose memory has pages of one size.
    pub pagesize_kb: Option<u32>,
}

/// A node of a guest, once there are any.
#[derive(Serialize, Versioned)]
pub struct NodeView {}
