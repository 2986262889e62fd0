//! Whose a namespace is. Names are short and may collide: two clouds of one machine can have the same cut id. So every
//! namespace carries a label, the alias of its loopback device, and the host's devices carry one too. What bears another
//! cloud's label is never taken, changed or removed.

use crate::kernel::links::{self, Change};
use crate::kernel::netns;
use crate::memory;
use crate::plane::PlaneSettings;
use crate::space::Opened;
use crate::{PlaneError, names};

/// How many ids are tried for a cloud. Two clouds with one id are rare, a third is not to be expected.
const ATTEMPTS: u32 = 8;

/// The label of one cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

/// Whose a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Ours,
    /// It has no label: a version of this program without labels made it, or a stranger.
    Unknown,
    Foreign,
}

impl Label {
    pub fn of(owner: &str) -> Label {
        Label(format!("kilonova {owner}"))
    }

    /// Whose an opened namespace is.
    pub fn whose(&self, space: &mut Opened) -> Result<Whose, PlaneError> {
        let links = space.links()?;
        let label = links.get("lo").map(|link| link.alias.as_str());
        Ok(match label.unwrap_or_default() {
            "" => Whose::Unknown,
            text if text == self.0 => Whose::Ours,
            _ => Whose::Foreign,
        })
    }

    /// Whose a named namespace is; `None` if there is none.
    pub fn whose_named(&self, name: &str) -> Result<Option<Whose>, PlaneError> {
        match netns::open(name)? {
            Some(file) => self.whose(&mut Opened::new(file)?).map(Some),
            None => Ok(None),
        }
    }

    /// Labels a namespace as ours, and brings its loopback up.
    pub fn put(&self, space: &mut Opened) -> Result<(), PlaneError> {
        let loopback = space.links()?.get("lo").map_or(1, |link| link.index);
        let change = Change {
            up: Some(true),
            alias: Some(&self.0),
            ..Change::default()
        };
        links::change(&mut space.route, loopback, &change)
            .map_err(|e| PlaneError::kernel("label a namespace", e))
    }
}

/// The cloud id to work with: the one that has our label, else the wanted one, else another if that is somebody else's.
///
/// # Errors
/// A namespace cannot be looked at, or every id that was tried is somebody else's.
pub fn claim(settings: &PlaneSettings, label: &Label) -> Result<String, PlaneError> {
    let wanted = settings.cloud_id.clone();
    let others = (1..ATTEMPTS).map(|n| names::cloud_id_again(&settings.owner, n));
    let mut free = None;
    for id in std::iter::once(wanted.clone()).chain(others) {
        let name = names::switch_namespace(&id);
        match label.whose_named(&name)? {
            Some(Whose::Ours) => return Ok(id),
            // What was there before there were labels is remembered in the cloud's own folder.
            Some(Whose::Unknown) if id == wanted && memory::exists(&settings.state_dir) => {
                return Ok(id);
            }
            None => free = free.or(Some(id)),
            Some(_) => {}
        }
    }
    let id = free.ok_or_else(|| PlaneError::Foreign(names::switch_namespace(&wanted)))?;
    if id != wanted {
        tracing::warn!(
            wanted,
            id,
            "another cloud of this machine has this cloud's usual id: another is used"
        );
    }
    Ok(id)
}
