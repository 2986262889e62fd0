//! What conductors are told.

use bus::{Address, Message};
use chrono::{DateTime, Utc};
use compute_model::host::NodeFacts;
use compute_model::{HostName, PowerState};
use serde::{Deserialize, Serialize};

/// Where conductors listen; any of them may take a message.
pub fn address() -> Address {
    Address::topic("conductor")
}

/// A workflow waits in the journal: begin at once instead of at the next sweep.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nudge {
    pub workflow_id: String,
}

impl Message for Nudge {
    const NAME: &'static str = "nudge";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// A host is alive and offers this. Sent at the agent's start, when facts change, and every report
/// interval.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostReport {
    /// The cloud that the host belongs to: a conductor of another one refuses the report.
    #[serde(default)]
    pub cloud_id: String,
    pub host: HostName,
    /// Name of the hypervisor: `hypervisor_hostname`.
    pub node: String,
    pub node_id: String,
    pub facts: NodeFacts,
    /// First report of this agent process: what it had under way before is gone.
    pub started: bool,
}

/// What a conductor says back to a host that reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HostOrders {
    /// Whether the service is enabled.
    pub enabled: bool,
    /// Whether there are servers that the host is to let go: it should report its guests now.
    #[serde(default)]
    pub report_guests: bool,
}

impl Message for HostReport {
    const NAME: &'static str = "host_report";
    const IDEMPOTENT: bool = true;
    type Reply = HostOrders;
}

/// A role other than compute is alive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceReport {
    /// As in [`HostReport`].
    #[serde(default)]
    pub cloud_id: String,
    pub host: HostName,
    /// `nova-scheduler`, `nova-conductor`.
    pub binary: String,
}

impl Message for ServiceReport {
    const NAME: &'static str = "service_report";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// A guest changed its state, by itself or by an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestChanged {
    /// As in [`HostReport`].
    #[serde(default)]
    pub cloud_id: String,
    pub host: HostName,
    pub server_id: String,
    pub power_state: PowerState,
    pub at: DateTime<Utc>,
    /// The epoch that the host last obeyed for this server.
    pub epoch: i64,
}

impl Message for GuestChanged {
    const NAME: &'static str = "guest_changed";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// All guests of a host, at the agent's start and every few minutes: the conductor compares them
/// with its rows and says which of them are to go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestReport {
    /// As in [`HostReport`].
    #[serde(default)]
    pub cloud_id: String,
    pub host: HostName,
    #[serde(default)]
    pub node_id: String,
    pub guests: Vec<GuestSeen>,
    /// Guests that the answer before called doubtful, when this is the second look at them.
    #[serde(default)]
    pub doubted: Vec<String>,
    /// The agent began, and guests that ran until then and do not run now are to run again.
    #[serde(default)]
    pub resume: bool,
}

/// One guest of a [`GuestReport`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestSeen {
    pub server_id: String,
    pub power_state: PowerState,
    pub epoch: i64,
}

/// What a conductor says to a report of all guests.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unwanted {
    /// Server id and the epoch to remove it with: their rows are deleted, or the host was to let
    /// them go. It need not have them.
    pub servers: Vec<(String, i64)>,
    /// Guests that no row names here. They may have gone since the host listed them: it looks again
    /// and reports anew, with these as [`GuestReport::doubted`]. Those that are still there are
    /// quarantined.
    #[serde(default)]
    pub doubtful: Vec<String>,
}

impl Message for GuestReport {
    const NAME: &'static str = "guest_report";
    const IDEMPOTENT: bool = true;
    type Reply = Unwanted;
}

/// Servers that the host let go as it was told: nothing of them is left there, and commands of an
/// older epoch are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestsGone {
    pub cloud_id: String,
    pub host: HostName,
    pub node_id: String,
    /// Server id and the epoch with which it was removed.
    pub servers: Vec<(String, i64)>,
}

impl Message for GuestsGone {
    const NAME: &'static str = "guests_gone";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// A host got a command long after it was sent: does anybody still wait for it?
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StillWanted {
    pub host: HostName,
    pub server_id: String,
    /// The epoch of the command.
    pub epoch: i64,
}

impl Message for StillWanted {
    const NAME: &'static str = "still_wanted";
    const IDEMPOTENT: bool = true;
    type Reply = bool;
}

/// The network service says that a port changed: wake whoever waits for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PortChanged {
    pub server_id: String,
    pub port_id: String,
}

impl Message for PortChanged {
    const NAME: &'static str = "port_changed";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// The volume service says that a volume holds an image again: wake whoever waits for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VolumeReimaged {
    pub server_id: String,
    pub volume_id: String,
}

impl Message for VolumeReimaged {
    const NAME: &'static str = "volume_reimaged";
    const IDEMPOTENT: bool = true;
    type Reply = ();
}

/// Somebody opens a console with a token: it is used up, and the answer says where to connect.
#[derive(Clone, Serialize, Deserialize)]
pub struct RedeemConsole {
    /// SHA-256 of the token in hex: the token itself stays with the proxy.
    pub token_hash: String,
}

/// Where a console is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleTarget {
    pub server_id: String,
    pub host: String,
    /// `novnc`, `serial`.
    pub kind: String,
    /// The token of the user who asked, sealed with the console's ([`crate::sealed`]); none for
    /// one that an older release made.
    #[serde(default)]
    pub sealed_token: Option<String>,
}

impl Message for RedeemConsole {
    const NAME: &'static str = "redeem_console";
    /// None for a token that is unknown, used, expired, or older than the server's last operation.
    type Reply = Option<ConsoleTarget>;
}

/// Somebody has a console open: is the server still where it was, and whose is it?
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckConsole {
    pub server_id: String,
    /// Where the console leads.
    pub host: String,
}

/// To whom a server belongs, for the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub project_id: String,
    pub user_id: String,
}

impl Message for CheckConsole {
    const NAME: &'static str = "check_console";
    const IDEMPOTENT: bool = true;
    /// None for a server that is deleted or on another host.
    type Reply = Option<Owner>;
}
