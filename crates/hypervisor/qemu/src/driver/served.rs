//! Storage daemons of guests: one for each volume that another machine serves, as long as the guest has it. One that died is
//! started again while its guest waits; one that nobody needs is ended.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hypervisor::{DriverError, Result, Volume};
use storage_daemon::{Limits, PROGRAM};

use super::{Host, busy, recover, volumes};
use crate::layout::Layout;
use crate::process;
use crate::record::{self, Kept, Record};
use crate::served::{Claim, failed, wanted};

/// How old a daemon is that nobody needs before it is ended: another object of this driver may just open its volume, which
/// is in no record before that is done.
const YOUNG: Duration = Duration::from_secs(10);

impl Host {
    /// Makes the daemon of a volume that another machine serves run; gives the volume's length as the daemon found it.
    ///
    /// # Errors
    /// `Busy` when another guest of this host has the volume; `Unsupported` when a program or driver is missing;
    /// `Hypervisor` in the daemon's own words.
    pub(super) async fn serve(
        &self,
        layout: &Layout,
        record: &Record,
        volume: &Volume,
    ) -> Result<u64> {
        let folder = layout.daemon(&volume.id)?;
        self.claim(layout, volume, &folder)?;
        let (measures, owner) = self.warden.storage_daemon(record)?;
        let wanted = wanted(layout, volume, owner)?;
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
            let theirs = Claim::read(&other.daemon(&volume.id)?);
            let clash = theirs.is_some_and(|theirs| !theirs.goes_with(own));
            if clash && other.id() != layout.id() {
                let what = format!("volume {} is in use by another guest", volume.id);
                return Err(busy(layout.id(), what));
            }
        }
        make_folders(layout, folder)
            .and_then(|()| own.write(folder))
            .map_err(DriverError::io(format!("make {}", folder.display())))
    }

    /// Ends the daemon of a volume; none is success. The guest must have let go of the volume.
    pub(super) async fn unserve(&self, layout: &Layout, volume_id: &str) -> Result<()> {
        let folder = layout.daemon(volume_id)?;
        // It is made before anything else, and goes last.
        if !folder.exists() {
            return Ok(());
        }
        let ended = storage_daemon::end(&folder, Limits::default());
        ended.await.map_err(|error| failed(volume_id, error))?;
        let socket = layout.dir().join(Layout::served(volume_id)?);
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

    /// Makes the daemons run of all volumes that the guest is started with.
    pub(super) async fn serve_all(&self, layout: &Layout, record: &Record) -> Result<()> {
        for volume in served(record) {
            self.serve(layout, record, &volume).await?;
        }
        Ok(())
    }

    /// Ends all daemons of a server.
    pub(super) async fn unserve_all(&self, layout: &Layout) -> Result<()> {
        for volume_id in daemons(layout)? {
            self.unserve(layout, &volume_id).await?;
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
                    for volume_id in settled(layout)? {
                        self.unserve(layout, &volume_id).await?;
                    }
                    Ok(())
                }
            };
        };
        let Kept::Whole(record) = record::kept(layout) else {
            return Ok(());
        };
        let had = served(&record);
        for volume_id in settled(layout)? {
            // One that was plugged and not recorded: the next command about it puts that right.
            let kept = had.iter().any(|volume| volume.id == volume_id)
                || volumes::reads(&guest, &crate::volumes::node(&volume_id))
                    .await?
                    .is_some();
            if !kept {
                tracing::warn!(
                    server = layout.id(),
                    volume = volume_id,
                    "ending a storage daemon that nobody needs"
                );
                self.unserve(layout, &volume_id).await?;
            }
        }
        for volume in &had {
            if storage_daemon::running(&layout.daemon(&volume.id)?).is_none() {
                tracing::warn!(
                    server = layout.id(),
                    volume = volume.id,
                    "a storage daemon is gone"
                );
                self.serve(layout, &record, volume).await?;
            }
        }
        Ok(())
    }
}

/// The volumes of a started guest that other machines serve.
fn served(record: &Record) -> Vec<Volume> {
    let started = record.spec.started();
    let volumes = started.volumes.into_iter();
    volumes
        .filter(|volume| volume.source.file().is_none())
        .collect()
}

/// Volumes for which a server has daemons, but for those that were just made.
fn settled(layout: &Layout) -> Result<Vec<String>> {
    let mut all = daemons(layout)?;
    all.retain(|volume_id| {
        let folder = layout.daemon(volume_id).map(std::fs::metadata);
        let made = folder.ok().and_then(|found| found.ok()?.modified().ok());
        // A clock that was put back makes it wait, and no more.
        made.is_some_and(|made| made.elapsed().is_ok_and(|age| age > YOUNG))
    });
    Ok(all)
}

/// The volumes of a server's daemons, by their folders.
fn daemons(layout: &Layout) -> Result<Vec<String>> {
    let parent = layout.volumes();
    let folders = storage_daemon::folders(&parent);
    let folders = folders.map_err(|error| failed("of a server", error))?;
    let names = folders
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str());
    // What has another name was not made here.
    let known = names.filter(|name| hypervisor::parse_id(name).is_ok());
    Ok(known.map(str::to_owned).collect())
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
