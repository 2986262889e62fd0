//! Bringing a guest down.

use std::sync::Arc;

use hypervisor::{Cause, EventKind, PowerState, Result, StopHow};

use super::Host;
use crate::layout::Layout;
use crate::process;
use crate::record::Record;

impl Host {
    /// Brings a guest down, if it is up. The caller writes the record afterwards.
    pub(super) async fn halt(
        self: &Arc<Self>,
        layout: &Layout,
        record: &mut Record,
        how: StopHow,
    ) -> Result<()> {
        self.end(layout, how).await?;
        record.take(PowerState::Shutdown);
        Ok(())
    }

    /// The same by the server's folder alone.
    pub(super) async fn end(self: &Arc<Self>, layout: &Layout, how: StopHow) -> Result<()> {
        let id = layout.id();
        match self.reach(layout).await {
            Ok(None) => {
                // One that was started a moment before its driver died may have no pid file.
                if let Some(process) = process::search(layout) {
                    tracing::warn!(
                        server = id,
                        pid = process.pid,
                        "killing a guest nobody knew of"
                    );
                    process::kill(&process).await?;
                }
            }
            Ok(Some(guest)) => {
                let ending = guest.ending();
                if let StopHow::Graceful { timeout } = how
                    && guest.power().await == PowerState::Running
                {
                    tokio::select! {
                        _ = guest.power_button(timeout) => {}
                        () = self.locks.urgent(id) => {
                            tracing::info!(server = id, "it is to go: its shutdown is not waited for");
                        }
                    }
                }
                guest.end().await?;
                ending.came();
                self.forget(id);
                self.emit(id, EventKind::Stopped, Cause::Command, None);
            }
            Err(error) => {
                // It does not answer: that is no reason to let it live.
                let Some(process) = process::find(layout) else {
                    return Err(error);
                };
                tracing::warn!(server = id, %error, "killing a guest that does not answer");
                process::kill(&process).await?;
                self.forget(id);
                self.emit(id, EventKind::Stopped, Cause::Command, None);
            }
        }
        self.clear_runtime(layout);
        self.unserve_all(layout).await
    }

    /// Removes what only a running guest needs, and saved memory.
    fn clear_runtime(&self, layout: &Layout) {
        let _ = std::fs::remove_file(layout.memory()); // mostly not there
        self.clear_sockets(layout);
    }
}
