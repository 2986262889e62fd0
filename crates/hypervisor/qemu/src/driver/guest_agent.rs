//! What the agent in a guest is asked for. The server's lock is held meanwhile: its port has one user at a time.

use async_trait::async_trait;
use hypervisor::{DriverError, GuestAgent, GuestFacts, Quiesce, Result};

use super::{Host, QemuDriver};
use crate::guest_agent::{GuestAgent as Agent, Trouble};
use crate::layout::Layout;
use crate::{durable, record};

#[async_trait]
impl GuestAgent for QemuDriver {
    async fn set_password(
        &self,
        id: &str,
        epoch: u64,
        user: &str,
        password: &str,
    ) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let known = host.admitted(&layout, epoch)?;
        record::write(&layout, &known)?;
        if host.reach(&layout).await?.is_none() {
            return Err(DriverError::Busy {
                id: id.to_owned(),
                what: "it does not run".to_owned(),
            });
        }
        let set = async {
            let mut agent = Agent::connect(&layout.agent()).await?;
            agent.set_password(user, password).await
        };
        set.await
            .map_err(|trouble: Trouble| trouble.during("change the password"))?;
        Ok(host.facts(&layout, &known).await)
    }
}

/// File systems that are held still.
pub(super) struct Still {
    layout: Layout,
    agent: Agent,
}

impl Still {
    /// Has the file systems of a running guest held still, if so wished; None when nothing is.
    ///
    /// # Errors
    /// `GuestAgent` when they must be and are not.
    pub async fn make(layout: &Layout, quiesce: Quiesce) -> Result<Option<Self>> {
        if quiesce == Quiesce::No {
            return Ok(None);
        }
        // Noted before: whoever finds the guest later lets it go on.
        durable::replace_soon(&layout.frozen(), b"")
            .map_err(DriverError::io("note that the guest is held still"))?;
        let mut agent = match Agent::connect(&layout.agent()).await {
            Ok(agent) => agent,
            Err(trouble) => {
                forget(layout);
                return not_still(layout, quiesce, trouble);
            }
        };
        let Err(trouble) = agent.freeze().await else {
            let layout = layout.clone();
            return Ok(Some(Still { layout, agent }));
        };
        // It may have begun, and be late with its answer. The port has one user at a time.
        drop(agent);
        if thaw(layout).await {
            forget(layout);
        }
        not_still(layout, quiesce, trouble)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// `GuestAgent`: they stay still, and the guest writes nothing.
    pub async fn end(mut self) -> Result<()> {
        if let Err(trouble) = self.agent.thaw().await {
            drop(self.agent);
            if !thaw(&self.layout).await {
                return Err(trouble.during("let the file systems go on"));
            }
        }
        forget(&self.layout);
        Ok(())
    }
}

fn not_still(layout: &Layout, quiesce: Quiesce, trouble: Trouble) -> Result<Option<Still>> {
    if quiesce == Quiesce::Require {
        return Err(trouble.during("hold the file systems still"));
    }
    let server = layout.id();
    tracing::warn!(server, %trouble, "a copy shows file systems that were not held still");
    Ok(None)
}

fn forget(layout: &Layout) {
    if let Err(error) = durable::remove(&layout.frozen()) {
        tracing::warn!(server = layout.id(), %error, "the note of a held guest stays");
    }
}

/// Lets the file systems go on by a connection of its own; whether that was said.
async fn thaw(layout: &Layout) -> bool {
    let thawed = async {
        let mut agent = Agent::connect(&layout.agent()).await?;
        agent.thaw().await
    };
    match thawed.await {
        Ok(_) => true,
        Err(trouble) => {
            tracing::error!(server = layout.id(), %trouble, "file systems of a guest may be held still");
            false
        }
    }
}

impl Host {
    /// Lets a guest go on that an earlier driver held still when it ended.
    pub(super) async fn thaw_forgotten(&self, layout: &Layout) {
        if layout.frozen().exists() && thaw(layout).await {
            forget(layout);
        }
    }
}
