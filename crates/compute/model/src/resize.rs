//! Another size for a server, which its owner confirms or takes back.

use serde::{Deserialize, Serialize};

use crate::flavor::Flavor;
use crate::state::VmState;

/// A resize that is under way, or waits for its owner's word. Its migration holds what the server held of its host before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    /// The id of its migration, a consumer of claims beside the server.
    pub migration_id: String,
    pub old: Flavor,
    pub new: Flavor,
    /// What the server was: active or stopped.
    pub was: VmState,
}

/// Why a server cannot take another flavor. The texts are Nova's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("When resizing, instances must change flavor!")]
    SameFlavor,
    #[error("Server disk was unable to be resized because: {0}")]
    Disk(String),
}

/// Whether a server of one flavor can get another; `volume_backed`: its root disk is no matter.
///
/// # Errors
/// The same flavor; local disks that would shrink, which would cut off what they hold.
pub fn admit(old: &Flavor, new: &Flavor, volume_backed: bool) -> Result<(), Unfit> {
    if old.id == new.id {
        return Err(Unfit::SameFlavor);
    }
    if !volume_backed && new.disk == 0 && old.disk != 0 {
        let why = "Resize to zero disk flavor is not allowed.";
        return Err(Unfit::Disk(why.to_owned()));
    }
    let disks = [
        ("root", old.disk, new.disk, !volume_backed),
        ("ephemeral", old.ephemeral, new.ephemeral, true),
    ];
    for (what, old, new, counts) in disks {
        if counts && new < old {
            let why = format!("its {what} disk of {old} GiB cannot shrink to {new} GiB.");
            return Err(Unfit::Disk(why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flavor;

    #[test]
    fn disks_on_the_host_grow_and_do_not_shrink() {
        let sized = |id: &str, disk, ephemeral| Flavor {
            disk,
            ephemeral,
            ..flavor(id)
        };
        let old = sized("old", 10, 5);
        assert_eq!(admit(&old, &sized("new", 10, 5), false), Ok(()));
        assert_eq!(admit(&old, &sized("new", 20, 6), false), Ok(()));
        assert_eq!(
            admit(&old, &sized("old", 20, 5), false),
            Err(Unfit::SameFlavor)
        );
        for (disk, ephemeral, volume_backed, said) in [
            (0, 5, false, "Resize to zero disk flavor is not allowed."),
            (
                9,
                5,
                false,
                "its root disk of 10 GiB cannot shrink to 9 GiB.",
            ),
            (
                0,
                4,
                true,
                "its ephemeral disk of 5 GiB cannot shrink to 4 GiB.",
            ),
        ] {
            let refused = admit(&old, &sized("new", disk, ephemeral), volume_backed);
            assert_eq!(refused, Err(Unfit::Disk(said.to_owned())));
        }
        assert_eq!(admit(&old, &sized("new", 0, 5), true), Ok(()));
    }
}
