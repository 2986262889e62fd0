//! Ways out of the cloud.

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::store::{self, Tx, among};
use crate::fault::Result;
use crate::owners;
use crate::tables::{allocations, ports, routers};

/// The router that joins the subnet with the external network.
pub async fn way_out(tx: &Tx, subnet_id: &str, external: &str) -> Result<Option<String>> {
    let held = allocations::Entity::find()
        .filter(allocations::Column::SubnetId.eq(subnet_id))
        .all(tx)
        .await?;
    let ids: Vec<String> = held.into_iter().map(|held| held.port_id).collect();
    let on_routers = ports::Entity::find()
        .filter(among(ports::Column::Id, &ids))
        .filter(ports::Column::DeviceOwner.eq(owners::ROUTER_INTERFACE))
        .all(tx)
        .await?;
    for port in &on_routers {
        if !ids.contains(&port.id) {
            continue;
        }
        let router = store::find::<routers::Entity>(tx, &port.device_id).await?;
        if let Some(router) =
            router.filter(|router| router.gateway_network_id.as_deref() == Some(external))
        {
            return Ok(Some(router.id));
        }
    }
    Ok(None)
}
