//! Volumes as logical volumes of LVM, thick or in a thin pool.
//!
//! Names in the volume group: `volume-ID`, `snap-VOLUME.ID`, and `part-VOLUME.ID-RANDOM` of what is being made, which gets
//! its name when it is whole and on disk: a name never replaces another. Everything else in the group is no volume, and may
//! be taken over under its name.
//!
//! Thin volumes share blocks with what they were made of, and depend on nothing all the same: LVM counts who has a block.
//! Thick ones are copied whole. LVM gives out what others wrote, so a thick volume is overwritten with zeros before it is
//! one, and so is what it grows by.

mod adopt;
mod bytes;
mod command;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    About, Adoption, Capacity, Driver, DriverError, GIB, Id, Part, Result, Snapshot, Source,
};
use crate::settings::LvmType;
use command::{Commands, Listed};

/// See the module.
#[derive(Debug, Clone)]
pub struct Lvm {
    commands: Commands,
    kind: LvmType,
    /// Bytes that are left free in the group or pool.
    keep_free: u64,
}

/// How the tag begins that says from which byte on a volume is still to be overwritten with zeros.
const GREW: &str = "kilonova.grew.";

/// The logical volume of a part.
fn name(part: Part) -> String {
    match part {
        Part::Volume(id) => format!("volume-{id}"),
        Part::Snapshot(snapshot) => format!("snap-{}.{}", snapshot.volume, snapshot.id),
    }
}

/// The part that a logical volume is by its name.
fn part(name: &str) -> Option<Part> {
    if let Some(id) = name.strip_prefix("volume-") {
        return id.parse().ok().map(Part::Volume);
    }
    let (volume, id) = name.strip_prefix("snap-")?.split_once('.')?;
    Some(Part::Snapshot(Snapshot {
        volume: volume.parse().ok()?,
        id: id.parse().ok()?,
    }))
}

/// How the names begin of what is on its way to be this part.
fn half(part: Part) -> String {
    match part {
        Part::Volume(id) => format!("part-{id}.{id}-"),
        Part::Snapshot(snapshot) => format!("part-{}.{}-", snapshot.volume, snapshot.id),
    }
}

/// GiB in bytes. No device is larger than what a signed number of bytes counts.
fn bytes_of(gib: u64) -> u64 {
    gib.saturating_mul(GIB).min(i64::MAX.unsigned_abs())
}

impl Lvm {
    /// A driver on a volume group.
    pub fn new(group: &str, kind: LvmType, keep_free: u64) -> Self {
        Lvm {
            commands: Commands::new(group),
            kind,
            keep_free,
        }
    }

    /// The same with programs and devices of a test.
    #[cfg(test)]
    pub fn within(group: &str, kind: LvmType, folder: &Path) -> Self {
        Lvm {
            commands: Commands::within(group, folder),
            kind,
            keep_free: 0,
        }
    }

    /// The name of the pool in which thin volumes are.
    fn pool(&self) -> String {
        format!("{}-pool", self.commands.group)
    }

    async fn listed(&self, name: &str) -> Result<Option<Listed>> {
        let all = self.commands.volumes().await?;
        Ok(all.into_iter().find(|one| one.name == name))
    }

    async fn known(&self, name: &str) -> Result<Listed> {
        let found = self.listed(name).await?;
        found.ok_or_else(|| DriverError::NotFound(format!("the logical volume {name}")))
    }

    /// A new, active logical volume of these bytes; a thin one holds zeros.
    async fn create(&self, name: &str, size: u64) -> Result<()> {
        let size = format!("{size}b");
        let pool = format!("{}/{}", self.commands.group, self.pool());
        let mut args = vec!["-y", "-n", name];
        match self.kind {
            LvmType::Thin => args.extend(["-V", &size, "-T", &pool]),
            LvmType::Thick => args.extend(["-Wn", "-Zn", "-L", &size, &self.commands.group]),
        }
        self.commands.run("lvcreate", &args).await.map(drop)
    }

    /// Makes a part under a name that nobody knows, then gives it its own.
    async fn make(&self, of: Part, size: u64, source: Source<'_>) -> Result<()> {
        let (place, half) = (name(of), half(of));
        let all = self.commands.volumes().await?;
        if all.iter().any(|one| one.name == place) {
            return Ok(());
        }
        // What an earlier run that was killed left half made.
        for left in all.iter().filter(|one| one.name.starts_with(&half)) {
            self.commands.remove(&left.name).await?;
        }
        let random = Uuid::new_v4().simple().to_string();
        let new = format!("{half}{}", &random[..8]);
        let made = match self.fill(&new, size, source).await {
            Ok(()) => self.commands.rename(&new, &place).await,
            failed => failed,
        };
        if let Err(error) = made {
            self.commands.remove(&new).await?;
            // Another run of the same work was quicker.
            return match self.listed(&place).await? {
                Some(_) => Ok(()),
                None => Err(error),
            };
        }
        Ok(())
    }

    async fn fill(&self, new: &str, size: u64, source: Source<'_>) -> Result<()> {
        let from = match source {
            Source::Blank => None,
            Source::Snapshot(snapshot) => Some(self.known(&name(Part::Snapshot(snapshot))).await?),
            Source::Volume(id) => Some(self.known(&name(Part::Volume(id))).await?),
            Source::File(path) | Source::Copy(path) => {
                return self.copy(new, size, path).await;
            }
        };
        match (from, self.kind) {
            (None, LvmType::Thin) => self.create(new, size).await,
            (None, LvmType::Thick) => {
                self.create(new, size).await?;
                let held = bytes::hold(self.commands.device(new)).await?;
                bytes::zero(held, 0).await.map(drop)
            }
            (Some(from), LvmType::Thin) => {
                let origin = format!("{}/{}", self.commands.group, from.name);
                let args = ["-y", "-kn", "-s", "-n", new, &origin];
                self.commands.run("lvcreate", &args).await?;
                match from.size < size {
                    true => self.commands.extend(new, size).await,
                    false => Ok(()),
                }
            }
            (Some(from), LvmType::Thick) => {
                let path = self.commands.device(&from.name);
                self.copy(new, size, &path).await
            }
        }
    }

    /// A new logical volume with what a file or device holds.
    async fn copy(&self, new: &str, size: u64, from: &Path) -> Result<()> {
        let file = bytes::open(from.to_owned(), false).await?;
        let length = bytes::length(&file, from)?;
        self.create(new, size.max(length)).await?;
        let mut held = bytes::hold(self.commands.device(new)).await?;
        if self.kind == LvmType::Thick {
            held = bytes::zero(held, 0).await?;
        }
        bytes::copy(file, from.to_owned(), held).await
    }
}

#[async_trait]
impl Driver for Lvm {
    fn about(&self) -> About {
        About {
            vendor: "Kilonova",
            version: env!("CARGO_PKG_VERSION"),
            thin: self.kind == LvmType::Thin,
            multiattach: true,
        }
    }

    async fn capacity(&self) -> Result<Capacity> {
        let mut room = match self.kind {
            LvmType::Thick => self.commands.group_room().await?,
            LvmType::Thin => self.commands.pool_room(&self.pool()).await?,
        };
        room.free = room.free.saturating_sub(self.keep_free);
        Ok(room)
    }

    async fn ensure_volume(&self, id: Id, size: u64, source: Source<'_>) -> Result<()> {
        self.make(Part::Volume(id), bytes_of(size), source).await
    }

    async fn ensure_gone(&self, id: Id) -> Result<()> {
        let ours = [format!("snap-{id}."), format!("part-{id}.")];
        let volume = name(Part::Volume(id));
        for one in self.commands.volumes().await? {
            let is_ours = ours.iter().any(|begin| one.name.starts_with(begin));
            if is_ours || one.name == volume {
                self.commands.remove(&one.name).await?;
            }
        }
        Ok(())
    }

    async fn ensure_size(&self, id: Id, size: u64) -> Result<()> {
        let (name, size) = (name(Part::Volume(id)), bytes_of(size));
        let mut found = self.known(&name).await?;
        if found.size < size {
            if self.kind == LvmType::Thick && found.grew.is_none() {
                // Noted first: a run that is killed behind it is continued from there.
                let tag = format!("{GREW}{}", found.size);
                self.commands.tag(&name, "--addtag", &tag).await?;
                found.grew = Some(found.size);
            }
            self.commands.extend(&name, size).await?;
        }
        if found.grew.is_some() {
            let held = bytes::hold(self.commands.device(&name)).await?;
            // A run that had the device until now may have come to its end: then a tenant's bytes may be there.
            if let Some(from) = self.known(&name).await?.grew {
                let _held = bytes::zero(held, from).await?;
                let tag = format!("{GREW}{from}");
                self.commands.tag(&name, "--deltag", &tag).await?;
            }
        }
        Ok(())
    }

    async fn ensure_content(&self, id: Id, source: Source<'_>) -> Result<()> {
        let place = name(Part::Volume(id));
        self.known(&place).await?;
        let from = match source {
            Source::Blank => {
                let held = bytes::hold(self.commands.device(&place)).await?;
                return bytes::zero(held, 0).await.map(drop);
            }
            Source::Snapshot(snapshot) => self.readable(Part::Snapshot(snapshot)).await?,
            Source::Volume(id) => self.readable(Part::Volume(id)).await?,
            Source::File(path) | Source::Copy(path) => path.to_owned(),
        };
        let file = bytes::open(from.clone(), false).await?;
        let held = bytes::hold(self.commands.device(&place)).await?;
        let held = bytes::zero(held, 0).await?;
        bytes::copy(file, from, held).await
    }

    async fn ensure_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.known(&name(Part::Volume(snapshot.volume))).await?;
        let source = Source::Volume(snapshot.volume);
        self.make(Part::Snapshot(snapshot), 0, source).await
    }

    async fn ensure_snapshot_gone(&self, snapshot: Snapshot) -> Result<()> {
        let of = Part::Snapshot(snapshot);
        let (place, half) = (name(of), half(of));
        for one in self.commands.volumes().await? {
            if one.name == place || one.name.starts_with(&half) {
                self.commands.remove(&one.name).await?;
            }
        }
        Ok(())
    }

    async fn readable(&self, part: Part) -> Result<PathBuf> {
        let found = self.known(&name(part)).await?;
        Ok(self.commands.device(&found.name))
    }

    async fn paths(&self) -> Result<BTreeMap<Id, PathBuf>> {
        let all = self.commands.volumes().await?;
        let volumes = all.iter().filter_map(|one| match part(&one.name)? {
            Part::Volume(id) => Some((id, self.commands.device(&one.name))),
            Part::Snapshot(_) => None,
        });
        Ok(volumes.collect())
    }

    async fn inventory(&self) -> Result<Vec<Part>> {
        let all = self.commands.volumes().await?;
        let mut parts: Vec<Part> = all.iter().filter_map(|one| part(&one.name)).collect();
        // Each volume before its snapshots.
        parts.sort_by_key(|part| match part {
            Part::Volume(id) => (*id, None),
            Part::Snapshot(snapshot) => (snapshot.volume, Some(snapshot.id)),
        });
        Ok(parts)
    }

    fn adoption(&self) -> Option<&dyn Adoption> {
        Some(self)
    }
}
