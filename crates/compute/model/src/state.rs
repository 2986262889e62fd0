//! The three states of a server. Words and numbers are the API's own; the database keeps the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is no state of the asked kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is no {kind}")]
pub struct UnknownState {
    pub kind: &'static str,
    pub word: String,
}

/// Declares an enum whose variants have one spelling on the wire and in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $(#[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The spelling on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            fn from_str(word: &str) -> Result<Self, UnknownState> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(UnknownState { kind: $kind, word: word.to_owned() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a server is, when nothing is under way.
    VmState, "vm state", {
        Active = "active",
        Building = "building",
        Paused = "paused",
        Suspended = "suspended",
        Stopped = "stopped",
        Rescued = "rescued",
        Resized = "resized",
        SoftDeleted = "soft-delete",
        Deleted = "deleted",
        Error = "error",
        Shelved = "shelved",
        ShelvedOffloaded = "shelved_offloaded",
    }
}

words! {
    /// What is under way with a server.
    TaskState, "task state", {
        Scheduling = "scheduling",
        BlockDeviceMapping = "block_device_mapping",
        Networking = "networking",
        Spawning = "spawning",
        ImageSnapshot = "image_snapshot",
        ImageSnapshotPending = "image_snapshot_pending",
        ImagePendingUpload = "image_pending_upload",
        ImageUploading = "image_uploading",
        ImageBackup = "image_backup",
        UpdatingPassword = "updating_password",
        ResizePrep = "resize_prep",
        ResizeMigrating = "resize_migrating",
        ResizeMigrated = "resize_migrated",
        ResizeFinish = "resize_finish",
        ResizeReverting = "resize_reverting",
        ResizeConfirming = "resize_confirming",
        Rebooting = "rebooting",
        RebootPending = "reboot_pending",
        RebootStarted = "reboot_started",
        RebootingHard = "rebooting_hard",
        RebootPendingHard = "reboot_pending_hard",
        RebootStartedHard = "reboot_started_hard",
        Pausing = "pausing",
        Unpausing = "unpausing",
        Suspending = "suspending",
        Resuming = "resuming",
        PoweringOff = "powering-off",
        PoweringOn = "powering-on",
        Rescuing = "rescuing",
        Unrescuing = "unrescuing",
        Rebuilding = "rebuilding",
        RebuildBlockDeviceMapping = "rebuild_block_device_mapping",
        RebuildSpawning = "rebuild_spawning",
        Migrating = "migrating",
        Deleting = "deleting",
        SoftDeleting = "soft-deleting",
        Restoring = "restoring",
        Shelving = "shelving",
        ShelvingImagePendingUpload = "shelving_image_pending_upload",
        ShelvingImageUploading = "shelving_image_uploading",
        ShelvingOffloading = "shelving_offloading",
        Unshelving = "unshelving",
    }
}

words! {
    /// How far a server's way to another size or host has come. Source: Nova's records of migrations.
    MigrationStatus, "migration status", {
        PreMigrating = "pre-migrating",
        Migrating = "migrating",
        PostMigrating = "post-migrating",
        Finished = "finished",
        Confirming = "confirming",
        Confirmed = "confirmed",
        Reverting = "reverting",
        Reverted = "reverted",
        Error = "error",
    }
}

impl TaskState {
    /// Whether it keeps its host's disks and wires busy, by Nova's count.
    pub fn is_heavy(self) -> bool {
        use TaskState::{
            ImageBackup, ImageSnapshot, Rebuilding, Rescuing, ResizeMigrating, ResizePrep,
            Unshelving,
        };
        matches!(
            self,
            ImageBackup
                | ImageSnapshot
                | Rebuilding
                | Rescuing
                | ResizeMigrating
                | ResizePrep
                | Unshelving
        )
    }
}

/// What the hypervisor last said of the guest. The numbers are Nova's (2 and 5 are unused there).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum PowerState {
    #[default]
    NoState,
    Running,
    Paused,
    Shutdown,
    Crashed,
    Suspended,
}

impl PowerState {
    /// Nova's word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            PowerState::NoState => "pending",
            PowerState::Running => "running",
            PowerState::Paused => "paused",
            PowerState::Shutdown => "shutdown",
            PowerState::Crashed => "crashed",
            PowerState::Suspended => "suspended",
        }
    }

    /// Nova's number.
    pub fn number(self) -> u8 {
        match self {
            PowerState::NoState => 0,
            PowerState::Running => 1,
            PowerState::Paused => 3,
            PowerState::Shutdown => 4,
            PowerState::Crashed => 6,
            PowerState::Suspended => 7,
        }
    }
}

impl From<PowerState> for u8 {
    fn from(state: PowerState) -> u8 {
        state.number()
    }
}

impl TryFrom<u8> for PowerState {
    type Error = UnknownState;

    fn try_from(number: u8) -> Result<Self, UnknownState> {
        match number {
            0 => Ok(PowerState::NoState),
            1 => Ok(PowerState::Running),
            3 => Ok(PowerState::Paused),
            4 => Ok(PowerState::Shutdown),
            6 => Ok(PowerState::Crashed),
            7 => Ok(PowerState::Suspended),
            _ => Err(UnknownState {
                kind: "power state",
                word: number.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_as_many_as_nova_has() {
        assert_eq!(VmState::ALL.len(), 12);
        assert_eq!(TaskState::ALL.len(), 42);
    }

    #[test]
    fn every_word_reads_back() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse::<TaskState>().as_ref(), Ok(state));
        }
        for state in VmState::ALL {
            assert_eq!(state.as_str().parse::<VmState>().as_ref(), Ok(state));
        }
    }
}
