//! How a port begins and ends, whoever owns it: routers, floating addresses and DHCP make and remove theirs here, and
//! nobody is asked who may.

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::addresses;
use crate::core::Core;
use crate::db::store::{self, Tx};
use crate::fault::Result;
use crate::owners;
use crate::settings::PlaneKind;
use crate::tables::{networks, port_bindings, port_security_groups, ports};
use crate::ties;
use crate::words::{Status, VifType, VnicType};

/// A port that the service makes for itself.
pub struct NewPort<'a> {
    pub owner: &'a str,
    pub device_id: &'a str,
    pub project: &'a str,
}

/// Makes a port of the service itself, without addresses or guards. ACTIVE when nothing wires it.
pub async fn make(
    tx: &Tx,
    core: &Core,
    network: &networks::Model,
    new: NewPort<'_>,
) -> Result<ports::Model> {
    let now = store::now();
    let active = core.settings.plane == PlaneKind::None;
    let row = ports::Model {
        id: store::distinct_id::<ports::Model>(tx).await?,
        project_id: new.project.to_owned(),
        network_id: network.id.clone(),
        name: String::new(),
        description: String::new(),
        mac_address: random_mac(),
        admin_state_up: true,
        status: Status::of(active),
        device_id: new.device_id.to_owned(),
        device_owner: new.owner.to_owned(),
        port_security_enabled: false,
        dns_name: String::new(),
        dns_domain: String::new(),
        allowed_address_pairs: "[]".to_owned(),
        extra_dhcp_opts: "[]".to_owned(),
        host: if new.owner == owners::FLOATING_IP {
            String::new()
        } else {
            core.settings.host.clone()
        },
        vnic_type: VnicType::Normal,
        vif_type: if new.owner == owners::FLOATING_IP {
            VifType::Unbound
        } else {
            VifType::Bridge
        },
        vif_details: "{}".to_owned(),
        profile: "{}".to_owned(),
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

/// A MAC address under Neutron's default prefix.
pub fn random_mac() -> String {
    let [a, b, c]: [u8; 3] = rand::random();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}

/// Takes all security groups from a port.
pub async fn clear_groups(tx: &Tx, port_id: &str) -> Result<()> {
    port_security_groups::Entity::delete_many()
        .filter(port_security_groups::Column::PortId.eq(port_id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Removes a port and all that hangs on it.
pub async fn remove(tx: &Tx, row: &ports::Model) -> Result<()> {
    // First, so that whoever is about to forward to the port is either waited for and seen below, or finds no port.
    store::delete::<ports::Entity>(tx, &row.id).await?;
    ties::release(tx, &row.id, None).await?;
    addresses::release(tx, &row.id).await?;
    clear_groups(tx, &row.id).await?;
    port_bindings::Entity::delete_many()
        .filter(port_bindings::Column::PortId.eq(&row.id))
        .exec(tx)
        .await?;
    Ok(())
}
