//! Whether a simulated guest could be started.

use hypervisor::{DriverError, Result, ServerSpec};

use super::FakeDriver;
use crate::guests::Guest;

impl FakeDriver {
    pub(super) fn check_startable(&self, guest: &Guest) -> Result<()> {
        let spec = &guest.spec;
        self.check_volumes(&spec.id, &spec.volumes)?;
        if self.host.faults.start_fails(&spec.name) {
            return Err(DriverError::GuestFailed {
                stderr: format!("{} is configured not to start", spec.name),
            });
        }
        if !guest.has_disks {
            return Err(DriverError::GuestFailed {
                stderr: "the disk is lost".to_owned(),
            });
        }
        if let Some(image) = spec.root_disk.as_ref().and_then(|disk| disk.image.as_ref())
            && let Some(root) = &spec.root_disk
            && root.size_gb > 0
            && image.virtual_size > root.size_gb << 30
        {
            let why = format!("it is larger than the disk of {} GiB", root.size_gb);
            return Err(DriverError::ImageUnusable {
                image: image.id.clone(),
                why,
            });
        }
        if self.host.settings.refuse_overcommit {
            self.check_room(spec)?;
        }
        Ok(())
    }

    fn check_room(&self, spec: &ServerSpec) -> Result<()> {
        let (vcpus, memory, disk) = self.host.guests.used();
        let settings = &self.host.settings;
        let disk = disk
            - self
                .host
                .guests
                .get(&spec.id)
                .map_or(0, |guest| guest.spec.local_disk_gb());
        for (what, needed, have, used) in [
            (
                "vcpus",
                u64::from(spec.vcpus),
                u64::from(settings.vcpus),
                vcpus,
            ),
            ("memory_mb", spec.memory_mb, settings.memory_mb, memory),
            ("disk_gb", spec.local_disk_gb(), settings.disk_gb, disk),
        ] {
            let available = have.saturating_sub(used);
            if needed > available {
                return Err(DriverError::NoResources {
                    what,
                    needed,
                    available,
                });
            }
        }
        Ok(())
    }
}
