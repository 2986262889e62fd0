//! Plugging network cards into servers, running or not.

use std::os::fd::AsFd;
use std::time::Duration;

use async_trait::async_trait;
use hypervisor::{DriverError, HotplugNic, Nic, Result};
use serde_json::{Map, Value, json};

use super::QemuDriver;
use crate::args::Card;
use crate::guest::Guest;
use crate::machines::{Chipset, chipset};
use crate::qmp::QmpError;
use crate::{args, record, tap};

/// A guest lets go of a card within half a second; one that is still booting never does.
const UNPLUG: Duration = Duration::from_secs(20);

#[async_trait]
impl HotplugNic for QemuDriver {
    async fn attach_nic(&self, id: &str, epoch: u64, nic: &Nic) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.admitted(&layout, epoch)?;
        if known
            .spec
            .nics
            .iter()
            .any(|other| other.port_id == nic.port_id)
        {
            return record::write(&layout, &known);
        }
        let packed = known.spec.hardware.packed_ring;
        let card = Card::new(nic, nic.tap.is_some(), packed)?;
        if let Some(guest) = host.reach(&layout).await? {
            let q35 = chipset(args::machine_type(&known, &host.settings)) == Some(Chipset::Q35);
            plug(&guest, nic, card, q35).await?;
        }
        known.spec.nics.push(nic.clone());
        record::write(&layout, &known)
    }

    async fn detach_nic(&self, id: &str, epoch: u64, port_id: &str) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.admitted(&layout, epoch)?;
        let has = known.spec.nics.iter().any(|nic| nic.port_id == port_id);
        if has && let Some(guest) = host.reach(&layout).await? {
            unplug(&guest, port_id).await?;
        }
        known.spec.nics.retain(|nic| nic.port_id != port_id);
        record::write(&layout, &known)
    }
}

async fn plug(guest: &Guest, nic: &Nic, card: Card, q35: bool) -> Result<()> {
    let during = |error: QmpError| error.during("plug the network card");
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
    if let Err(error) = add_device(guest, card.command(), q35).await {
        if nic.tap.is_some() {
            let _ = guest.qmp.execute("netdev_del", json!({"id": netdev})).await;
        }
        return Err(during(error));
    }
    Ok(())
}

/// Adds a device; on q35 at the first root port that is free.
async fn add_device(
    guest: &Guest,
    mut device: Map<String, Value>,
    q35: bool,
) -> std::result::Result<(), QmpError> {
    if !q35 {
        return guest
            .qmp
            .execute("device_add", Value::Object(device))
            .await
            .map(drop);
    }
    let mut last = QmpError::Closed;
    for port in 0..args::SPARE_PORTS {
        device.insert("bus".to_owned(), Value::from(args::spare_port(port)));
        match guest
            .qmp
            .execute("device_add", Value::Object(device.clone()))
            .await
        {
            Ok(_) => return Ok(()),
            Err(error @ QmpError::Refused { .. }) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn unplug(guest: &Guest, port_id: &str) -> Result<()> {
    let during = |error: QmpError| error.during("unplug the network card");
    let device = args::nic_id(port_id);
    let mut events = guest.qmp.events().ok_or_else(|| during(QmpError::Closed))?;
    match guest.qmp.execute("device_del", json!({"id": device})).await {
        Ok(_) => {
            let gone = async {
                loop {
                    match events.recv().await {
                        Ok(event)
                            if event.name == "DEVICE_DELETED"
                                && event.data["device"] == device.as_str() =>
                        {
                            return Ok(());
                        }
                        Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                        Err(_) => return Err(QmpError::Closed),
                    }
                }
            };
            let waited = tokio::time::timeout(UNPLUG, gone).await;
            waited
                .unwrap_or_else(|_| Err(QmpError::Timeout("the unplug request".to_owned())))
                .map_err(during)?;
        }
        Err(QmpError::Refused { class, .. }) if class == "DeviceNotFound" => {}
        Err(error) => return Err(during(error)),
    }
    match guest
        .qmp
        .execute("netdev_del", json!({"id": args::netdev_id(port_id)}))
        .await
    {
        Ok(_) | Err(QmpError::Refused { .. }) => Ok(()), // a card plugged into nothing has none
        Err(error) => Err(during(error)),
    }
}
