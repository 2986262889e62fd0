//! Logical volumes of the group that are no volumes: an operator made them, or they were let go. LVM gives and takes names
//! one after the other and never one that is taken, so one of several who want a name has it. What is open (mounted, or in
//! the hands of a program) is somebody's, and not taken over.

use async_trait::async_trait;

use super::{Lvm, name, part};
use crate::driver::file::adopt::origin_of;
use crate::driver::{Adoption, DriverError, Part, Result, Stray};

use super::command::Listed;

/// LVM keeps names for itself that begin so.
const RESERVED: &str = "snapshot";

/// The name in the group of what a reference calls so; none: nothing can be called so, or it is a volume.
fn inside(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '.' | '-');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
    let is_stray = part(name).is_none() && !name.starts_with("part-");
    (is_name && is_stray).then(|| match name.starts_with(RESERVED) {
        true => format!("_{name}"),
        false => name.to_owned(),
    })
}

/// What a reference calls a logical volume of the group; none: it is none to take over.
fn outside(listed: &Listed) -> Option<&str> {
    let name = listed.name.as_str();
    let shown = match name.strip_prefix('_') {
        Some(rest) if rest.starts_with(RESERVED) => rest,
        _ => name,
    };
    (listed.is_volume && inside(shown).as_deref() == Some(name)).then_some(shown)
}

fn stray(listed: &Listed) -> Option<Stray> {
    let name = outside(listed)?;
    Some(Stray {
        name: name.to_owned(),
        bytes: listed.size,
        of: origin_of(name),
    })
}

fn missing(name: &str) -> DriverError {
    DriverError::NotFound(format!("the logical volume '{name}'"))
}

#[async_trait]
impl Adoption for Lvm {
    async fn strays(&self) -> Result<Vec<Stray>> {
        let all = self.commands.volumes().await?;
        let free = all.iter().filter(|one| !one.is_open);
        let mut found: Vec<Stray> = free.filter_map(stray).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn stray(&self, name: &str) -> Result<Stray> {
        let at = inside(name).ok_or_else(|| missing(name))?;
        let found = self.listed(&at).await?;
        // The machine's own file systems may lie in the same group.
        match found {
            Some(listed) if outside(&listed).is_some() && listed.is_open => {
                Err(DriverError::InUse(format!("the logical volume '{name}'")))
            }
            found => found.as_ref().and_then(stray).ok_or_else(|| missing(name)),
        }
    }

    async fn ensure_adopted(&self, from: &str, part: Part) -> Result<()> {
        let place = name(part);
        if self.listed(&place).await?.is_some() {
            return Ok(());
        }
        self.stray(from).await?;
        let at = inside(from).ok_or_else(|| missing(from))?;
        match self.commands.rename(&at, &place).await {
            // A run of the same work was quicker.
            Err(_) if self.listed(&place).await?.is_some() => Ok(()),
            other => other,
        }
    }

    async fn ensure_released(&self, part: Part, to: &str) -> Result<()> {
        let (place, to) = (name(part), inside(to).ok_or_else(|| missing(to))?);
        if self.listed(&place).await?.is_some() {
            let renamed = self.commands.rename(&place, &to).await;
            // A run beside this one was quicker.
            if renamed.is_err() && self.listed(&place).await?.is_some() {
                return renamed;
            }
        }
        match part {
            Part::Volume(id) => crate::driver::Driver::ensure_gone(self, id).await,
            Part::Snapshot(snapshot) => {
                crate::driver::Driver::ensure_snapshot_gone(self, snapshot).await
            }
        }
    }
}
