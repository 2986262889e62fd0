//! Volumes that take the place of others. No bytes are copied: a copy is one call under way, and then ready.

use std::os::unix::fs::MetadataExt;

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, ReplaceVolume, Replacing, Result, Volume};

use super::{FakeDriver, alive};
use crate::Verb;
use crate::guests::{Copied, Guest};

/// Bytes of every copy: how many there are, nobody knows here.
const BYTES: u64 = 1 << 30;

/// Which file lies at a volume's path now.
fn file_of(volume: &Volume) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(volume.source.file()?).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A copy that is looked at.
struct Look {
    guest: Guest,
    /// Where the volume stands in the guest's description.
    place: usize,
    stands: Replacing,
}

impl FakeDriver {
    async fn copy_of(
        &self,
        id: &str,
        command: DeviceCommand,
        (verb, new): (Verb, &Volume),
    ) -> Result<Look> {
        let mut guest = self.commanded(id, command)?;
        self.begin(verb, self.host.settings.latencies.other_ms)
            .await?;
        let mut volumes = guest.spec.volumes.iter();
        let Some(place) = volumes.position(|known| known.id == new.id) else {
            return Err(DriverError::BadSpec {
                why: format!("server {id} does not have volume {:.60}", new.id),
            });
        };
        let runs = alive(&guest);
        let file = file_of(new);
        let is_live = |copy: &Copied| {
            let same = copy.to == new.source && copy.file == file;
            runs && copy.starts == guest.starts && same
        };
        let copy = guest.copies.get(&new.id).filter(|copy| is_live(copy));
        let stands = match copy {
            _ if guest.spec.volumes[place].source == new.source => Replacing::Switched,
            None => Replacing::Idle,
            Some(copy) if copy.ready => Replacing::Ready,
            Some(_) => Replacing::Copying {
                copied: 0,
                total: BYTES,
            },
        };
        if matches!(stands, Replacing::Idle | Replacing::Switched) {
            guest.copies.remove(&new.id);
        }
        Ok(Look {
            guest,
            place,
            stands,
        })
    }
}

#[async_trait]
impl ReplaceVolume for FakeDriver {
    async fn look_at_copy(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let _held = self.host.locks.lock(id).await;
        let seen = self.copy_of(id, command, (Verb::LookAtCopy, new)).await?;
        self.host.guests.put(seen.guest)?;
        Ok(seen.stands)
    }

    async fn copy_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.copy_of(id, command, (Verb::CopyVolume, new)).await?;
        let name = seen.guest.spec.name.clone();
        let faults = &self.host.faults;
        match seen.stands {
            Replacing::Idle => {
                if !alive(&seen.guest) {
                    return Err(DriverError::Unsupported {
                        what: "replacing a volume of a guest that does not run".to_owned(),
                    });
                }
                let mut volumes = seen.guest.spec.volumes.clone();
                if volumes[seen.place].read_only || new.read_only {
                    return Err(DriverError::Unsupported {
                        what: "replacing a volume that the guest only reads".to_owned(),
                    });
                }
                volumes[seen.place] = new.clone();
                self.check_volumes(id, &volumes)?;
                let copy = Copied {
                    to: new.source.clone(),
                    file: file_of(new),
                    starts: seen.guest.starts,
                    ready: false,
                };
                seen.guest.copies.insert(new.id.clone(), copy);
                seen.stands = Replacing::Copying {
                    copied: 0,
                    total: BYTES,
                };
            }
            Replacing::Copying { .. } if faults.copy_fails(&name) => {
                seen.guest.copies.remove(&new.id);
                self.host.guests.put(seen.guest)?;
                return Err(DriverError::Hypervisor {
                    what: "copy the volume".to_owned(),
                    why: "copies of this guest's volumes are configured to fail".to_owned(),
                });
            }
            Replacing::Copying { .. } if !faults.copy_lasts(&name) => {
                if let Some(copy) = seen.guest.copies.get_mut(&new.id) {
                    copy.ready = true;
                }
                seen.stands = Replacing::Ready;
            }
            Replacing::Copying { .. } | Replacing::Ready | Replacing::Switched => {}
        }
        self.host.guests.put(seen.guest)?;
        Ok(seen.stands)
    }

    async fn switch_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.copy_of(id, command, (Verb::SwitchVolume, new)).await?;
        if seen.stands == Replacing::Ready {
            seen.guest.copies.remove(&new.id);
            seen.stands = match self.host.faults.switch_fails(&seen.guest.spec.name) {
                true => Replacing::Idle,
                false => {
                    seen.guest.spec.volumes[seen.place] = new.clone();
                    Replacing::Switched
                }
            };
        }
        self.host.guests.put(seen.guest)?;
        Ok(seen.stands)
    }

    async fn keep_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.copy_of(id, command, (Verb::KeepVolume, new)).await?;
        if seen.stands != Replacing::Switched {
            seen.guest.copies.remove(&new.id);
            seen.stands = Replacing::Idle;
        }
        self.host.guests.put(seen.guest)?;
        Ok(seen.stands)
    }
}
