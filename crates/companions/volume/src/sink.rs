//! What compute is told and asked.

use async_trait::async_trait;

/// Why an event did not reach compute; it is sent again later.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why compute does not replace a volume of a server.
#[derive(Debug, thiserror::Error)]
pub enum NotReplaced {
    /// It says why.
    #[error("{0}")]
    Refused(String),
    /// It is asked again later.
    #[error("compute does not answer")]
    Away(#[source] SinkError),
}

/// Carries events to compute (`POST /os-server-external-events`). `Ok` means acknowledged: compute took it, or answered
/// that it knows no such server.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// `name` is `volume-extended` or `volume-reimaged`.
    async fn send(&self, name: &str, server_id: &str, volume_id: &str) -> Result<(), SinkError>;

    /// Has compute put a new volume in the place of one that a server has. `Ok` means accepted: compute says with
    /// `os-migrate_volume_completion` how it ended. Asking again for the same is fine.
    async fn replace(
        &self,
        server_id: &str,
        volume_id: &str,
        new_id: &str,
    ) -> Result<(), NotReplaced>;
}
