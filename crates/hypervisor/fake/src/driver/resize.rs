//! Another size for a simulated guest.

use async_trait::async_trait;
use hypervisor::{DriverError, EventKind, GuestFacts, Resize, Result, ServerSpec, StopHow};

use super::FakeDriver;
use crate::Verb;
use crate::guests::{Before, Guest};

impl FakeDriver {
    /// The guest with another description, started if it is to run.
    async fn change_size(
        &self,
        mut guest: Guest,
        spec: &ServerSpec,
        how: StopHow,
        run: bool,
    ) -> Result<GuestFacts> {
        let latencies = self.host.settings.latencies;
        let stopping = match how {
            StopHow::Graceful { .. } => latencies.stop_ms,
            StopHow::Hard => 0,
        };
        self.begin(Verb::Resize, stopping.saturating_add(latencies.start_ms))
            .await?;
        self.stop(&mut guest);
        guest.spec = spec.clone();
        self.host.guests.put(guest.clone())?;
        if !run {
            return Ok(guest.facts());
        }
        self.check_startable(&guest)?;
        self.start(guest, EventKind::Started)
    }
}

#[async_trait]
impl Resize for FakeDriver {
    async fn resize(&self, spec: &ServerSpec, how: StopHow, run: bool) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(&spec.id).await;
        let mut guest = self.admitted(&spec.id, spec.epoch)?;
        if guest
            .before
            .as_ref()
            .is_none_or(|before| before.epoch != spec.epoch)
        {
            guest.before = Some(Before {
                epoch: spec.epoch,
                spec: guest.spec.clone(),
            });
        }
        self.change_size(guest, spec, how, run).await
    }

    async fn confirm_resize(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        self.begin(Verb::ConfirmResize, self.host.settings.latencies.other_ms)
            .await?;
        guest.before = None;
        let facts = guest.facts();
        self.host.guests.put(guest)?;
        Ok(facts)
    }

    async fn revert_resize(
        &self,
        spec: &ServerSpec,
        how: StopHow,
        run: bool,
    ) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(&spec.id).await;
        let mut guest = self.admitted(&spec.id, spec.epoch)?;
        let kept = guest.before.take().is_some();
        if !kept && !guest.spec.is_as_large_as(spec) {
            return Err(DriverError::nothing_kept());
        }
        if !kept && super::alive(&guest) {
            guest.spec = spec.clone();
            let facts = guest.facts();
            self.host.guests.put(guest)?;
            return Ok(facts);
        }
        self.change_size(guest, spec, how, run).await
    }
}
