//! Another size for a server, which its owner confirms or takes back.

use serde::{Deserialize, Serialize};

use crate::Server;
use crate::flavor::Flavor;
use crate::local_disks::LocalDisks;
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
    /// The disks that it had beside the root, as its request said. None: an older release did not note it.
    #[serde(default)]
    pub old_disks: Option<LocalDisks>,
}

impl Resize {
    /// The disks beside the root that the server had before.
    pub fn disks_before(&self, server: &Server) -> LocalDisks {
        let before = self.old_disks.as_ref();
        before.unwrap_or(&server.local_disks).clone()
    }
}

/// Why a server cannot take another flavor. The texts are Nova's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("When resizing, instances must change flavor!")]
    SameFlavor,
    #[error("Server disk was unable to be resized because: {0}")]
    Disk(String),
}

/// Whether a server can get another flavor. A root on a volume is no matter.
///
/// # Errors
/// The same flavor; local disks that would shrink, which would cut off what they hold.
pub fn admit(server: &Server, new: &Flavor) -> Result<(), Unfit> {
    let (old, volume_backed) = (&server.flavor, server.boots_from_volume());
    let ephemeral = server.local_disks.ephemeral_gb(old);
    if old.id == new.id {
        return Err(Unfit::SameFlavor);
    }
    if !volume_backed && new.disk == 0 && old.disk != 0 {
        let why = "Resize to zero disk flavor is not allowed.";
        return Err(Unfit::Disk(why.to_owned()));
    }
    let disks = [
        ("root", old.disk, new.disk, !volume_backed),
        ("ephemeral", ephemeral, new.ephemeral, true),
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
    use crate::disk_device::DiskDevice;
    use crate::image::ServerImage;
    use crate::local_disks::EphemeralDisk;
    use crate::testing::{flavor, server};

    #[test]
    fn disks_on_the_host_grow_and_do_not_shrink() {
        let sized = |id: &str, disk, ephemeral| Flavor {
            disk,
            ephemeral,
            ..flavor(id)
        };
        let mut local = server("s");
        local.flavor = sized("old", 10, 5);
        let on_volume = local.clone();
        local.image = Some(ServerImage::default());
        assert_eq!(admit(&local, &sized("new", 10, 5)), Ok(()));
        assert_eq!(admit(&local, &sized("new", 20, 6)), Ok(()));
        assert_eq!(admit(&local, &sized("old", 20, 5)), Err(Unfit::SameFlavor));
        let zero = "Resize to zero disk flavor is not allowed.";
        let root = "its root disk of 10 GiB cannot shrink to 9 GiB.";
        let ephemeral = "its ephemeral disk of 5 GiB cannot shrink to 4 GiB.";
        for (server, disk, size, said) in [
            (&local, 0, 5, zero),
            (&local, 9, 5, root),
            (&on_volume, 0, 4, ephemeral),
        ] {
            let refused = admit(server, &sized("new", disk, size));
            assert_eq!(refused, Err(Unfit::Disk(said.to_owned())));
        }
        assert_eq!(admit(&on_volume, &sized("new", 0, 5)), Ok(()));
        // What counts is what the server has of what its flavor promised.
        local.local_disks.ephemeral = Some(vec![EphemeralDisk {
            size_gb: 2,
            format: None,
            device: DiskDevice::default(),
        }]);
        assert_eq!(admit(&local, &sized("new", 10, 2)), Ok(()));
        assert!(admit(&local, &sized("new", 10, 1)).is_err());
    }
}
