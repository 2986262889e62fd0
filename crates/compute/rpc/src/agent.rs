//! What the agent of a host is told: what must be true of a server, with its whole description and
//! the operation's epoch. A repeated or late command is harmless, an older epoch is refused with
//! [`crate::code::STALE`].

use std::path::PathBuf;

use bus::{Address, Message};
use chrono::{DateTime, Utc};
use compute_model::diagnostics::GuestDiagnostics;
use compute_model::disk_device::DiskPlace;
use compute_model::image::ServerImage;
use compute_model::lifecycle::Action;
use compute_model::volume::Connection;
use compute_model::{PowerState, Server};
use serde::{Deserialize, Serialize};

/// The agent of `host`.
pub fn address(host: &str) -> Address {
    Address::host("compute", host)
}

/// What a guest learns at its start and nobody keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// For the config drive.
    #[serde(default)]
    pub admin_password: Option<String>,
    /// Path and base64 content.
    #[serde(default)]
    pub injected_files: Vec<(String, String)>,
}

/// The server must exist on this host and run: fetch its image, make its disks, start it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Build {
    pub server: Box<Server>,
    /// For the config drive.
    pub admin_password: Option<String>,
    /// Path and base64 content.
    #[serde(default)]
    pub injected_files: Vec<(String, String)>,
    /// When it was sent. A host that was away may get it long after that, and then asks first
    /// ([`StillWanted`](crate::conductor::StillWanted)).
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
}

impl Message for Build {
    const NAME: &'static str = "build";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

/// The guest and everything of it on this host must be gone. A server that is not here is success.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Destroy {
    pub server_id: String,
    pub epoch: i64,
}

impl Message for Destroy {
    const NAME: &'static str = "destroy";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

/// Carry out one action on a server that is on this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Act {
    pub action: Action,
    pub server: Box<Server>,
    #[serde(default)]
    pub given: Given,
    /// As in [`Build`].
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
}

impl Message for Act {
    const NAME: &'static str = "act";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

/// Plug a network card of the server into its guest, running or not, or unplug it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plug {
    pub server: Box<Server>,
    pub port_id: String,
    /// Whether the guest is to have the card. The server has it then, with its description.
    pub plugged: bool,
}

impl Message for Plug {
    const NAME: &'static str = "plug";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Plug a volume of the server into its guest, running or not, or unplug it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlugVolume {
    pub server: Box<Server>,
    pub volume_id: String,
    /// Whether the guest is to have the volume. The server has it then, with its connection.
    pub plugged: bool,
}

impl Message for PlugVolume {
    const NAME: &'static str = "plug_volume";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Have another volume take the place of one that the server's running guest has, or tell how that stands. The server keeps
/// the id of the volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplaceVolume {
    pub server: Box<Server>,
    pub volume_id: String,
    /// How the host reaches the other one.
    pub new: Connection,
    pub wish: Replace,
}

impl Message for ReplaceVolume {
    const NAME: &'static str = "replace_volume";
    const IDEMPOTENT: bool = true;
    type Reply = Replaced;
}

/// What a host is to do about a volume whose place another one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replace {
    /// Nothing but tell; a switch that was decided and cut short is done.
    Look,
    /// Copy, unless that is under way.
    Copy,
    /// Give the guest the new one, if both hold the same.
    Switch,
    /// End the copy: the guest keeps the old one, if it still has that.
    Keep,
}

/// How it stands, as in the hypervisor's `Replacing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replaced {
    /// The guest has the old one, or there is no guest, and nothing is copied.
    Idle,
    /// Bytes.
    Copying {
        copied: u64,
        total: u64,
    },
    Ready,
    Switched,
}

/// Have an image in the host's cache before a server asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CacheImage {
    pub image: ServerImage,
}

impl Message for CacheImage {
    const NAME: &'static str = "cache_image";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Show the guest the size that a volume of its server has by now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResizeVolume {
    pub server_id: String,
    pub volume_id: String,
}

impl Message for ResizeVolume {
    const NAME: &'static str = "resize_volume";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Copy the server's root disk into a file of the host, for [`Upload`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Export {
    pub server: Box<Server>,
    /// Names the file.
    pub image_id: String,
    /// As in [`Build`].
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
}

impl Message for Export {
    const NAME: &'static str = "export";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Give the file that [`Export`] made to the image service, as the data of its image, and remove it. A host that lost
/// the file makes it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upload {
    pub server: Box<Server>,
    pub image_id: String,
    /// In whose name, as in [`Snapshot`](crate::workflows::Snapshot).
    pub token: String,
    /// As in [`Build`].
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
}

impl Message for Upload {
    const NAME: &'static str = "upload";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// The file that [`Export`] made, or is making, is not wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Discard {
    pub image_id: String,
}

impl Message for Discard {
    const NAME: &'static str = "discard";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// An action on a server was given up: commands of older epochs end without effect, begun or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveUp {
    pub server_id: String,
    pub epoch: i64,
}

impl Message for GiveUp {
    const NAME: &'static str = "give_up";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// The command is fulfilled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    pub power_state: PowerState,
    /// Where the guest finds its disks with tags since this command started it. None: the command started nothing, or
    /// no disk has a tag.
    #[serde(default)]
    pub disk_places: Option<Vec<DiskPlace>>,
}

/// The end of a server's console log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConsoleOutput {
    pub server_id: String,
    /// Lines from the end; all that is kept when absent.
    pub lines: Option<usize>,
}

impl Message for ConsoleOutput {
    const NAME: &'static str = "console_output";
    const IDEMPOTENT: bool = true;
    type Reply = String;
}

/// What the host can say of a server's guest, which may run or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Diagnose {
    pub server_id: String,
}

impl Message for Diagnose {
    const NAME: &'static str = "diagnose";
    const IDEMPOTENT: bool = true;
    type Reply = GuestDiagnostics;
}

/// Where the console of a running server can be reached from this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConsoleEndpoint {
    pub server_id: String,
    pub kind: ConsoleKind,
}

/// Kinds of console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleKind {
    Vnc,
    Serial,
}

/// An address that a console proxy can connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// A socket file on the agent's machine.
    Unix(PathBuf),
    /// Host name or address, and port.
    Tcp(String, u16),
}

impl Message for ConsoleEndpoint {
    const NAME: &'static str = "console_endpoint";
    const IDEMPOTENT: bool = true;
    type Reply = Endpoint;
}
