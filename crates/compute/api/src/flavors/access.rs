//! Which projects may use a private flavor.

use std::sync::Arc;

use compute_control::flavors;

use super::{AccessView, AddTenantAccess, RemoveTenantAccess};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::PUBLIC_FLAVORS_NOT_SHARED;
use crate::words::NoQuery;

/// `GET /flavors/{flavor_id}/os-flavor-access`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("flavor_id");
    let open_to = flavors::access(&api.control, &call.cx, id).await?;
    shown(&call, id, &open_to)
}

/// `addTenantAccess`.
pub async fn add(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let AddTenantAccess { access } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let public_too = !call.version.at_least(PUBLIC_FLAVORS_NOT_SHARED);
    let open_to = flavors::grant(&api.control, &cx, id, &access.tenant, public_too).await?;
    shown(&call, id, &open_to)
}

/// `removeTenantAccess`.
pub async fn remove(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RemoveTenantAccess { access } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let open_to = flavors::revoke(&api.control, &cx, id, &access.tenant).await?;
    shown(&call, id, &open_to)
}

fn shown(call: &Call, id: &str, open_to: &[String]) -> Result<Answer, Fault> {
    let views = open_to.iter().map(|project| AccessView {
        flavor_id: id,
        tenant_id: project,
    });
    call.render_under("flavor_access", &views.collect::<Vec<_>>())
}
