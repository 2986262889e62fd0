//! Making a server and starting its QEMU.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use child::Measures;
use hypervisor::{
    Cause, DriverError, EventKind, Firmware, GuestFacts, PowerState, Result, ServerSpec,
};

use super::{Host, watch};
use crate::args::{self, Inputs};
use crate::guest::{self, Guest};
use crate::layout::Layout;
use crate::machines::Machines;
use crate::probe::probe;
use crate::record::{self, Record};
use crate::settings::QemuSettings;
use crate::{disks, durable, process, room, tap, volumes};

/// Bytes that a new server writes at once: its record, empty disks, a config drive with the files that are injected.
/// Its disks grow later, within what its host promised it.
const FRESH: u64 = 4 << 20;

/// Everything that a start needs, made beforehand.
struct Prepared {
    args: Vec<String>,
    fds: Vec<OwnedFd>,
    measures: Measures,
    record: Record,
}

impl Host {
    /// A server that this host did not know. Any error leaves nothing behind.
    pub(super) async fn create(
        self: &Arc<Self>,
        layout: &Layout,
        spec: &ServerSpec,
    ) -> Result<GuestFacts> {
        let machines = self.machines().await?;
        let folder = self.servers();
        room::require(&folder, "make a server", FRESH, self.settings.disk_reserve)?;
        let mut record = Record::new(spec);
        plan(self, layout, &machines, &mut record)?;
        make_dir(layout)?;
        // Before anything waits: a start that is cut short leaves a server that can be removed.
        let result = match record::write(layout, &record) {
            Ok(()) => self.start(layout, record, EventKind::Started).await,
            Err(error) => Err(error),
        };
        if result.is_err()
            && let Err(error) = remove(layout).await
        {
            tracing::error!(server = layout.id(), %error, "a failed server could not be removed");
        } else if result.is_err() {
            self.warden.users.release(layout.id());
        }
        result
    }

    /// Starts a server that has a record. Any error leaves it stopped.
    pub(super) async fn start(
        self: &Arc<Self>,
        layout: &Layout,
        record: Record,
        kind: EventKind,
    ) -> Result<GuestFacts> {
        let began = Instant::now();
        let mut record = self.launch(layout, record, None).await?.1;
        record.take(PowerState::Running);
        if let Err(error) = record::note(layout, &record) {
            self.end_failed(layout).await;
            return Err(error);
        }
        tracing::info!(
            server = layout.id(),
            ms = began.elapsed().as_millis() as u64,
            "guest started"
        );
        self.emit(layout.id(), kind, Cause::Command, None);
        Ok(self.facts(layout, &record).await)
    }

    /// Starts QEMU, connects to it and watches it. With saved memory it waits for it to be loaded, and does not run.
    pub(super) async fn launch(
        self: &Arc<Self>,
        layout: &Layout,
        record: Record,
        memory: Option<OwnedFd>,
    ) -> Result<(Arc<Guest>, Record)> {
        let machines = self.machines().await?;
        self.warden.require()?;
        let began = Instant::now();
        let (task_host, task_layout) = (self.clone(), layout.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            prepare(&task_host, &task_layout, &machines, record, memory)
        })
        .await;
        let prepared = prepared.map_err(|error| {
            DriverError::io("prepare the start")(std::io::Error::other(error))
        })??;
        let prepared_ms = began.elapsed().as_millis() as u64;
        let started = match self.serve_all(layout, &prepared.record).await {
            Ok(()) => process::start(
                &self.settings.qemu_binary,
                &prepared.args,
                layout,
                &prepared.fds,
                prepared.measures,
            ),
            Err(error) => Err(error),
        };
        let process = match started {
            Ok(process) => Arc::new(process),
            Err(error) => {
                self.clear_sockets(layout);
                self.unserve_failed(layout).await;
                return Err(error);
            }
        };
        let executed_ms = began.elapsed().as_millis() as u64;
        drop(prepared.fds); // QEMU has its own copies
        let limit = Duration::from_secs(self.settings.start_timeout_s);
        match guest::connect(process.clone(), layout, limit).await {
            Ok((guest, events)) => {
                let guest = Arc::new(guest);
                watch::begin(self, layout, &guest, events);
                self.lock_guests()
                    .insert(layout.id().to_owned(), guest.clone());
                let ready_ms = began.elapsed().as_millis() as u64;
                tracing::debug!(
                    server = layout.id(),
                    prepared_ms,
                    executed_ms,
                    ready_ms,
                    "QEMU is up"
                );
                Ok((guest, prepared.record))
            }
            Err(error) => {
                if let Err(kill) = process.kill().await {
                    tracing::error!(server = layout.id(), error = %kill, "a QEMU that failed to start cannot be killed");
                }
                self.clear_sockets(layout);
                self.unserve_failed(layout).await;
                Err(error)
            }
        }
    }

    /// What QEMU can be, if the programs are there. Looked at again when something was missing, since it may have been
    /// installed.
    async fn machines(&self) -> Result<Machines> {
        if self.probe.problems.is_empty() {
            return Ok(self.probe.machines.clone());
        }
        let probe = probe(&self.settings).await;
        probe.require()?;
        Ok(probe.machines)
    }

    /// Ends a guest whose start could not be completed.
    pub(super) async fn end_failed(&self, layout: &Layout) {
        if let Some(guest) = self.guest(layout.id())
            && let Err(error) = guest.end().await
        {
            tracing::error!(server = layout.id(), %error, "a guest that failed to start cannot be ended");
        }
        self.forget(layout.id());
        self.clear_sockets(layout);
        self.unserve_failed(layout).await;
    }

    /// Removes what only a running guest needs; saved memory stays. The pid file of a process that lives stays too:
    /// it may be all that leads to it.
    pub(super) fn clear_sockets(&self, layout: &Layout) {
        if process::find(layout).is_none() {
            let _ = std::fs::remove_file(layout.pid());
        }
        for path in [
            layout.qmp(),
            layout.vnc(),
            layout.serial(),
            layout.agent(),
            layout.frozen(),
        ] {
            let _ = std::fs::remove_file(path); // mostly not there
        }
        let _ = std::fs::remove_dir_all(layout.io()); // names in it are not followed
        self.warden.groups.remove(layout.id());
    }
}

/// Disks, taps, sockets and the command line. Blocking.
fn prepare(
    host: &Host,
    layout: &Layout,
    machines: &Machines,
    mut record: Record,
    memory: Option<OwnedFd>,
) -> Result<Prepared> {
    let before = record.clone();
    plan(host, layout, machines, &mut record)?;
    let warden = &host.warden;
    warden.prepare(layout, &mut record)?;
    if record != before {
        record::write(layout, &record)?;
    }
    let ground = disks::Ground {
        layout,
        settings: &host.settings,
        warden,
    };
    disks::ensure(&ground, &record)?;
    ensure_nvram(layout, &record, &host.settings)?;
    warden.own(layout, &record)?;
    let mut fds: Vec<OwnedFd> = vec![guest::listen(&layout.qmp())?.into()];
    let qmp = fds[0].as_raw_fd();
    let agent = match record.spec.hardware.guest_agent {
        true => {
            let socket: OwnedFd = guest::listen(&layout.agent())?.into();
            let number = socket.as_raw_fd();
            fds.push(socket);
            Some(number)
        }
        false => None,
    };
    let mut taps: Vec<Option<RawFd>> = Vec::new();
    for nic in &record.spec.nics {
        taps.push(match &nic.tap {
            Some(tap) => {
                let fd = tap::open(tap)?;
                let number = fd.as_raw_fd();
                fds.push(fd);
                Some(number)
            }
            None => None,
        });
    }
    let mut volumes: Vec<RawFd> = Vec::new();
    let mut largest = 0;
    // What the guest is started by, which is not all of what is kept.
    let started = Record {
        spec: record.spec.started(),
        ..record.clone()
    };
    let files = started.spec.volumes.iter();
    for volume in files.filter(|volume| volume.source.file().is_some()) {
        let opened = volumes::open(volume, &host.settings, layout.id())?;
        largest = opened.bytes.max(largest);
        volumes.push(opened.fd.as_raw_fd());
        fds.push(opened.fd);
    }
    let incoming = memory.as_ref().map(AsRawFd::as_raw_fd);
    fds.extend(memory);
    let inputs = Inputs {
        layout,
        record: &started,
        settings: &host.settings,
        accel: host.probe.accel,
        qmp,
        agent,
        taps: &taps,
        volumes: &volumes,
        incoming,
    };
    let args = args::build(&inputs)?;
    let measures = warden.guest(layout, &record, &host.settings, host.probe.accel, largest)?;
    Ok(Prepared {
        args,
        fds,
        measures,
        record,
    })
}

/// Settles what never changes under a guest: its machine and what lies under its root disk.
fn plan(host: &Host, layout: &Layout, machines: &Machines, record: &mut Record) -> Result<()> {
    record.machine = Some(machines.whole(args::machine_type(record, &host.settings))?);
    disks::plan(layout, record, &host.settings)
}

/// A server with UEFI has variables of its own.
fn ensure_nvram(layout: &Layout, record: &Record, settings: &QemuSettings) -> Result<()> {
    let path = layout.nvram();
    if record.spec.firmware != Firmware::Uefi || path.exists() {
        return Ok(());
    }
    let template =
        std::fs::read(&settings.ovmf_vars).map_err(|error| DriverError::Unsupported {
            what: format!(
                "UEFI firmware ({}: {error}; package ovmf)",
                settings.ovmf_vars.display()
            ),
        })?;
    durable::replace(&path, &template).map_err(DriverError::io(format!("write {}", path.display())))
}

fn make_dir(layout: &Layout) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = layout.dir();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| durable::folder_of(dir))
        .map_err(DriverError::io(format!("create {}", dir.display())))
}

/// Removes a server's directory: first out of sight, then for good, so that half a removal is never taken for a server.
pub(super) async fn remove(layout: &Layout) -> Result<()> {
    let (dir, trash) = (layout.dir().to_owned(), layout.trash());
    let what = format!("remove {}", dir.display());
    let done = tokio::task::spawn_blocking(move || {
        if trash.exists() {
            std::fs::remove_dir_all(&trash)?;
        }
        std::fs::rename(&dir, &trash)?;
        // Said to be gone, it must not be there again after a power failure.
        durable::folder_of(&trash)?;
        std::fs::remove_dir_all(&trash)
    });
    done.await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(DriverError::io(what))
}
