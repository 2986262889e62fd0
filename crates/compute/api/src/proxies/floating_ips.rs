//! Floating addresses as compute had them, until 2.35 and 2.43; the network service keeps them.

use std::net::IpAddr;
use std::sync::Arc;

use compute_control::proxies::floating_ips::{self, FloatingIp};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Named;

/// `GET /os-floating-ip-pools`.
pub async fn pools(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let pools = floating_ips::pools(&api.control, &call.cx).await?;
    call.render(&Pools {
        floating_ip_pools: pools.iter().map(|name| Named { name }).collect(),
    })
}

/// `GET /os-floating-ips`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let found = floating_ips::list(&api.control, &call.cx).await?;
    call.render(&FloatingIps {
        floating_ips: found.iter().map(view).collect(),
    })
}

/// `GET /os-floating-ips/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let found = floating_ips::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("floating_ip", &view(&found))
}

/// `POST /os-floating-ips`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateFloatingIp { pool } = call.admit()?;
    let made = floating_ips::create(&api.control, &call.cx, pool.as_deref()).await?;
    call.render_under("floating_ip", &view(&made))
}

/// `DELETE /os-floating-ips/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    floating_ips::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// The action `addFloatingIp`.
pub async fn add(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let AddFloatingIp { add } = call.admit()?;
    let (id, fixed) = (call.path("id"), add.fixed_address.as_deref());
    floating_ips::add(&api.control, &call.cx, id, &add.address, fixed).await?;
    Ok(Answer::empty())
}

/// The action `removeFloatingIp`.
pub async fn remove(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RemoveFloatingIp { remove } = call.admit()?;
    floating_ips::remove(&api.control, &call.cx, call.path("id"), &remove.address).await?;
    Ok(Answer::empty())
}

fn view(found: &FloatingIp) -> FloatingIpView<'_> {
    FloatingIpView {
        fixed_ip: found.fixed_address,
        id: &found.id,
        instance_id: found.server_id.as_deref(),
        ip: found.address,
        pool: &found.pool,
    }
}

#[derive(Serialize, Versioned)]
pub struct Pools<'v> {
    pub floating_ip_pools: Vec<Named<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct FloatingIps<'v> {
    pub floating_ips: Vec<FloatingIpView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct FloatingIpView<'v> {
    pub fixed_ip: Option<IpAddr>,
    pub id: &'v str,
    pub instance_id: Option<&'v str>,
    pub ip: IpAddr,
    pub pool: &'v str,
}

/// The whole body may be missing.
#[derive(Debug, Default, Deserialize, Versioned)]
#[mv(open)]
pub struct CreateFloatingIp {
    pub pool: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AddFloatingIp {
    #[mv(wire = "addFloatingIp")]
    pub add: Added,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Added {
    #[mv(format = "ip")]
    pub address: String,
    #[mv(format = "ip")]
    pub fixed_address: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RemoveFloatingIp {
    #[mv(wire = "removeFloatingIp")]
    pub remove: Removed,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Removed {
    #[mv(format = "ip")]
    pub address: String,
}
