//! The DHCP port of a network: there is one exactly while a subnet of the network has DHCP.

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::addresses;
use crate::core::Core;
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result};
use crate::owners;
use crate::port_life::{self, NewPort};
use crate::tables::{allocations, networks, subnets};

/// Brings the DHCP port of a network in line with its subnets.
pub async fn settle(tx: &Tx, core: &Core, network_id: &str) -> Result<()> {
    let Some(network) = store::find::<networks::Entity>(tx, network_id).await? else {
        return Ok(());
    };
    let wanted = subnets::Entity::find()
        .filter(subnets::Column::NetworkId.eq(network_id))
        .filter(subnets::Column::EnableDhcp.eq(true))
        .order_by_asc(subnets::Column::CreatedAt)
        .all(tx)
        .await?;
    let existing = crate::tables::ports::Entity::find()
        .filter(crate::tables::ports::Column::NetworkId.eq(network_id))
        .filter(crate::tables::ports::Column::DeviceOwner.eq(owners::DHCP))
        .one(tx)
        .await?;
    let port = match (existing, wanted.is_empty()) {
        (None, true) => return Ok(()),
        (Some(port), true) => return port_life::remove(tx, &port).await,
        (Some(port), false) => port,
        (None, false) => {
            // The name that Neutron's agents use, by which tools recognise the port.
            let host =
                uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, core.settings.host.as_bytes());
            let device_id = format!("dhcp{host}-{network_id}");
            port_life::make(
                tx,
                core,
                &network,
                NewPort {
                    owner: owners::DHCP,
                    device_id: &device_id,
                    project: &network.project_id,
                },
            )
            .await?
        }
    };
    let held = addresses::of_port(tx, &port.id).await?;
    for gone in &held {
        if wanted.iter().any(|subnet| subnet.id == gone.subnet_id) {
            continue;
        }
        allocations::Entity::delete_by_id((gone.subnet_id.clone(), gone.ip_address.clone()))
            .exec(tx)
            .await?;
    }
    for subnet in &wanted {
        if held.iter().any(|held| held.subnet_id == subnet.id) {
            continue;
        }
        match addresses::add_one(tx, core, &port, subnet).await {
            // A range too small for a DHCP server has none; the subnet is still of use.
            Err(Fault::IpAddressGenerationFailure(_)) => {
                tracing::warn!(subnet = subnet.id, "no address is left for the DHCP server");
            }
            other => drop(other?),
        }
    }
    Ok(())
}
