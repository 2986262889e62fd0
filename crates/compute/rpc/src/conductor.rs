//! What conductors are told.

use bus::{Address, Message};
use chrono::{DateTime, Utc};
use compute_model::PowerState;
use compute_model::host::NodeFacts;
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
    pub host: String,
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
}

impl Message for HostReport {
    const NAME: &'static str = "host_report";
    const IDEMPOTENT: bool = true;
    type Reply = HostOrders;
}

/// A role other than compute is alive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceReport {
    pub host: String,
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
    pub host: String,
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
/// with its rows and says which of them nobody wants any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestReport {
    pub host: String,
    pub guests: Vec<GuestSeen>,
}

/// One guest of a [`GuestReport`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestSeen {
    pub server_id: String,
    pub power_state: PowerState,
    pub epoch: i64,
}

/// Servers that the host should remove: deleted, or moved elsewhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unwanted {
    /// Server id and the epoch to remove it with.
    pub servers: Vec<(String, i64)>,
}

impl Message for GuestReport {
    const NAME: &'static str = "guest_report";
    const IDEMPOTENT: bool = true;
    type Reply = Unwanted;
}

/// A host got a command long after it was sent: does anybody still wait for it?
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StillWanted {
    pub host: String,
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
}

impl Message for RedeemConsole {
    const NAME: &'static str = "redeem_console";
    /// None for a token that is unknown, used, expired, or older than the server's last operation.
    type Reply = Option<ConsoleTarget>;
}
