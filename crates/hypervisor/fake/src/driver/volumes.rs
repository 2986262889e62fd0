//! Volumes of simulated guests: files that must be there and are never opened, and those that other machines serve, of
//! which nobody asks whether they are there.

use std::sync::PoisonError;

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, HotplugVolume, PowerState, Result, Volume, parse_id};

use super::{FakeDriver, alive, busy};
use crate::Verb;
use crate::guests::Guest;

impl FakeDriver {
    /// Bytes of a volume as a guest was told when it grew; none before that.
    pub fn volume_size(&self, volume_id: &str) -> Option<u64> {
        let sizes = self.host.sizes.lock();
        let sizes = sizes.unwrap_or_else(PoisonError::into_inner);
        sizes.get(volume_id).copied()
    }

    /// A server may have these volumes.
    ///
    /// # Errors
    /// `BadSpec` naming the volume: its file is missing, or it is there twice. `Busy`: another guest that lives has it,
    /// and not both only read, nor both share it.
    pub(super) fn check_volumes(&self, id: &str, volumes: &[Volume]) -> Result<()> {
        if volumes.is_empty() {
            return Ok(());
        }
        let refused = |volume: &Volume, why: &str| {
            Err(DriverError::BadSpec {
                why: format!("volume {:.60}: {why}", volume.id),
            })
        };
        let guests = self.host.guests.all();
        let others = guests
            .iter()
            .filter(|other| alive(other) && other.spec.id != id)
            .flat_map(|other| &other.spec.volumes);
        let others: Vec<&Volume> = others.collect();
        for (number, volume) in volumes.iter().enumerate() {
            if parse_id(&volume.id).is_err() {
                return refused(volume, "its id is no UUID");
            }
            if volumes[..number].iter().any(|other| other.id == volume.id) {
                return refused(volume, "it is there twice");
            }
            if volume.order_is_taken(&volumes[..number]) {
                return refused(volume, "its order is another disk's");
            }
            if let Some(path) = volume.source.file()
                && !path.is_file()
            {
                return refused(volume, &format!("{} is no file", path.display()));
            }
            let clash = |other: &&Volume| {
                other.source == volume.source
                    && !(other.read_only && volume.read_only)
                    && !(other.shared && volume.shared)
            };
            if others.iter().any(clash) {
                let what = format!("volume {} is in use by another guest", volume.id);
                return Err(busy(id, &what));
            }
        }
        Ok(())
    }

    fn changeable(&self, guest: &Guest) -> Result<()> {
        match guest.power {
            PowerState::Suspended => Err(busy(&guest.spec.id, "it is suspended")),
            _ => Ok(()),
        }
    }
}

/// A simulated guest reaches no other machine.
fn unseen() -> DriverError {
    DriverError::Unsupported {
        what: "seeing how long a volume is that another machine serves".to_owned(),
    }
}

fn failed(what: &str, why: &str) -> DriverError {
    DriverError::Hypervisor {
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

#[async_trait]
impl HotplugVolume for FakeDriver {
    async fn attach_volume(&self, id: &str, command: DeviceCommand, volume: &Volume) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.commanded(id, command)?;
        self.begin(Verb::AttachVolume, self.host.settings.latencies.other_ms)
            .await?;
        if guest.spec.volumes.iter().all(|known| known.id != volume.id) {
            self.changeable(&guest)?;
            let mut volumes = guest.spec.volumes.clone();
            volumes.push(volume.clone());
            self.check_volumes(id, &volumes)?;
            if alive(&guest) && self.host.faults.attach_volume_fails(&guest.spec.name) {
                return Err(failed(
                    "plug the volume",
                    "the guest is configured to take none",
                ));
            }
            guest.spec.volumes = volumes;
        }
        self.host.guests.put(guest)
    }

    async fn detach_volume(&self, id: &str, command: DeviceCommand, volume_id: &str) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.commanded(id, command)?;
        self.begin(Verb::DetachVolume, self.host.settings.latencies.other_ms)
            .await?;
        if guest.spec.volumes.iter().any(|known| known.id == volume_id) {
            self.changeable(&guest)?;
            if alive(&guest) && self.host.faults.keeps_volume(&guest.spec.name) {
                let why = "the guest is configured not to let go of it";
                return Err(failed("unplug the volume", why));
            }
            guest.spec.volumes.retain(|known| known.id != volume_id);
        }
        self.host.guests.put(guest)
    }

    async fn resize_volume(&self, id: &str, volume_id: &str) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let guest = self.known(id)?;
        self.begin(Verb::ResizeVolume, self.host.settings.latencies.other_ms)
            .await?;
        match guest
            .spec
            .volumes
            .iter()
            .find(|known| known.id == volume_id)
        {
            Some(volume) => {
                let path = volume.source.file().ok_or_else(unseen)?;
                let size =
                    std::fs::metadata(path).map_err(DriverError::io("look at the volume"))?;
                self.host.resized(volume_id, size.len());
                Ok(())
            }
            None => Err(DriverError::BadSpec {
                why: format!("server {id} does not have volume {volume_id:.60}"),
            }),
        }
    }
}
