//! Where events for compute go.

use async_trait::async_trait;

/// Why an event did not reach compute; it is sent again later.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Carries events to compute (`POST /os-server-external-events`). `Ok` means acknowledged: compute took it, or answered
/// that it knows no such server.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// `name` is `volume-extended` or `volume-reimaged`.
    async fn send(&self, name: &str, server_id: &str, volume_id: &str) -> Result<(), SinkError>;
}
