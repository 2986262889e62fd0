//! What leads from outside to a port: floating addresses and forwardings. It ends with the port, and with the address of
//! it that it leads to.
//!
//! Who ties something to a port, and who takes the port or an address of it away, locks the port's row: the later
//! of the two sees what the earlier did.

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::db::store::{self, Tx};
use crate::fault::Result;
use crate::forwardings;
use crate::tables::floatingips;
use crate::words::Status;

/// Frees a floating address of its port. The row is not saved here.
pub fn untie(row: &mut floatingips::Model) {
    row.port_id = None;
    row.fixed_ip_address = None;
    row.router_id = None;
    row.status = Status::Down;
}

/// Unties floating addresses from a port that goes away, or from one of its addresses, and ends the forwardings to it.
pub async fn release(tx: &Tx, port_id: &str, fixed: Option<&str>) -> Result<()> {
    forwardings::release(tx, port_id, fixed).await?;
    let mut on_port = floatingips::Entity::find().filter(floatingips::Column::PortId.eq(port_id));
    if let Some(ip) = fixed {
        on_port = on_port.filter(floatingips::Column::FixedIpAddress.eq(ip));
    }
    for mut row in on_port.all(tx).await? {
        untie(&mut row);
        store::save(tx, row).await?;
    }
    Ok(())
}
