//! Plugging network cards into servers, running or not.

use std::os::fd::AsFd;

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, HotplugNic, Nic, Result};
use serde_json::json;

use super::QemuDriver;
use super::hotplug::{add_device, remove_device};
use crate::guest::Guest;
use crate::qmp::{During, QmpError};
use crate::{args, record, tap};

const PLUG: &str = "plug the network card";
const UNPLUG: &str = "unplug the network card";

#[async_trait]
impl HotplugNic for QemuDriver {
    async fn attach_nic(&self, id: &str, command: DeviceCommand, nic: &Nic) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.commanded(&layout, command)?;
        if known
            .spec
            .nics
            .iter()
            .any(|other| other.port_id == nic.port_id)
        {
            return record::write(&layout, &known);
        }
        let packed = known.spec.hardware.packed_ring;
        let card = args::network(nic, nic.tap.is_some(), packed)?;
        if let Some(guest) = host.reach(&layout).await? {
            plug(&guest, nic, card.command(), host.q35(&known)).await?;
        } else {
            host.awake(&layout, &known)?;
        }
        known.spec.nics.push(nic.clone());
        record::write(&layout, &known)
    }

    async fn detach_nic(&self, id: &str, command: DeviceCommand, port_id: &str) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.commanded(&layout, command)?;
        let has = known.spec.nics.iter().any(|nic| nic.port_id == port_id);
        if has {
            match host.reach(&layout).await? {
                Some(guest) => {
                    let device = args::nic_id(port_id);
                    remove_device(&guest, &device, host.unplug_limit(), UNPLUG).await?;
                    unplug(&guest, port_id).await?;
                }
                None => host.awake(&layout, &known)?,
            }
        }
        known.spec.nics.retain(|nic| nic.port_id != port_id);
        record::write(&layout, &known)
    }
}

async fn plug(
    guest: &Guest,
    nic: &Nic,
    card: serde_json::Map<String, serde_json::Value>,
    q35: bool,
) -> Result<()> {
    let during = |error: QmpError| error.during(PLUG);
    let netdev = args::netdev_id(&nic.port_id);
    if let Some(tap) = nic.tap.clone() {
        let opened = tokio::task::spawn_blocking(move || tap::open(&tap)).await;
        let fd = opened
            .map_err(|error| DriverError::io("open the tap")(std::io::Error::other(error)))??;
        guest
            .qmp
            .pass_fd(&netdev, fd.as_fd())
            .await
            .map_err(during)?;
        let added = json!({"type": "tap", "id": netdev, "fd": netdev});
        guest
            .qmp
            .execute("netdev_add", added)
            .await
            .map_err(during)?;
    }
    let added = add_device(guest, card, q35, PLUG).await;
    if added.is_err() && nic.tap.is_some() {
        let _ = guest.qmp.execute("netdev_del", json!({"id": netdev})).await;
    }
    added
}

/// Takes the back end away, after the card.
async fn unplug(guest: &Guest, port_id: &str) -> Result<()> {
    let netdev = json!({"id": args::netdev_id(port_id)});
    match guest.qmp.execute("netdev_del", netdev).await {
        Ok(_) | Err(QmpError::Refused { .. }) => Ok(()), // a card plugged into nothing has none
        Err(error) => Err(error.during(UNPLUG)),
    }
}
