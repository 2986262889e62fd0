//! External networks and the host: their ranges become routes of this host, so none may take away what it uses.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use network_plane::Plane;
use network_plane::host::{Harm, Uses};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::db::store::Tx;
use crate::fault::{Chain, Fault, Result};
use crate::ranges::range;
use crate::tables::subnets;

/// What this host uses of the address space, as of the last look. Without a data plane there is no host to harm.
pub struct HostRanges {
    plane: Option<Plane>,
    seen: Mutex<Arc<Uses>>,
}

impl HostRanges {
    pub fn of(plane: Option<Plane>) -> Self {
        HostRanges {
            plane,
            seen: Mutex::default(),
        }
    }

    /// Looks at the host. Called before a transaction that may give a range to the host, never inside one.
    pub async fn look(&self) -> Result<()> {
        let Some(plane) = &self.plane else {
            return Ok(());
        };
        let uses = plane.host_uses().await;
        let uses = uses.map_err(|error| Fault::Broken(Chain(&error).to_string()))?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(uses);
        Ok(())
    }

    /// Refuses a range that would take something away from the host; warns of one that takes a part of a wider route.
    fn admit(&self, range: IpNet) -> Result<()> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.worst(range) {
            Some((Harm::Breaks, by)) => Err(Fault::OverlapsHost {
                range: range.to_string(),
                by: by.to_string(),
            }),
            Some((Harm::Diverts, by)) => {
                tracing::warn!(%range, "an external network takes a part of {by}");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Asks about the range that a subnet of an external network gives to the host: that of its gateway, which is the
    /// host's own address. Without a gateway the host gets nothing.
    pub fn admit_subnet(&self, subnet: &subnets::Model) -> Result<()> {
        let gateway: Option<IpAddr> = subnet.gateway_ip.as_ref().and_then(|ip| ip.parse().ok());
        let Some(gateway) = gateway else {
            return Ok(());
        };
        let prefix = range(subnet)?.prefix_len();
        let range = IpNet::new(gateway, prefix).map_err(|e| Fault::Broken(e.to_string()))?;
        self.admit(range.trunc())
    }

    /// Asks about all subnets of a network that is to become external.
    pub async fn admit_network(&self, tx: &Tx, network_id: &str) -> Result<()> {
        let found = subnets::Entity::find()
            .filter(subnets::Column::NetworkId.eq(network_id))
            .all(tx)
            .await?;
        found
            .iter()
            .try_for_each(|subnet| self.admit_subnet(subnet))
    }
}
