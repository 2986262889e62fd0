//! Storage daemons of guests: one for each volume that another machine serves, as long as the guest has it. One that died is
//! started again while its guest waits; one that nobody needs is ended.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hypervisor::{DriverError, Result, Volume};
use storage_daemon::{Limits, PROGRAM};

use super::nodes::open_nodes;
use super::{Host, busy, recover};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::process;
use crate::record::{self, Kept, Record};
use crate::served::{Claim, failed, note, noted, wanted};
use crate::slot::Slot;

/// How old a daemon is that nobody needs before it is ended: another object of this driver may just open its volume, which
/// is in no record before that is done.
const YOUNG: Duration = Duration::from_secs(10);

impl Host {
    /// Makes the daemon of a volume that another machine serves run; gives the volume's length as the daemon found it.
    /// No node of this slot reads another volume.
    ///
    /// # Errors
    /// `Busy` when another guest of this host has the volume; `Unsupported` when a program or driver is missing;
    /// `Hypervisor` in the daemon's own words.
    pub(super) async fn serve(
        &self,
        layout: &Layout,
        record: &Record,
        (volume, slot): (&Volume, &Slot),
    ) -> Result<u64> {
        let folder = layout.daemon(slot);
        self.claim(layout, volume, &folder)?;
        let (measures, owner) = self.warden.storage_daemon(record)?;
        let wanted = wanted(layout, (volume, slot), owner)?;
        note(&folder, volume).map_err(DriverError::io(format!("write in {}", folder.display())))?;
        let program = Path::new(PROGRAM);
        let running =
            storage_daemon::ensure(&folder, program, &wanted, measures, Limits::default());
        let running = running.await.map_err(|error| failed(&volume.id, error))?;
        if running.fresh {
            tracing::info!(
                server = layout.id(),
                volume = volume.id,
                pid = running.process.pid,
                "a storage daemon serves the volume"
            );
        }
        Ok(running.bytes)
    }

    /// Takes the place of a server's guest on a volume among the guests of this host.
    fn claim(&self, layout: &Layout, volume: &Volume, folder: &Path) -> Result<()> {
        let _alone = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let own = Claim::of(volume);
        for other in recover::layouts(&self.settings.state_path)? {
            if other.id() == layout.id() {
                continue;
            }
            for slot in slots_of(&other, &volume.id)? {
                let theirs = Claim::read(&other.daemon(&slot));
                if theirs.is_some_and(|theirs| !theirs.goes_with(own)) {
                    let what = format!("volume {} is in use by another guest", volume.id);
                    return Err(busy(layout.id(), what));
                }
            }
        }
        make_folders(layout, folder)
            .and_then(|()| own.write(folder))
            .map_err(DriverError::io(format!("make {}", folder.display())))
    }

    /// Ends the daemon of a volume; none is success. The guest must have let go of the volume.
    pub(super) async fn unserve(&self, layout: &Layout, slot: &Slot) -> Result<()> {
        let folder = layout.daemon(slot);
        // It is made before anything else, and goes last.
        if !folder.exists() {
            return Ok(());
        }
        let ended = storage_daemon::end(&folder, Limits::default());
        ended
            .await
            .map_err(|error| failed(slot.volume_id(), error))?;
        let socket = layout.dir().join(Layout::served(slot));
        for removed in [
            std::fs::remove_file(&socket),
            std::fs::remove_dir_all(&folder),
        ] {
            match removed {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => {
                    let what = format!("remove what is left of {}", folder.display());
                    removed.map_err(DriverError::io(what))?;
                }
            }
        }
        Ok(())
    }

    /// Makes the daemons run of all volumes that the guest is started with, and no others: what a guest before this one left
    /// would be taken for those of nodes that are files now.
    pub(super) async fn serve_all(&self, layout: &Layout, record: &Record) -> Result<()> {
        let wanted = served(record);
        for slot in slots(layout)? {
            let name = slot.to_string();
            if !wanted.iter().any(|volume| volume.id == name) {
                self.unserve(layout, &slot).await?;
            }
        }
        for volume in wanted {
            let slot = Slot::first(&volume.id)?;
            self.serve(layout, record, (&volume, &slot)).await?;
        }
        Ok(())
    }

    /// Ends all daemons of a server.
    pub(super) async fn unserve_all(&self, layout: &Layout) -> Result<()> {
        for slot in slots(layout)? {
            self.unserve(layout, &slot).await?;
        }
        Ok(())
    }

    /// Ends all daemons of a volume. The guest must have let go of it.
    pub(super) async fn unserve_slots(&self, layout: &Layout, volume_id: &str) -> Result<()> {
        for slot in slots_of(layout, volume_id)? {
            self.unserve(layout, &slot).await?;
        }
        Ok(())
    }

    /// Ends the daemons of a volume that no node of the guest is for.
    pub(super) async fn unserve_closed(
        &self,
        layout: &Layout,
        guest: &Guest,
        volume_id: &str,
    ) -> Result<()> {
        let open = open_nodes(guest).await?;
        for slot in slots_of(layout, volume_id)? {
            if !open.contains(&slot.node()) {
                self.unserve(layout, &slot).await?;
            }
        }
        Ok(())
    }

    /// The same where the failure that led here is what counts; what stays is ended later.
    pub(super) async fn unserve_failed(&self, layout: &Layout) {
        if let Err(error) = self.unserve_all(layout).await {
            tracing::error!(server = layout.id(), %error, "a storage daemon stays");
        }
    }

    /// Looks after the daemons of all servers, each as soon as no command is at work on its server.
    pub(super) fn tend_all(self: &Arc<Self>) {
        let layouts = match recover::layouts(&self.settings.state_path) {
            Ok(layouts) => layouts,
            Err(error) => {
                tracing::warn!(%error, "storage daemons are not looked after");
                return;
            }
        };
        for layout in layouts
            .into_iter()
            .filter(|layout| layout.volumes().exists())
        {
            let host = self.clone();
            tokio::spawn(async move {
                if let Some(_held) = host.locks.try_lock(layout.id())
                    && let Err(error) = host.tend(&layout).await
                {
                    tracing::error!(server = layout.id(), %error, "volumes of the server are not looked after");
                }
            });
        }
    }

    /// Starts the daemons that a running guest needs and that are not there; ends those that nobody needs.
    async fn tend(self: &Arc<Self>, layout: &Layout) -> Result<()> {
        let Some(guest) = self.guest(layout.id()) else {
            return match process::living(layout) {
                // It does not answer: what it has stays.
                Some(_) => Ok(()),
                None => {
                    for slot in settled(layout)? {
                        self.unserve(layout, &slot).await?;
                    }
                    Ok(())
                }
            };
        };
        let Kept::Whole(record) = record::kept(layout) else {
            return Ok(());
        };
        // What QEMU has decides: one that was plugged, or is being copied to, may be in no record.
        let open = open_nodes(&guest).await?;
        for slot in settled(layout)? {
            if !open.contains(&slot.node()) {
                tracing::warn!(
                    server = layout.id(),
                    volume = slot.volume_id(),
                    "ending a storage daemon that nobody needs"
                );
                self.unserve(layout, &slot).await?;
            }
        }
        for (volume, slot) in needed(layout, &record)? {
            let is_open = open.contains(&slot.node());
            if is_open && storage_daemon::running(&layout.daemon(&slot)).is_none() {
                tracing::warn!(
                    server = layout.id(),
                    volume = volume.id,
                    "a storage daemon is gone"
                );
                self.serve(layout, &record, (&volume, &slot)).await?;
            }
        }
        Ok(())
    }
}

/// What the daemons of a server serve, as noted in their folders; what lost its note or its folder, as the record says.
fn needed(layout: &Layout, record: &Record) -> Result<Vec<(Volume, Slot)>> {
    let mut all = Vec::new();
    for slot in slots(layout)? {
        if let Some(volume) = noted(&layout.daemon(&slot)) {
            all.push((volume, slot));
        }
    }
    for volume in served(record) {
        if !all.iter().any(|(other, _)| other.id == volume.id) {
            let slot = Slot::first(&volume.id)?;
            all.push((volume, slot));
        }
    }
    Ok(all)
}

/// The volumes of a started guest that other machines serve.
fn served(record: &Record) -> Vec<Volume> {
    let started = record.spec.started();
    let volumes = started.volumes.into_iter();
    volumes
        .filter(|volume| volume.source.file().is_none())
        .collect()
}

/// Slots for which a server has daemons, but for those that were just made.
fn settled(layout: &Layout) -> Result<Vec<Slot>> {
    let mut all = slots(layout)?;
    all.retain(|slot| {
        let found = std::fs::metadata(layout.daemon(slot));
        let made = found.ok().and_then(|found| found.modified().ok());
        // A clock that was put back makes it wait, and no more.
        made.is_some_and(|made| made.elapsed().is_ok_and(|age| age > YOUNG))
    });
    Ok(all)
}

/// The slots of a server's daemons, by their folders.
fn slots(layout: &Layout) -> Result<Vec<Slot>> {
    let parent = layout.volumes();
    let folders = storage_daemon::folders(&parent);
    let folders = folders.map_err(|error| failed("of a server", error))?;
    let names = folders
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str());
    // What has another name was not made here.
    Ok(names.filter_map(Slot::named).collect())
}

/// The same of one volume.
fn slots_of(layout: &Layout, volume_id: &str) -> Result<Vec<Slot>> {
    let mut all = slots(layout)?;
    all.retain(|slot| slot.volume_id() == volume_id);
    Ok(all)
}

/// The guest's user goes through the first to its sockets, and into none of those below.
fn make_folders(layout: &Layout, folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for (path, mode) in [(layout.volumes().as_path(), 0o711), (folder, 0o700)] {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        // Whatever mask this process has.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
