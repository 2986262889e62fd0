//! The way to compute.

use async_trait::async_trait;

/// Why an event did not reach compute; it is sent again later.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Carries events to compute (`POST /v2.1/os-server-external-events`). `Ok` means acknowledged: compute took it, or
/// answered that it knows no such server.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// `network-vif-plugged`: the port is wired, the server may start.
    async fn vif_plugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError>;
    /// `network-vif-unplugged`: the port lost its host.
    async fn vif_unplugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError>;
    /// `network-vif-deleted`: the port is gone.
    async fn vif_deleted(&self, server_id: &str, port_id: &str) -> Result<(), SinkError>;
    /// `network-changed`: the server's addresses are others now.
    async fn changed(&self, server_id: &str, port_id: &str) -> Result<(), SinkError>;
}
