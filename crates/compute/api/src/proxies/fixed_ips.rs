//! The actions `addFixedIp` and `removeFixedIp`, until 2.43.

use std::net::IpAddr;
use std::sync::Arc;

use compute_control::proxies::fixed_ips;
use microversion::Versioned;
use serde::Deserialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// Gives the server an address more on a network.
pub async fn add(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let AddFixedIp { add } = call.admit()?;
    fixed_ips::add(&api.control, &call.cx, call.path("id"), &add.network_id).await?;
    Ok(Answer::empty())
}

/// Takes an address from the server.
pub async fn remove(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RemoveFixedIp { remove } = call.admit()?;
    fixed_ips::remove(&api.control, &call.cx, call.path("id"), remove.address).await?;
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AddFixedIp {
    #[mv(wire = "addFixedIp")]
    pub add: OnNetwork,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct OnNetwork {
    #[mv(wire = "networkId", decimal, min_length = 1, max_length = 36)]
    pub network_id: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RemoveFixedIp {
    #[mv(wire = "removeFixedIp")]
    pub remove: OfServer,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct OfServer {
    #[mv(format = "ip")]
    pub address: IpAddr,
}
