//! The disks that a server has on its host beside the root: empty ones, called ephemeral, and swap. Its flavor promises
//! them; a request may share out what is promised. How each is shown to the guest, the root too, stands here as well.

use serde::{Deserialize, Serialize};

use crate::disk_device::DiskDevice;
use crate::flavor::Flavor;
use crate::hardware::FileSystem;

/// The root among the local disks, by the name that hosts know it by.
pub const ROOT: &str = "root";

/// The swap disk, by the name that hosts know it by.
pub const SWAP: &str = "swap";

/// An ephemeral disk, counted from 0, by the name that hosts know it by.
#[must_use]
pub fn ephemeral_name(number: usize) -> String {
    format!("ephemeral{number}")
}

/// What a request said of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocalDisks {
    /// None: one disk as large as the flavor's ephemeral part, if it has one.
    #[serde(default)]
    pub ephemeral: Option<Vec<EphemeralDisk>>,
    /// MiB. None: the flavor's.
    #[serde(default)]
    pub swap_mb: Option<u32>,
    /// How the swap disk is shown.
    #[serde(default)]
    pub swap: DiskDevice,
    /// How a root on the host is shown.
    #[serde(default)]
    pub root: DiskDevice,
}

/// An empty disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EphemeralDisk {
    /// GiB.
    pub size_gb: u32,
    /// None: what the host makes by default.
    #[serde(default)]
    pub format: Option<FileSystem>,
    #[serde(default)]
    pub device: DiskDevice,
}

/// A local disk as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// GiB; none takes the flavor's.
    Ephemeral {
        size_gb: Option<u32>,
        format: Option<FileSystem>,
    },
    /// MiB; none takes the flavor's.
    Swap { size_mb: Option<u32> },
}

/// Why a server cannot have the local disks that were asked for. The texts are Nova's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error(
        "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device \
         mapping, flavor ephemeral size will be used."
    )]
    Ephemeral,
    #[error("Block Device Mapping is Invalid: More than one swap drive requested.")]
    SeveralSwaps,
    #[error("Swap drive requested is larger than instance type allows.")]
    Swap,
}

impl LocalDisks {
    /// What was asked for, each with how it is to be shown, within what the flavor promises.
    ///
    /// # Errors
    /// Ephemeral disks that are larger together, a larger swap, two swaps. A disk of no size is one for which the flavor has
    /// no room.
    pub fn of(wanted: &[(Wanted, DiskDevice)], flavor: &Flavor) -> Result<Self, Unfit> {
        let mut disks = LocalDisks::default();
        for (one, device) in wanted {
            match *one {
                Wanted::Ephemeral { size_gb, format } => {
                    let size_gb = size_gb.unwrap_or(flavor.ephemeral);
                    let list = disks.ephemeral.get_or_insert_default();
                    list.push(EphemeralDisk {
                        size_gb,
                        format,
                        device: device.clone(),
                    });
                }
                Wanted::Swap { .. } if disks.swap_mb.is_some() => return Err(Unfit::SeveralSwaps),
                Wanted::Swap { size_mb } => {
                    let size = size_mb.unwrap_or(flavor.swap);
                    if size == 0 || size > flavor.swap {
                        return Err(Unfit::Swap);
                    }
                    disks.swap_mb = Some(size);
                    disks.swap = device.clone();
                }
            }
        }
        let list = disks.ephemeral.iter().flatten();
        let sizes = list.clone().map(|disk| u64::from(disk.size_gb));
        let none = list.clone().any(|disk| disk.size_gb == 0);
        if none || sizes.sum::<u64>() > u64::from(flavor.ephemeral) {
            return Err(Unfit::Ephemeral);
        }
        Ok(disks)
    }

    /// The ephemeral disks of a server with this flavor.
    pub fn ephemeral(&self, flavor: &Flavor) -> Vec<EphemeralDisk> {
        if let Some(listed) = &self.ephemeral {
            return listed.clone();
        }
        let promised = (flavor.ephemeral > 0).then_some(EphemeralDisk {
            size_gb: flavor.ephemeral,
            format: None,
            device: DiskDevice::default(),
        });
        promised.into_iter().collect()
    }

    /// GiB of all ephemeral disks.
    pub fn ephemeral_gb(&self, flavor: &Flavor) -> u32 {
        let disks = self.ephemeral(flavor);
        disks
            .iter()
            .fold(0, |sum, disk| sum.saturating_add(disk.size_gb))
    }

    /// MiB of swap; 0 for none.
    pub fn swap_mb(&self, flavor: &Flavor) -> u32 {
        self.swap_mb.unwrap_or(flavor.swap)
    }

    /// Those that a request named, each with how it is shown; what it did not name is the flavor's.
    pub fn named(&self) -> Vec<(Wanted, DiskDevice)> {
        let listed = self.ephemeral.iter().flatten();
        let ephemeral = listed.map(|disk| {
            let wanted = Wanted::Ephemeral {
                size_gb: Some(disk.size_gb),
                format: disk.format,
            };
            (wanted, disk.device.clone())
        });
        let swap = self.swap_mb.map(|size| {
            let wanted = Wanted::Swap {
                size_mb: Some(size),
            };
            (wanted, self.swap.clone())
        });
        ephemeral.chain(swap).collect()
    }

    /// How many they are.
    pub fn count(&self, flavor: &Flavor) -> usize {
        self.ephemeral(flavor).len() + usize::from(self.swap_mb(flavor) > 0)
    }

    /// How each disk beside the root is shown, by the name that hosts know it by, in the order in which the guest has
    /// them.
    pub fn beside_root(&self, flavor: &Flavor) -> Vec<(String, DiskDevice)> {
        let ephemeral = self.ephemeral(flavor).into_iter().enumerate();
        let ephemeral = ephemeral.map(|(number, disk)| (ephemeral_name(number), disk.device));
        let swap = (self.swap_mb(flavor) > 0).then(|| (SWAP.to_owned(), self.swap.clone()));
        ephemeral.chain(swap).collect()
    }

    /// What another flavor leaves of the request: the ephemeral disks that it listed stay as they are, swap has the
    /// size that the flavor says, as with Nova.
    pub fn resized(&self) -> Self {
        LocalDisks {
            swap_mb: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flavor;

    fn sized(ephemeral: u32, swap: u32) -> Flavor {
        Flavor {
            ephemeral,
            swap,
            ..flavor("f")
        }
    }

    fn ephemeral(size_gb: Option<u32>) -> Wanted {
        Wanted::Ephemeral {
            size_gb,
            format: Some(FileSystem::Ext4),
        }
    }

    /// Shown in the usual way.
    fn plain(wanted: &[Wanted]) -> Vec<(Wanted, DiskDevice)> {
        let all = wanted.iter();
        all.map(|one| (*one, DiskDevice::default())).collect()
    }

    #[test]
    fn what_a_request_named_is_named_again_and_no_more() {
        assert!(LocalDisks::default().named().is_empty());
        let wanted = plain(&[ephemeral(Some(2)), Wanted::Swap { size_mb: Some(1) }]);
        let disks = LocalDisks::of(&wanted, &sized(4, 2)).expect("they fit");
        assert_eq!(disks.named(), wanted);
        // What it left to the flavor has a size by now.
        let wanted = plain(&[ephemeral(None)]);
        let disks = LocalDisks::of(&wanted, &sized(4, 2)).expect("it fits");
        assert_eq!(disks.named(), plain(&[ephemeral(Some(4))]));
    }

    #[test]
    fn each_disk_is_shown_as_it_was_asked_for_and_stays_so_with_another_flavor() {
        let shown = |tag: &str| DiskDevice {
            tag: Some(tag.to_owned()),
            ..DiskDevice::default()
        };
        let wanted = [
            (ephemeral(Some(2)), shown("a")),
            (Wanted::Swap { size_mb: Some(1) }, shown("b")),
            (ephemeral(Some(1)), shown("c")),
        ];
        let disks = LocalDisks::of(&wanted, &sized(5, 512)).expect("disks that fit");
        let tags = |disks: &LocalDisks, flavor: &Flavor| {
            let all = disks.beside_root(flavor).into_iter();
            all.map(|(name, device)| (name, device.tag.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        let named = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        let all = [
            named("ephemeral0", "a"),
            named("ephemeral1", "c"),
            named("swap", "b"),
        ];
        assert_eq!(tags(&disks, &sized(5, 512)), all);
        assert_eq!(tags(&disks.resized(), &sized(9, 1024)), all);
        assert_eq!(tags(&disks.resized(), &sized(9, 0)), all[..2]);
    }

    #[test]
    fn what_nobody_asks_for_is_the_flavors() {
        let disks = LocalDisks::of(&[], &sized(5, 512)).unwrap();
        assert_eq!(disks, LocalDisks::default());
        assert_eq!(disks.ephemeral_gb(&sized(5, 512)), 5);
        assert_eq!(disks.swap_mb(&sized(5, 512)), 512);
        assert_eq!(disks.count(&sized(5, 512)), 2);
        assert_eq!(disks.count(&sized(0, 0)), 0);
    }

    #[test]
    fn what_the_flavor_promises_is_shared_out_and_no_more() {
        let of = |wanted: &[Wanted]| LocalDisks::of(&plain(wanted), &sized(5, 512));
        let both = of(&[
            ephemeral(Some(2)),
            ephemeral(Some(3)),
            Wanted::Swap { size_mb: Some(100) },
        ])
        .unwrap();
        assert_eq!(both.count(&sized(5, 512)), 3);
        assert_eq!(
            (
                both.ephemeral_gb(&sized(5, 512)),
                both.swap_mb(&sized(5, 512))
            ),
            (5, 100)
        );
        let whole = of(&[ephemeral(None), Wanted::Swap { size_mb: None }]).unwrap();
        assert_eq!(whole.ephemeral(&sized(5, 512))[0].size_gb, 5);
        assert_eq!(whole.swap_mb, Some(512));
        for larger in [[Some(3), Some(3)], [None, Some(1)], [Some(0), Some(1)]] {
            assert_eq!(of(&larger.map(ephemeral)), Err(Unfit::Ephemeral));
        }
        let swap = |size_mb| Wanted::Swap { size_mb };
        assert_eq!(of(&[swap(Some(513))]), Err(Unfit::Swap));
        assert_eq!(
            of(&[swap(Some(1)), swap(Some(1))]),
            Err(Unfit::SeveralSwaps)
        );
        let none = sized(0, 0);
        assert_eq!(
            LocalDisks::of(&plain(&[swap(None)]), &none),
            Err(Unfit::Swap)
        );
        assert_eq!(
            LocalDisks::of(&plain(&[ephemeral(None)]), &none),
            Err(Unfit::Ephemeral)
        );
    }

    #[test]
    fn another_flavor_changes_swap_and_leaves_the_listed_disks() {
        let wanted = plain(&[ephemeral(Some(2)), Wanted::Swap { size_mb: Some(1) }]);
        let disks = LocalDisks::of(&wanted, &sized(5, 512));
        let after = disks.unwrap().resized();
        let larger = sized(9, 1024);
        assert_eq!(
            (after.ephemeral_gb(&larger), after.swap_mb(&larger)),
            (2, 1024)
        );
        assert_eq!(LocalDisks::default().resized().ephemeral_gb(&larger), 9);
    }
}
