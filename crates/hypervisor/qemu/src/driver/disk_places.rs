//! Where the guests of descriptions find their disks: asked of the arguments that would start them.

use std::os::fd::RawFd;

use async_trait::async_trait;
use hypervisor::{DiskPlace, DiskPlaces, DriverError, Result, ServerSpec};

use super::QemuDriver;
use crate::args::{self, Inputs};
use crate::record::Record;

/// In place of descriptors of a guest that is not started.
const NO_FD: RawFd = 0;

#[async_trait]
impl DiskPlaces for QemuDriver {
    async fn disk_places(&self, spec: &ServerSpec) -> Result<Vec<DiskPlace>> {
        let host = &self.host;
        let layout = host.layout(&spec.id)?;
        args::check(spec, &host.settings)?;
        // A machine never changes under a guest.
        let machine = match host.known(&layout) {
            Ok(known) => known.machine,
            Err(DriverError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let record = Record {
            machine,
            ..Record::new(&spec.started())
        };
        let taps = vec![None; record.spec.nics.len()];
        let volumes = vec![NO_FD; record.spec.volumes.len()];
        args::disk_places(&Inputs {
            layout: &layout,
            record: &record,
            settings: &host.settings,
            accel: host.probe.accel,
            qmp: NO_FD,
            agent: record.spec.hardware.guest_agent.then_some(NO_FD),
            taps: &taps,
            volumes: &volumes,
            incoming: None,
        })
    }
}
