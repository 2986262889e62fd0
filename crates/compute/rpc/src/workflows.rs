//! The kinds of workflow and their states: what a use case writes into the journal and a conductor
//! carries out. A state holds all that its steps know and learn.
//!
//! Rows of older releases must read: new fields get defaults.

mod extend;
mod swap;

use chrono::{DateTime, Utc};
use compute_model::VmState;
use compute_model::fault::Kind;
use compute_model::image::ServerImage;
use compute_model::lifecycle::Action;
use compute_model::local_disks::LocalDisks;
use compute_model::network::{NetworkRequest, Vif};
use compute_model::request::{Choice, Explanation};
use compute_model::server::BuildPlan;
use compute_model::volume::AttachedVolume;
use serde::{Deserialize, Serialize};

use crate::agent::Given;

pub use extend::{EXTEND_VOLUME, EXTEND_VOLUME_VERSION, ExtendVolume};
pub use swap::{SWAP_VOLUME, SWAP_VOLUME_VERSION, SwapVolume};

/// Who asked, kept for the record of the action and for log lines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub request_id: String,
    pub global_request_id: Option<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    /// When it was accepted; nothing in rows of older releases.
    #[serde(default)]
    pub accepted_at: Option<DateTime<Utc>>,
}

impl Asked {
    /// The same for log lines.
    pub fn request(&self) -> telemetry::RequestId {
        telemetry::RequestId {
            local: self.request_id.clone(),
            global: self.global_request_id.clone(),
        }
    }

    /// The same for messages.
    pub fn context(&self) -> bus::Context {
        let mut context = bus::Context::new(self.request_id.clone());
        context
            .global_request_id
            .clone_from(&self.global_request_id);
        context.user_id.clone_from(&self.user_id);
        context.project_id.clone_from(&self.project_id);
        context
    }
}

impl From<&bus::Context> for Asked {
    fn from(context: &bus::Context) -> Self {
        Asked {
            request_id: context.request_id.clone(),
            global_request_id: context.global_request_id.clone(),
            user_id: context.user_id.clone(),
            project_id: context.project_id.clone(),
            accepted_at: Some(Utc::now()),
        }
    }
}

/// Kind of [`Build`].
pub const BUILD: &str = "build";

/// The version of [`Build`] and of its steps. Raise it when a program of before could not continue.
pub const BUILD_VERSION: u16 = 1;

/// A new server is placed, plugged and started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    pub server_id: String,
    pub asked: Asked,
    pub plan: BuildPlan,
    /// Hosts that were tried, the present one last.
    #[serde(default)]
    pub tried: Vec<String>,
    /// Hosts that the scheduler named beside the chosen one.
    #[serde(default)]
    pub alternates: Vec<Choice>,
    #[serde(default)]
    pub explanation: Explanation,
    /// What went wrong on the hosts that were tried, the last one last.
    #[serde(default)]
    pub failures: Vec<HostFailure>,
    /// Since when the present host's ports are waited for.
    #[serde(default)]
    pub plugging_since: Option<DateTime<Utc>>,
    /// The guest runs; only settling is left.
    #[serde(default)]
    pub power_state: Option<u8>,
    /// The image of its disk, when it is a shelved server that comes back.
    #[serde(default)]
    pub shelved_image: Option<ServerImage>,
}

/// How a host failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFailure {
    pub host: String,
    pub kind: Kind,
    /// For operators.
    pub text: String,
}

impl Build {
    /// A build that has not begun.
    pub fn new(server_id: &str, asked: Asked, plan: BuildPlan) -> Self {
        Build {
            server_id: server_id.to_owned(),
            asked,
            plan,
            tried: Vec::new(),
            alternates: Vec::new(),
            explanation: Explanation::default(),
            failures: Vec::new(),
            plugging_since: None,
            power_state: None,
            shelved_image: None,
        }
    }
}

/// Kind of [`HoldVolumes`].
pub const HOLD_VOLUMES: &str = "hold_volumes";

/// The version of [`HoldVolumes`] and of its steps. Raise it when a program of before could not continue.
pub const HOLD_VOLUMES_VERSION: u16 = 1;

/// Volumes are reserved for a server that is asked for and not written yet. What was reserved is given back, unless the
/// transaction that writes the server asks this to turn round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldVolumes {
    /// The id that the server is to have.
    pub server_id: String,
    pub asked: Asked,
    /// When the request counts as dead.
    pub until: DateTime<Utc>,
}

/// The signal to a [`HoldVolumes`] whose request failed.
pub const REQUEST_FAILED: &str = "request_failed";

/// Kind of [`Delete`].
pub const DELETE: &str = "delete";

/// The version of [`Delete`] and of its steps. Raise it when a program of before could not continue.
pub const DELETE_VERSION: u16 = 1;

/// A server and all that belongs to it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delete {
    pub server_id: String,
    pub asked: Asked,
    /// The image of a shelved server, which goes with it.
    #[serde(default)]
    pub image: Option<OwnedImage>,
}

/// Kind of [`SoftDelete`].
pub const SOFT_DELETE: &str = "soft_delete";

/// The version of [`SoftDelete`] and of its steps.
pub const SOFT_DELETE_VERSION: u16 = 1;

/// A server is put away as deleted, and kept for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftDelete {
    pub server_id: String,
    pub asked: Asked,
    /// The server's epoch when this claimed it, as in [`Act`].
    pub epoch: i64,
    /// The image of a shelved server, which goes: its disk is still on its host.
    #[serde(default)]
    pub image: Option<OwnedImage>,
    /// It is on no host, or on one that is down: it cannot be kept.
    #[serde(default)]
    pub lost: bool,
    #[serde(default)]
    pub power_state: Option<u8>,
}

/// Kind of [`Act`].
pub const ACT: &str = "act";

/// The version of [`Act`] and of its steps. Raise it when a program of before could not continue.
pub const ACT_VERSION: u16 = 1;

/// One action on a server's host: start, stop, reboot, pause, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub server_id: String,
    pub asked: Asked,
    pub action: Action,
    /// The server's epoch when the action claimed it. When the server has another one by now, a
    /// newer operation took over and this one ends without effect.
    pub epoch: i64,
    /// For the guest alone: forgotten once its host has it.
    #[serde(default)]
    pub given: Given,
    /// What `os-server-password` tells when it succeeded, encrypted for the server's owner; empty: nothing. None leaves
    /// it.
    #[serde(default)]
    pub server_password: Option<String>,
    #[serde(default)]
    pub power_state: Option<u8>,
    /// How often its host could not, of a [`RESUME_GUEST`].
    #[serde(default)]
    pub refused: u32,
}

/// Kind of an [`Act`] by which a guest runs again whose host lost its power. It waits for its turn.
pub const RESUME_GUEST: &str = "resume_guest";

/// The version of a [`RESUME_GUEST`] and of its steps.
pub const RESUME_GUEST_VERSION: u16 = 1;

/// Kind of [`RebuildVolume`].
pub const REBUILD_VOLUME: &str = "rebuild_volume";

/// The version of [`RebuildVolume`] and of its steps.
pub const REBUILD_VOLUME_VERSION: u16 = 1;

/// A server that boots from a volume is made anew from an image, which the volume gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RebuildVolume {
    pub server_id: String,
    pub asked: Asked,
    /// The server's epoch when this claimed it, as in [`Act`]. The way on from the volume's image and the way back raise it
    /// by one, and a failure by two.
    pub epoch: i64,
    /// What it was.
    pub was: VmState,
    pub image: ServerImage,
    /// The caller's token, in whose name the volume gets the image; sealed as in [`Snapshot`].
    pub token: String,
    /// As in [`Act`].
    #[serde(default)]
    pub given: Given,
    /// Since when the volume is waited for.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
    /// The guest cannot run as it did before.
    #[serde(default)]
    pub lost: bool,
    #[serde(default)]
    pub power_state: Option<u8>,
}

/// Kind of a [`Resize`] that begins.
pub const RESIZE: &str = "resize";

/// Kind of a [`Resize`] whose server keeps its new size.
pub const CONFIRM_RESIZE: &str = "confirm_resize";

/// Kind of a [`Resize`] whose server gets its old size back.
pub const REVERT_RESIZE: &str = "revert_resize";

/// The version of [`Resize`] and of the steps of its three kinds.
pub const RESIZE_VERSION: u16 = 1;

/// A server gets another size; what it is and was stands in its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    pub server_id: String,
    pub asked: Asked,
    /// The server's epoch when this claimed it, as in [`Act`]. The way back raises it by one.
    pub epoch: i64,
    /// Why the scheduler turned its host away.
    #[serde(default)]
    pub explanation: Explanation,
    /// The host did not take back what it had done: nobody knows what the guest is.
    #[serde(default)]
    pub lost: bool,
    #[serde(default)]
    pub power_state: Option<u8>,
}

/// Kind of a [`Shelve`].
pub const SHELVE: &str = "shelve";

/// The version of [`Shelve`] and of its steps.
pub const SHELVE_VERSION: u16 = 1;

/// A server is put aside, and may leave its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shelve {
    pub server_id: String,
    pub asked: Asked,
    /// The server's epoch when this claimed it, as in [`Act`]. The way back raises it by one.
    pub epoch: i64,
    /// What it was.
    pub was: VmState,
    /// How its disk becomes an image; none when it boots from a volume, or is shelved already.
    #[serde(default)]
    pub image: Option<Snapshot>,
    /// Whether it leaves its host.
    pub offload: bool,
    /// It was told to stop: what was in its memory is gone.
    #[serde(default)]
    pub stopped: bool,
}

/// Kind of a [`Build`] of a shelved server that left its host.
pub const UNSHELVE: &str = "unshelve";

/// Kind of [`UnshelveHere`].
pub const UNSHELVE_HERE: &str = "unshelve_here";

/// The version of the steps of both ways back from the shelf.
pub const UNSHELVE_VERSION: u16 = 1;

/// A shelved server that is still on its host starts again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnshelveHere {
    pub server_id: String,
    pub asked: Asked,
    pub epoch: i64,
    /// The image that goes when it runs.
    pub image: Option<OwnedImage>,
    #[serde(default)]
    pub power_state: Option<u8>,
}

/// An image, and the token of somebody who may remove it, sealed as in [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedImage {
    pub id: String,
    pub token: String,
}

/// Kind of [`AttachInterface`].
pub const ATTACH_INTERFACE: &str = "attach_interface";

/// The version of [`AttachInterface`] and of its steps.
pub const ATTACH_INTERFACE_VERSION: u16 = 1;

/// A server gets one more network card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachInterface {
    pub server_id: String,
    pub asked: Asked,
    pub wanted: NetworkRequest,
    /// The workflows of the changes of the server's devices that were accepted before this one.
    #[serde(default)]
    pub before: Vec<String>,
    /// The card, once its port is made or bound.
    #[serde(default)]
    pub vif: Option<Vif>,
    /// Since when the port is waited for.
    #[serde(default)]
    pub plugging_since: Option<DateTime<Utc>>,
}

/// Kind of [`DetachInterface`].
pub const DETACH_INTERFACE: &str = "detach_interface";

/// The version of [`DetachInterface`] and of its steps.
pub const DETACH_INTERFACE_VERSION: u16 = 1;

/// A server loses a network card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetachInterface {
    pub server_id: String,
    pub asked: Asked,
    /// As in [`AttachInterface`].
    #[serde(default)]
    pub before: Vec<String>,
    /// What the server's record says of the card.
    pub vif: Vif,
}

/// Kind of [`AttachVolume`].
pub const ATTACH_VOLUME: &str = "attach_volume";

/// The version of [`AttachVolume`] and of its steps.
pub const ATTACH_VOLUME_VERSION: u16 = 1;

/// A server gets a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachVolume {
    pub server_id: String,
    pub asked: Asked,
    pub volume_id: String,
    #[serde(default)]
    pub tag: Option<String>,
    #[serde(default)]
    pub delete_on_termination: bool,
    /// As in [`AttachInterface`].
    #[serde(default)]
    pub before: Vec<String>,
    /// What the server's record says of it, once the volume is reserved.
    #[serde(default)]
    pub volume: Option<AttachedVolume>,
}

/// Kind of [`DetachVolume`].
pub const DETACH_VOLUME: &str = "detach_volume";

/// The version of [`DetachVolume`] and of its steps.
pub const DETACH_VOLUME_VERSION: u16 = 1;

/// A server loses a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetachVolume {
    pub server_id: String,
    pub asked: Asked,
    /// As in [`AttachInterface`].
    #[serde(default)]
    pub before: Vec<String>,
    pub volume: AttachedVolume,
    /// The volume is shown as `detaching`, if a host has it.
    #[serde(default)]
    pub begun: bool,
}

/// Changes of a server's devices, which are made one after the other.
pub const DEVICE_CHANGES: &[&str] = &[
    ATTACH_INTERFACE,
    DETACH_INTERFACE,
    ATTACH_VOLUME,
    DETACH_VOLUME,
    SWAP_VOLUME,
];

/// Operations that may start a guest with the devices that its server's record had a moment before. (Those of shelving
/// wait for changes of devices, and are not waited for.)
pub const STARTS: &[&str] = &[ACT, RESUME_GUEST, REBUILD_VOLUME, RESIZE, REVERT_RESIZE];

/// Kind of [`Snapshot`].
pub const SNAPSHOT: &str = "snapshot";

/// The version of [`Snapshot`] and of its steps.
pub const SNAPSHOT_VERSION: u16 = 1;

/// An image is made of a server's disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub server_id: String,
    pub asked: Asked,
    /// The server's epoch when this claimed it, as in [`Act`].
    pub epoch: i64,
    /// Chosen at acceptance; the image's record is made by whoever accepted.
    pub image_id: String,
    /// The caller's token, in whose name the image is filled; [sealed](crate::sealed) with the password of compute's
    /// own user.
    pub token: String,
    /// None for a plain image.
    #[serde(default)]
    pub backup: Option<Backup>,
}

/// Kind of [`SnapshotVolumes`].
pub const SNAPSHOT_VOLUMES: &str = "snapshot_volumes";

/// The version of [`SnapshotVolumes`] and of its steps.
pub const SNAPSHOT_VOLUMES_VERSION: u16 = 1;

/// An image is made of a server that boots from a volume: it stands for snapshots of the server's volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotVolumes {
    pub image: Snapshot,
    /// The image's name.
    pub name: String,
    /// What the server's disks sit on.
    pub bus: String,
    pub root_device: String,
    /// The volumes of the guest at acceptance, the one that it boots from first.
    pub volumes: Vec<AttachedVolume>,
    /// Its disks on its host: the image names those that its own request named.
    #[serde(default)]
    pub local_disks: LocalDisks,
}

/// A backup replaces older ones of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub backup_type: String,
    /// How many of the type stay, this one included.
    pub rotation: u32,
}

/// Whether an operator may turn an operation of this kind round: a delete only goes forward, and what holds volumes
/// takes it for the word that its server is written.
#[must_use]
pub fn can_undo(kind: &str) -> bool {
    ![DELETE, HOLD_VOLUMES].contains(&kind)
}
